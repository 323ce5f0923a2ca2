"""The settings as administrators see them: all of them, explained, and no secret."""

import re

import pytest

from headway.health.settings import ShownSetting, shown_settings
from headway.settings import SECRETS, URLS, Settings, variable

NAMES_A_FILE_OR_PUBLISHED = {"tls_key", "idp_keys"}
SECRET = "s3cr3t-" * 8


def shown(**given: object) -> dict[str, ShownSetting]:
    return {each.variable: each for group in shown_settings(Settings(**given)) for each in group.settings}  # type: ignore[arg-type]


def test_every_setting_is_shown_once_with_the_words_of_the_document() -> None:
    found = shown()

    assert sorted(found) == sorted(variable(name) for name in Settings.__struct_fields__)
    assert all(each.meaning and each.is_default for each in found.values())
    assert not [each for each in found.values() if re.search(r"`|\]\(", each.meaning)]
    assert [group.title for group in shown_settings(Settings())][:2] == ["Server", "Database"]


def test_what_sounds_like_a_secret_is_one() -> None:
    sounding = {name for name in Settings.__struct_fields__ if re.search("secret|password|keys?$", name)}

    assert sounding - NAMES_A_FILE_OR_PUBLISHED == SECRETS


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_of_a_secret_only_whether_it_is_set_is_shown(name: str) -> None:
    setting = shown(**{name: SECRET})[variable(name)]

    assert (setting.value, setting.is_set, setting.is_secret, setting.is_default) == (None, True, True, False)
    assert not shown()[variable(name)].is_set
    assert SECRET not in repr(shown_settings(Settings(**{name: SECRET})))  # type: ignore[arg-type]


def test_addresses_are_shown_without_accounts() -> None:
    values = {"database_url": f"postgresql://headway:{SECRET}@db.example.org:5432/x?password={SECRET}"}
    values["valkey_url"] = f"valkeys://:{SECRET}@cache.example.org/1"
    values["smtp_url"] = f"smtp://headway:{SECRET}@mail.example.org:587"

    found = shown(**values)

    assert set(values) == URLS
    assert found["HEADWAY_DATABASE_URL"].value == "postgresql://db.example.org:5432/x"
    assert found["HEADWAY_VALKEY_URL"].value == "valkeys://cache.example.org/1"
    assert found["HEADWAY_SMTP_URL"].value == "smtp://mail.example.org:587"
    assert SECRET not in repr(found)

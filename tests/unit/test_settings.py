"""What an operator can set: variables, flags before them, and every bad value told by the name of its variable."""

from contextlib import nullcontext
from typing import Any, get_type_hints

import pytest

from headway.settings import Settings, SettingsError, variable

NUMBERS = sorted(name for name, kind in get_type_hints(Settings).items() if kind is int)
SWITCHES = sorted(name for name, kind in get_type_hints(Settings).items() if kind is bool)
OUTSIDE = {
    "HEADWAY_IDP_ISSUER": "https://id.example.org",
    "HEADWAY_IDP_AUDIENCE": "headway",
    "HEADWAY_IDP_KEYS": "https://id.example.org/keys",
}
MAIL = {
    "HEADWAY_SMTP_URL": "smtp://headway:p%40ss@mail.example.org",
    "HEADWAY_MAIL_FROM": "School <no-reply@example.org>",
    "HEADWAY_PUBLIC_URL": "https://learn.example.org",
}
REQUIRED = {"verify_email": MAIL}
"""What has to be set beside a switch."""


def test_nothing_has_to_be_set() -> None:
    assert Settings.load({}) == Settings()


def test_the_defaults_are_the_limits_that_clients_are_told() -> None:
    settings = Settings()

    assert (settings.host, settings.port, settings.database_url) == ("127.0.0.1", 8000, "sqlite:///headway.db")
    assert (settings.max_body_bytes, settings.max_event_bytes, settings.max_batch_events) == (1_000_000, 32_000, 500)
    assert (settings.heartbeat_interval_seconds, settings.max_claim_seconds) == (30, 4 * 3600)
    assert settings.access_token_seconds == 3600


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_is_set_by_its_variable(name: str) -> None:
    assert getattr(Settings.load({variable(name): "41"}), name) == 41


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("true", True), ("YES", True), ("on", True), ("0", False), ("False", False), ("no", False), ("off", False)],
)
def test_every_switch_is_set_by_its_variable(name: str, text: str, value: bool) -> None:
    assert getattr(Settings.load({**REQUIRED.get(name, {}), variable(name): text}), name) is value


def test_texts_are_set_by_their_variables() -> None:
    settings = Settings.load({"HEADWAY_DATABASE_URL": "postgresql://db/headway", "HEADWAY_HOST": "0.0.0.0", **OUTSIDE})  # noqa: S104

    assert (settings.database_url, settings.host) == ("postgresql://db/headway", "0.0.0.0")  # noqa: S104
    assert (settings.idp_issuer, settings.idp_audience) == ("https://id.example.org", "headway")


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert Settings.load({"HEADWAY_PORT": "", "HEADWAY_SECRET_KEY": ""}) == Settings()


def test_other_variables_are_left_alone() -> None:
    assert Settings.load({"PORT": "1", "headway_port": "2", "HEADWAY": "3"}) == Settings()


def test_the_environment_of_the_process_is_read_if_no_other_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_PORT", "8123")

    assert Settings.load().port == 8123


def test_a_flag_wins_over_its_variable() -> None:
    assert Settings.load({"HEADWAY_PORT": "1", "HEADWAY_HOST": "a"}, port=2, host="b") == Settings(port=2, host="b")


def test_a_flag_that_was_not_given_leaves_the_variable_in_force() -> None:
    assert Settings.load({"HEADWAY_PORT": "1"}, port=None).port == 1


def test_a_flag_of_zero_or_false_was_given() -> None:
    settings = Settings.load({"HEADWAY_PORT": "1", "HEADWAY_METRICS_PUBLIC": "true"}, port=0, metrics_public=False)

    assert (settings.port, settings.metrics_public) == (0, False)


def test_a_flag_makes_up_for_a_variable_that_cannot_be_read() -> None:
    assert Settings.load({"HEADWAY_PORT": "high"}, port=2).port == 2


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["high", "1.5", "0x10", "-1", "1e3"])
def test_a_number_that_is_none_or_negative_is_told_by_its_variable(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=rf"{variable(name)} must be .*{text}"):
        Settings.load({variable(name): text})


@pytest.mark.parametrize("name", [name for name in NUMBERS if name != "port"])
def test_no_number_but_the_port_may_be_zero(name: str) -> None:
    with pytest.raises(SettingsError, match=variable(name)):
        Settings.load({variable(name): "0"})


def test_port_0_lets_the_system_choose() -> None:
    assert Settings.load({"HEADWAY_PORT": "0"}).port == 0


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("text", ["maybe", "2", "tru"])
def test_a_switch_that_is_neither_on_nor_off_is_told_by_its_variable(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable(name)} must be true or false"):
        Settings.load({variable(name): text})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HEADWAY_DATABASE_URL", "mysql://localhost/headway"),
        ("HEADWAY_DATABASE_URL", "headway.db"),
        ("HEADWAY_DATABASE_URL", "sqlite://headway.db"),
        ("HEADWAY_SECRET_KEY", "k" * 31),
        ("HEADWAY_SECRET_KEY", "\udcff" * 40),
        ("HEADWAY_LOG_LEVEL", "loud"),
        ("HEADWAY_LOG_LEVEL", "INFO "),
        ("HEADWAY_PORT", "65536"),
    ],
)
def test_an_impossible_value_is_told_by_its_variable(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.load({name: text})


@pytest.mark.parametrize(
    ("name", "text"), [("HEADWAY_SECRET_KEY", "k" * 32), ("HEADWAY_LOG_LEVEL", "debug"), ("HEADWAY_PORT", "65535")]
)
def test_a_value_just_within_its_bounds_is_taken(name: str, text: str) -> None:
    assert Settings.load({name: text}) != Settings()


def test_the_length_of_a_secret_key_is_counted_in_bytes() -> None:
    assert Settings.load({"HEADWAY_SECRET_KEY": "é" * 16}).secret_key == "é" * 16


@pytest.mark.parametrize("missing", sorted(OUTSIDE))
def test_an_identity_provider_that_is_set_in_part_is_told_by_all_its_variables(missing: str) -> None:
    with pytest.raises(SettingsError, match="HEADWAY_IDP_ISSUER, HEADWAY_IDP_AUDIENCE and HEADWAY_IDP_KEYS go together"):
        Settings.load({name: text for name, text in OUTSIDE.items() if name != missing})


@pytest.mark.parametrize("flags", [{"port": -1}, {"database_url": "x"}, {"workers": 0}])
def test_a_flag_is_checked_like_a_variable(flags: dict[str, Any]) -> None:
    (name,) = flags

    with pytest.raises(SettingsError, match=variable(name)):
        Settings.load({}, **flags)


@pytest.mark.parametrize(
    ("url", "is_sqlite"), [("sqlite:///x.db", True), ("postgresql://db/x", False), ("postgres://db/x", False)]
)
def test_the_kind_of_database_is_told_by_its_url(url: str, is_sqlite: bool) -> None:
    assert Settings(database_url=url).is_sqlite is is_sqlite


@pytest.mark.parametrize("zone", ["Kolkata", "Asia/Nowhere", "../etc/passwd", "", "UTC+1 "])
def test_a_time_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(SettingsError, match="HEADWAY_DISPLAY_TIMEZONE must be a time zone"):
        Settings(display_timezone=zone).check()


def test_a_time_zone_that_exists_is_taken() -> None:
    assert Settings.load({"HEADWAY_DISPLAY_TIMEZONE": "Asia/Kolkata"}).display_timezone == "Asia/Kolkata"


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost:6379"])
def test_an_address_that_is_not_one_of_valkey_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="HEADWAY_VALKEY_URL must start with"):
        Settings(valkey_url=url).check()


def test_valkey_without_its_client_is_refused_in_words_that_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.settings.find_spec", lambda _name: None)

    with pytest.raises(SettingsError, match=r"pip install 'headway\[valkey\]'"):
        Settings(valkey_url="redis://localhost:6379").check()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"HEADWAY_OIDC_ISSUER": "https://id.example.org"}, "HEADWAY_OIDC_CLIENT_ID"),
        ({"HEADWAY_OIDC_CLIENT_ID": "headway"}, "HEADWAY_OIDC_ISSUER"),
        ({"HEADWAY_OIDC_CLIENT_SECRET": "secret"}, "HEADWAY_OIDC_ISSUER"),
        ({"HEADWAY_OIDC_ISSUER": "http://id.example.org", "HEADWAY_OIDC_CLIENT_ID": "headway"}, "must start with https://"),
        ({"HEADWAY_OIDC_ISSUER": "http://127.0.0.1.example.org", "HEADWAY_OIDC_CLIENT_ID": "h"}, "must start with https://"),
    ],
)
def test_single_sign_on_needs_a_provider_and_a_client(given: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Settings.load(given)


def test_accounts_are_found_by_the_subjects_of_one_provider_alone() -> None:
    outside = {"HEADWAY_IDP_AUDIENCE": "a", "HEADWAY_IDP_KEYS": "https://id.example.org/keys"}
    single_sign_on = {"HEADWAY_OIDC_ISSUER": "https://id.example.org", "HEADWAY_OIDC_CLIENT_ID": "headway"}

    Settings.load({**outside, **single_sign_on, "HEADWAY_IDP_ISSUER": "https://id.example.org"})
    with pytest.raises(SettingsError, match="the same provider"):
        Settings.load({**outside, **single_sign_on, "HEADWAY_IDP_ISSUER": "https://other.example.org"})


@pytest.mark.parametrize("missing", sorted(MAIL))
def test_the_settings_of_mail_go_together(missing: str) -> None:
    assert Settings.load(MAIL).site_url == "https://learn.example.org"
    with pytest.raises(SettingsError, match="HEADWAY_SMTP_URL") if missing != "HEADWAY_SMTP_URL" else nullcontext():
        Settings.load({name: text for name, text in MAIL.items() if name != missing})


def test_addresses_are_not_verified_without_mail() -> None:
    with pytest.raises(SettingsError, match="HEADWAY_VERIFY_EMAIL requires HEADWAY_SMTP_URL"):
        Settings.load({"HEADWAY_VERIFY_EMAIL": "true"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HEADWAY_SMTP_URL", "mail.example.org:25"),
        ("HEADWAY_SMTP_URL", "http://mail.example.org"),
        ("HEADWAY_SMTP_URL", "smtp://"),
        ("HEADWAY_SMTP_URL", "smtp://host:99999"),
        ("HEADWAY_SMTP_URL", "smtp://host/path"),
        ("HEADWAY_SMTP_URL", "smtp://host?tls=maybe"),
        ("HEADWAY_SMTP_URL", "smtp://host?other=1"),
        ("HEADWAY_SMTP_URL", "smtps://host?tls=none"),
        ("HEADWAY_SMTP_URL", "smtp://user@host"),
        ("HEADWAY_SMTP_URL", "smtp://user:password@host?tls=none"),
        ("HEADWAY_SMTP_URL", "smtp://us%0Aer:password@host"),
        ("HEADWAY_MAIL_FROM", "School"),
        ("HEADWAY_MAIL_FROM", "School <a@b.c>\nBcc: eve@example.org"),
        ("HEADWAY_PUBLIC_URL", "learn.example.org"),
        ("HEADWAY_PUBLIC_URL", "https://learn.example.org/app"),
    ],
)
def test_a_bad_setting_of_mail_is_told_by_its_name(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.load({**MAIL, name: text})

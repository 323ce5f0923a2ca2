"""The settings as administrators see them: with the words of docs/settings.md, and without secrets."""

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from headway.settings import SECRETS, URLS, Settings, variable

_DOCUMENTS = (Path(__file__).with_name("settings.md"), Path(__file__).parents[3] / "docs" / "settings.md")
"""The document in an installed package, and in the repository."""
_HEADING = re.compile(r"^## (.+)$")
_ROW = re.compile(r"^\| `(HEADWAY_\w+)` \|.*?\|(.*?)\| (.*) \|$")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_OTHERS = "Other settings"


class ShownSetting(NamedTuple):
    """A setting. `value` is None for one that has none, and for a secret; `is_set` says whether it has a value."""

    variable: str
    value: str | None
    is_set: bool
    is_secret: bool
    is_default: bool
    unit: str
    meaning: str


class SettingsGroup(NamedTuple):
    """The settings of a section of the document."""

    title: str
    settings: list[ShownSetting]


class _Documented(NamedTuple):
    group: str
    unit: str
    meaning: str


def shown_settings(settings: Settings) -> list[SettingsGroup]:
    """Return all settings, in the groups and the order of the document."""
    documented, default = _read_document(), Settings()
    groups: dict[str, list[ShownSetting]] = {}
    order = {name: place for place, name in enumerate(documented)}
    for field in sorted(settings.__struct_fields__, key=lambda each: order.get(variable(each), len(order))):
        name, value = variable(field), getattr(settings, field)
        words = documented.get(name, _Documented(_OTHERS, "", ""))
        is_secret = field in SECRETS
        shown = None if value is None or is_secret else _shown(field, value)
        groups.setdefault(words.group, []).append(
            ShownSetting(name, shown, value is not None, is_secret, value == getattr(default, field), words.unit, words.meaning)
        )
    return [SettingsGroup(title, found) for title, found in groups.items()]


def _shown(field: str, value: Any) -> str:
    if field in URLS:
        # Without the name and the password of an account, and without parameters, which may hold them too.
        url = urlsplit(value)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
    return str(value).lower() if isinstance(value, bool) else str(value)


@cache
def _read_document() -> dict[str, _Documented]:
    """Return what the document says of each variable; nothing if it is not there."""
    document = next((path for path in _DOCUMENTS if path.is_file()), None)
    found: dict[str, _Documented] = {}
    group = _OTHERS
    for line in [] if document is None else document.read_text(encoding="utf-8").splitlines():
        if heading := _HEADING.match(line):
            group = heading[1]
        elif row := _ROW.match(line):
            found[row[1]] = _Documented(group, _plain(row[2]).strip(), _plain(row[3]))
    return found


def _plain(text: str) -> str:
    """Return a text of the document without its marks."""
    return _LINK.sub(r"\1", text).replace("`", "")

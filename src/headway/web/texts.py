"""Texts in the language of whoever reads them, and numbers and times in their locale and time zone.

The English text is the key of the catalogues (`locales/<language>/LC_MESSAGES/headway.po`, gettext); see `docs/pages.md`.
"""

import functools
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel import dates as babel_dates
from babel import numbers as babel_numbers
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

from headway.db.personal_keys import ERASED
from headway.identity import ERASED_NAME
from headway.instants import DAY, HOUR, MINUTE, SECOND, Day, Instant, Milliseconds, to_datetime

LOCALES = Path(__file__).parent / "locales"
ENGLISH = "en"
_HUNDREDTHS = 100
_NOTHING = "\u2013"
_MAX_TAGS = 20
_LONGEST_TAG = 35
_LONGEST_ZONE = 64


class Viewer(NamedTuple):
    """Whoever looks at a page: their language and how they write numbers and times."""

    locale: Locale
    zone: ZoneInfo
    translations: NullTranslations

    @property
    def language(self) -> str:
        """The language of texts, such as `en`."""
        return self.locale.language

    def text(self, message: str, **values: object) -> str:
        """Return a text of the catalogue with its `%(name)s` replaced."""
        translated: str = self.translations.ugettext(message)
        return translated % values if values else translated

    def unless_erased(self, text: str | None) -> str:
        """Return a person's name or text, if there is one; what is stored in its place once it was erased is translated."""
        if text == ERASED_NAME:
            return self.text("Erased user")
        return self.text("[erased]") if text == ERASED else text or ""

    def ngettext(self, one: str, many: str, count: int, **values: object) -> str:
        """Return a text of the catalogue in the form for a number, with `%(count)s` and its other values replaced."""
        translated: str = self.translations.ungettext(one, many, count)
        return translated % {"count": self.number(count), **values}

    def number(self, value: float, digits: int = 0) -> str:
        """Return a number with at most so many digits after the point."""
        pattern = "#,##0." + "#" * digits if digits else "#,##0"
        return babel_numbers.format_decimal(value, pattern, locale=self.locale)

    def percent(self, hundredths: float | None, digits: int = 0) -> str:
        """Return a percent that is given in hundredths, cut as the contracts do: 9,999 of them are 99 %, not 100 %."""
        if hundredths is None:
            return _NOTHING
        scale = 10**digits
        cut = int(hundredths * scale // _HUNDREDTHS) / scale / 100
        pattern = str(self.locale.percent_formats[None].pattern)
        if digits:
            pattern = pattern.replace("##0", f"##0.{'0' * digits}")
        return babel_numbers.format_percent(cut, pattern, locale=self.locale)

    def duration(self, milliseconds: Milliseconds | None) -> str:
        """Return a length of time as hours and minutes; below a minute, as seconds."""
        if milliseconds is None:
            return _NOTHING
        if milliseconds < MINUTE:
            return self.text("%(seconds)s s", seconds=self.number(milliseconds // SECOND))
        hours, minutes = self.number(milliseconds // HOUR), self.number(milliseconds % HOUR // MINUTE)
        if milliseconds < HOUR:
            return self.text("%(minutes)s min", minutes=minutes)
        return self.text("%(hours)s h %(minutes)s min", hours=hours, minutes=minutes)

    def date(self, instant: Instant | None) -> str:
        """Return the day of an instant, such as "26 Nov 2026"."""
        if instant is None:
            return _NOTHING
        return babel_dates.format_date(to_datetime(instant, self.zone).date(), "medium", locale=self.locale)

    def utc_day(self, day: Day) -> str:
        """Return a whole day in UTC, whatever the time zone of the viewer."""
        return babel_dates.format_date(to_datetime(day * DAY).date(), "medium", locale=self.locale)

    def datetime(self, instant: Instant | None) -> str:
        """Return the day and the minute of an instant."""
        if instant is None:
            return _NOTHING
        moment = to_datetime(instant, self.zone)
        day = babel_dates.format_date(moment.date(), "medium", locale=self.locale)
        minute = babel_dates.format_time(moment, "short", tzinfo=self.zone, locale=self.locale)
        pattern = str(babel_dates.get_datetime_format("medium", locale=self.locale))
        return pattern.replace("{0}", minute).replace("{1}", day).replace("'", "")

    def time(self, instant: Instant) -> str:
        """Return the minute of an instant within its day."""
        return babel_dates.format_time(to_datetime(instant, self.zone), "short", tzinfo=self.zone, locale=self.locale)

    def ago(self, instant: Instant | None, now: Instant) -> str:
        """Return how long ago an instant was, such as "3 days ago"; "never" for None."""
        if instant is None:
            return self.text("never")
        if 0 <= now - instant < MINUTE:
            return self.text("just now")
        return babel_dates.format_timedelta(
            (instant - now) // SECOND, add_direction=True, threshold=1.2 if abs(now - instant) < DAY else 1, locale=self.locale
        )


class Catalogues:
    """The languages of the pages."""

    def __init__(self, default_zone: str) -> None:
        self._default_zone = ZoneInfo(default_zone)
        self._translations = _translations(LOCALES)

    @property
    def languages(self) -> dict[str, str]:
        """The languages by their code, each named in itself."""
        return {code: (Locale(code).display_name or code).capitalize() for code in sorted(self._translations)}

    def translations(self, language: str) -> NullTranslations:
        """Return the texts of a language of `languages`."""
        return self._translations[language]

    def viewer(self, *, language: str | None, accept_language: str | None, zone: str | None) -> Viewer:
        """Return the viewer who chose a language and is in a time zone; what is unknown falls back to what browsers ask for.

        `accept_language` is the header of RFC 9110, section 12.5.4.
        """
        preferred = _preferred(accept_language or "")
        tags = [*([language] if language in self._translations else []), *preferred, ENGLISH]
        tag = next(each for each in tags if each.partition("-")[0].lower() in self._translations)
        # The region of a browser that asks for the chosen language too tells how to write dates.
        same = (each for each in preferred if each.lower().startswith(f"{tag}-"))
        locale = _parse_locale(next(same, tag)) or Locale(tag.partition("-")[0].lower())
        return Viewer(locale, self._zone(zone), self._translations[locale.language])

    def _zone(self, name: str | None) -> ZoneInfo:
        if name is None or len(name) > _LONGEST_ZONE:
            return self._default_zone
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return self._default_zone


@functools.cache
def _translations(folder: Path) -> dict[str, NullTranslations]:
    """Read the catalogues of all languages in a folder, once for all servers of a process."""
    translations: dict[str, NullTranslations] = {ENGLISH: NullTranslations()}
    for path in sorted(folder.glob("*/LC_MESSAGES/headway.po")):
        compiled = BytesIO()
        with path.open("rb") as file:
            write_mo(compiled, read_po(file))
        compiled.seek(0)
        translations[path.parts[-3]] = Translations(compiled)
    return translations


def _preferred(accept_language: str) -> list[str]:
    """Return the tags of an Accept-Language header, the most wanted first."""
    weighted = []
    for position, each in enumerate(accept_language.split(",")[:_MAX_TAGS]):
        tag, _, weight = each.strip().partition(";q=")
        try:
            wanted = float(weight or 1)
        except ValueError:
            continue
        if wanted > 0 and len(tag) <= _LONGEST_TAG:
            weighted.append((-wanted, position, tag))
    return [tag for _, _, tag in sorted(weighted)]


def _parse_locale(tag: str) -> Locale | None:
    try:
        return Locale.parse(tag, sep="-")
    except (ValueError, UnknownLocaleError):
        return None

"""The types of fields and parameters that contracts share, and their parsers: ids, times, date ranges, pages and searches."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Annotated, NamedTuple

from msgspec import Meta

from headway import instants
from headway.errors import FieldError, Invalid
from headway.instants import END_OF_TIME, START_OF_TIME, Instant

UNKNOWN_ID = 0
"""An id that nothing has."""
LARGEST_INTEGER = 2**53 - 1
"""The largest integer that all JSON clients represent exactly (RFC 8259, section 6)."""

_YEARS = r"^(19(0[1-9]|[1-9]\d)|[2-8]\d{3}|9[0-8]\d\d|99[0-8]\d|999[0-7])-"
"""1901 to 9997: in the years around these it depends on the offset whether a time is valid."""
Timestamp = Annotated[
    str,
    Meta(
        max_length=64,
        extra_json_schema={"format": "date-time", "pattern": _YEARS},
        description="RFC 3339, in the years 1900 to 9998. Without an offset, UTC.",
    ),
]
"""A time in a body; `parse_instant` reads it."""
Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""A time in a response."""
DateBound = Annotated[
    str, Meta(max_length=64, extra_json_schema={"anyOf": [{"format": "date"}, {"format": "date-time"}], "pattern": _YEARS})
]
"""A bound in a query, for `DateBounds`."""


def parse_instant(errors: list[FieldError], field: str, text: str | None) -> Instant | None:
    """Return the instant of a Timestamp; for one that is not valid, add the field's error and return None."""
    if text is None:
        return None
    try:
        return instants.parse(text)
    except ValueError as error:
        errors.append(FieldError(field, str(error)))
        return None


def parse_id(text: str) -> int:
    """Return a positive integer of at most 2^53 - 1, or UNKNOWN_ID for any other text, so that the route returns 404."""
    if not text.isascii() or not text.isdecimal() or len(text) > 16 or int(text) > LARGEST_INTEGER:
        return UNKNOWN_ID
    return int(text)


def require_id(field: str, text: str) -> int:
    """Return a positive integer of at most 2^53 - 1. Raises Invalid naming the field."""
    number = parse_id(text)
    if number == UNKNOWN_ID:
        raise Invalid.field(field, "must be a positive integer")
    return number


ID_PATTERN = "^[1-9][0-9]{0,14}$"
Id = Annotated[int, Meta(ge=1, le=LARGEST_INTEGER, description="A positive integer.")]
"""An id in a body."""
NamedId = Annotated[
    str,
    Meta(pattern=f"{ID_PATTERN}|^ext:", description="A positive integer of at most 2^53 - 1, or `ext:` and an external id."),
]
"""The type of an id in a path, for the OpenAPI document."""
Page = Annotated[int, Meta(ge=1, le=1_000_000)]
"""The type of the number of a page."""
Limit = Annotated[int, Meta(ge=1, extra_json_schema={"maximum": "${max_page_size}"})]
"""The type of the number of rows of a page that a client asks for."""
SearchText = Annotated[str, Meta(max_length=200)]
"""The type of a text to search a list by."""


class DateRange(NamedTuple):
    """A half-open range of instants; None where there is no bound."""

    start: Instant | None
    end: Instant | None

    def has(self, at: Instant) -> bool:
        """Return whether an instant lies in the range."""
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)


class DateBounds(NamedTuple):
    """The parser of a contract's ISO 8601 date bounds. Both are inclusive; a date is the whole day in `zone`."""

    start_field: str
    end_field: str
    zone: tzinfo = UTC

    def parse(self, start: str | None, end: str | None) -> DateRange:
        """Parse both bounds. Raises Invalid naming every invalid field."""
        errors: list[FieldError] = []
        first = self._parse(errors, self.start_field, start)
        last = self._parse(errors, self.end_field, end)
        if first is not None and last is not None and last[1] <= first[0]:
            errors.append(FieldError(self.end_field, f"must not be before {self.start_field}"))
        if errors:
            raise Invalid(errors)
        return DateRange(None if first is None else first[0], None if last is None else last[1])

    def _parse(self, errors: list[FieldError], field: str, text: str | None) -> tuple[Instant, Instant] | None:
        """Return the first instant of a bound and the first one after it."""
        if text is None:
            return None
        try:
            day = date.fromisoformat(text)
        except ValueError:
            return self._parse_instant(errors, field, text)
        try:
            midnight = datetime(day.year, day.month, day.day, tzinfo=self.zone)
            first, after = instants.from_datetime(midnight), instants.from_datetime(midnight + timedelta(days=1))
        except OverflowError:
            first = after = END_OF_TIME
        if START_OF_TIME <= first < END_OF_TIME:
            return first, after
        errors.append(FieldError(field, instants.RANGE))
        return None

    @staticmethod
    def _parse_instant(errors: list[FieldError], field: str, text: str) -> tuple[Instant, Instant] | None:
        try:
            moment = instants.parse(text)
        except ValueError as error:
            errors.append(FieldError(field, f"{error}, or a date" if str(error) == instants.FORM else str(error)))
            return None
        return moment, moment + 1

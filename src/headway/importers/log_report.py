"""What an import of logs did, or would do: what was stored, and what was not taken and why."""

from collections import Counter
from collections.abc import Iterator

import msgspec

from headway.importers.log_model import Refusal

_FIRST = 5
_MAX_KINDS = 1_000
"""How many kinds of lines are told apart that were not taken; types are texts of the log."""
_MAX_SHOWN = 100
_MAX_DETAIL = 200


class NotTaken(msgspec.Struct):
    """Lines of one type that were not taken for one reason, and where the first of them stand."""

    type: str
    reason: str
    count: int = 0
    lines: list[str] = msgspec.field(default_factory=list)
    details: list[str] = msgspec.field(default_factory=list)
    """What was wrong, or not found, with the first ones, where the reason does not say it."""


class ImportReport(msgspec.Struct):
    """What an import did. `events` are new ones; `duplicates` were stored before, or stand in the files twice."""

    is_dry_run: bool = False
    files: int = 0
    lines: int = 0
    events: int = 0
    duplicates: int = 0
    new_users: int = 0
    new_enrollments: int = 0
    by_type: dict[str, int] = msgspec.field(default_factory=dict)
    """New events by the activity type under which they are stored."""
    not_taken: list[NotTaken] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)

    @property
    def count_not_taken(self) -> int:
        """How many lines were not taken."""
        return sum(each.count for each in self.not_taken)


class Tally:
    """Counts while an import runs, in constant memory."""

    def __init__(self, *, is_dry_run: bool) -> None:
        self._report = ImportReport(is_dry_run=is_dry_run)
        self._by_type: Counter[str] = Counter()
        self._not_taken: dict[tuple[str, str], NotTaken] = {}

    def begin_file(self) -> None:
        """Count a file."""
        self._report.files += 1

    def count_line(self) -> None:
        """Count a line."""
        self._report.lines += 1

    def count_stored(self, activity_type: str) -> None:
        """Count a new event."""
        self._report.events += 1
        self._by_type[activity_type] += 1

    def count_duplicates(self, count: int) -> None:
        """Count events that were stored before."""
        self._report.duplicates += count

    def count_new(self, *, users: int, enrollments: int) -> None:
        """Count accounts and enrollments that the import made."""
        self._report.new_users += users
        self._report.new_enrollments += enrollments

    def refuse(self, place: str, refusal: Refusal) -> None:
        """Count a line that is not taken; `place` is its file and number."""
        key = (refusal.type[:_MAX_SHOWN] or "?", refusal.reason.value)
        if key not in self._not_taken and len(self._not_taken) >= _MAX_KINDS:
            key = ("other types", refusal.reason.value)
        kind = self._not_taken.setdefault(key, NotTaken(*key))
        kind.count += 1
        if len(kind.lines) < _FIRST:
            kind.lines.append(place)
        if refusal.detail and refusal.detail not in kind.details and len(kind.details) < _FIRST:
            kind.details.append(refusal.detail[:_MAX_DETAIL])

    def finish(self, notes: list[str]) -> ImportReport:
        """Return the report, the most frequent first."""
        self._report.by_type = dict(self._by_type.most_common())
        self._report.not_taken = sorted(self._not_taken.values(), key=lambda each: (-each.count, each.type, each.reason))
        self._report.notes = notes
        return self._report


def render_text(report: ImportReport) -> Iterator[str]:
    """Yield the report as lines for people."""
    would = "would be " if report.is_dry_run else ""
    yield f"Lines read: {report.lines:,}, in {report.files} {'file' if report.files == 1 else 'files'}."
    yield f"Events {would}stored: {report.events:,}. Stored before: {report.duplicates:,}."
    yield from (f"{count:>14,}  {name}" for name, count in report.by_type.items())
    if report.new_users or report.new_enrollments:
        yield f"Accounts {would}made: {report.new_users:,}. Enrollments {would}made: {report.new_enrollments:,}."
    yield from report.notes
    yield f"Lines not taken: {report.count_not_taken:,}."
    for each in report.not_taken:
        more = " …" if each.count > len(each.lines) else ""
        yield f"{each.count:>14,}  {each.type}: {each.reason}"
        yield from (f"{'':>16}{detail}" for detail in each.details)
        yield f"{'':>16}{', '.join(each.lines)}{more}"

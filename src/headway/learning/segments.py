"""Verify what resets left: the parts into which they divide what a learner did, and what was reached in each of them.

Of a unit, the events before each reset that is not undone are a part, from the reset before on; those after the last one count
now. An event that was told after a reset and happened before it belongs to no part: it is kept as one that does not count.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from headway.courses.completion import COMPLETE, NO_EVIDENCE, Evidence, percent_by_rule
from headway.courses.grading import GradingHistory
from headway.courses.times import Times
from headway.db.database import Row
from headway.instants import DAY, Day, Instant
from headway.learning import study_time
from headway.learning.comparing import compared_evidence, covers, declared_evidence, recorded_rule
from headway.learning.counting import ALL_COUNTS, Counting, ResetUnits
from headway.learning.store import COURSE_ALONE, SpansByUnit, decode_spans
from headway.learning.study_time import Span
from headway.learning.unit_progress import UnitStatus
from headway.verify import Difference

_decode_units = msgspec.json.Decoder(tuple[int, ...]).decode


class _Reset(NamedTuple):
    """A reset that is not undone."""

    id: int
    counts_from: Instant
    unit_ids: tuple[int, ...] | None
    keeps_study: bool

    def concerns(self, unit_id: int) -> bool:
        return self.unit_ids is None or unit_id in self.unit_ids


class Segments:
    """The parts into which resets divide what a learner did in a course."""

    def __init__(self, key: dict[str, int | str]) -> None:
        self.key = key
        self.counting = ALL_COUNTS
        self.days: dict[Day, SpansByUnit] = {}
        """The study that is set aside."""
        self._resets: list[_Reset] = []
        self._earlier: dict[tuple[int, int], Row] = {}
        self._evidence: dict[tuple[int, int], Evidence] = {}

    def add_reset(self, row: Row) -> None:
        """Add a reset; one that was undone means nothing. Add them before all else."""
        if row["undone_at"] is None:
            unit_ids = None if row["unit_ids"] is None else _decode_units(row["unit_ids"])
            self._resets.append(_Reset(row["id"], row["counts_from"], unit_ids, bool(row["keeps_study"])))
            self._resets.sort(key=lambda each: each.counts_from)
            self.counting = Counting.after(
                ResetUnits(each.counts_from, each.unit_ids, each.keeps_study) for each in self._resets
            )

    def add_earlier(self, row: Row) -> None:
        """Add what was reached in a unit before a reset."""
        self._earlier[row["reset_id"], row["unit_id"]] = row

    def add_set_aside(self, row: Row) -> Iterator[Difference]:
        """Add a day of study that is set aside; yield what of it counts."""
        day, key = row["day"], {**self.key, "day": row["day"]}
        try:
            self.days[day] = decode_spans(row["spans"])
        except msgspec.DecodeError:
            self.days[day] = {}
        if not self.days[day]:
            yield Difference("set_aside_days", key, "spans", row["spans"], "the spans of at least one unit")
        for unit_id, spans in self.days[day].items():
            since = self.counting.study_from(unit_id)
            if not spans or spans != study_time.union(spans) or since is None or day * DAY + spans[-1][1] > since:
                expected = "spans in order within the day, before a reset that did not keep study time"
                yield Difference("set_aside_days", key, "spans", {str(unit_id): spans}, expected)

    def find(self, unit_id: int, at: Instant) -> int | None:
        """Return the reset before which something happened in a unit; None for what counts now."""
        found = (each.id for each in self._resets if at < each.counts_from and each.concerns(unit_id))
        return next(found, None)

    def add_evidence(self, reset_id: int, unit_id: int, evidence: Evidence) -> None:
        """Add what an event left in a unit before a reset."""
        self._evidence[reset_id, unit_id] = self._evidence.get((reset_id, unit_id), NO_EVIDENCE).merge(evidence)

    def covers(self, unit_id: int, span: Span) -> bool:
        """Return whether a span of study is set aside, part for part of its days."""
        return all(covers(self.days.get(day, {}).get(unit_id, []), part) for day, part in study_time.by_day(span))

    def metrics(self) -> Evidence:
        """Return the engagement since the last reset of the whole course that was reset with units."""
        whole = self.counting.progress_from(COURSE_ALONE) or 0
        later = {each.id for each in self._resets if each.counts_from > whole}
        metrics = NO_EVIDENCE
        for (reset_id, _), evidence in self._evidence.items():
            if reset_id in later:
                metrics = metrics.merge(Evidence(engagement_metrics=evidence.engagement_metrics))
        return metrics

    def differences(
        self, study: dict[Day, SpansByUnit], history: GradingHistory, times_of: dict[int, set[Times]]
    ) -> Iterator[Difference]:
        """Yield what was not reached before resets as it is stored; `times_of` are the times that units have and had."""
        for reset_id, unit_id in sorted(self._evidence.keys() - self._earlier.keys()):
            if unit_id != COURSE_ALONE:
                key = {**self.key, "reset_id": reset_id, "unit_id": unit_id}
                yield Difference("earlier_progress", key, "unit_id", None, "a row, for the learner was active in the unit")
        resets = {each.id: each for each in self._resets}
        for (reset_id, unit_id), row in sorted(self._earlier.items()):
            key = {**self.key, "reset_id": reset_id, "unit_id": unit_id}
            reset = resets.get(reset_id)
            if reset is None or not reset.concerns(unit_id):
                yield Difference("earlier_progress", key, "reset_id", reset_id, "a reset of the unit that is not undone")
                continue
            declared = declared_evidence(row)
            evidence = self._evidence.get((reset_id, unit_id), NO_EVIDENCE).merge(declared)
            yield from compared_evidence("earlier_progress", key, row, evidence)
            met = recorded_rule(row)
            is_met = met is not None and history.had_rule(unit_id, met)
            if is_met and met is not None:
                most = max(self._studied(reset, unit_id, times, study) for times in times_of[unit_id])
                is_met = percent_by_rule(met, evidence, most) == COMPLETE
            is_declared = evidence.is_declared_complete or evidence.declared_percent == COMPLETE
            if row["status"] == UnitStatus.COMPLETED and not (is_met or is_declared):
                yield Difference("earlier_progress", key, "status", row["status"], "what the evidence leads to")

    def _studied(self, reset: _Reset, unit_id: int, times: Times, study: dict[Day, SpansByUnit]) -> int:
        """Return how much was studied in a unit, within some times, from the reset before on until a reset."""
        before = [each.counts_from for each in self._resets if each.concerns(unit_id) and each.counts_from < reset.counts_from]
        first, last = times.bounds
        part = Times(max(first, max(before, default=first)), min(last, reset.counts_from))
        return sum(
            part.overlap_in_day(day, spans_of.get(unit_id, ())) for days in (study, self.days) for day, spans_of in days.items()
        )

"""Verify what resets left: the parts into which they divide what a learner did, and what was reached in each of them.

Of a unit, the events before each reset that is not undone are a part, from the reset before on; those after the last one count
now. An event that was told after a reset and happened before it belongs to no part: it is kept as one that does not count.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from headway.courses.completion import COMPLETE, NO_EVIDENCE, Evidence, percent_by_rule
from headway.courses.grading import GradingHistory
from headway.courses.times import Times
from headway.db.database import Row
from headway.instants import DAY, Day, Instant, Milliseconds
from headway.learning import study_time
from headway.learning.comparing import compared_evidence, covers, declared_evidence, recorded_rule
from headway.learning.counting import ALL_COUNTS, Counting, ResetUnits
from headway.learning.reset_verify import Reached, StoredReset, before_differences, row_differences
from headway.learning.store import COURSE_ALONE, SpansByUnit, decode_spans
from headway.learning.study_time import Span
from headway.learning.unit_progress import UnitStatus
from headway.verify import Difference


class Segments:
    """The parts into which resets divide what a learner did in a course."""

    def __init__(self, key: dict[str, int | str]) -> None:
        self.key = key
        self.counting = ALL_COUNTS
        self.days: dict[Day, SpansByUnit] = {}
        """The study that is set aside."""
        self._resets: list[StoredReset] = []
        self._earlier: dict[tuple[int, int], Row] = {}
        self._evidence: dict[tuple[int, int], Evidence] = {}
        self.had_certificate = False
        """Whether there was a certificate before a reset."""

    def add_reset(self, row: Row) -> Iterator[Difference]:
        """Add a reset, and yield what does not fit in it; one that was undone divides nothing. Add them before all else."""
        yield from row_differences(row, self.key)
        reset = StoredReset.of(row)
        self.had_certificate |= reset.before is not None and reset.before.certificate_url is not None
        if row["undone_at"] is None:
            self._resets.append(reset)
            self._resets.sort(key=lambda each: each.counts_from)
            self.counting = _counting_after(self._resets)

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
        return self._metrics_of(_since_whole(self._resets))

    def _metrics_of(self, resets: Iterable[StoredReset]) -> Evidence:
        ids, metrics = {each.id for each in resets}, NO_EVIDENCE
        for (reset_id, _), evidence in self._evidence.items():
            if reset_id in ids:
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
        yield from self._before_differences(study, history)
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

    def _before_differences(self, study: dict[Day, SpansByUnit], history: GradingHistory) -> Iterator[Difference]:
        """Yield what resets of the whole course say of before that was not reached."""
        for place, reset in enumerate(self._resets):
            if reset.unit_ids is None:
                earlier = self._resets[:place]
                units = {unit_id: row for (reset_id, unit_id), row in self._earlier.items() if reset_id == reset.id}
                metrics = self._metrics_of([*_since_whole(earlier), reset])
                studied = self._all_studied(_counting_after(earlier), reset.counts_from, study)
                yield from before_differences(reset, self.key, Reached(units, metrics, studied), history)

    def _all_studied(self, counting: Counting, until: Instant, study: dict[Day, SpansByUnit]) -> Milliseconds:
        """Return how much was studied in the course until a reset, of what counted as study time."""
        total = 0
        for day in study.keys() | self.days.keys():
            spans = [
                (max(start, (counting.study_from(unit_id) or 0) - day * DAY), min(end, until - day * DAY))
                for days in (study, self.days)
                for unit_id, spans_of in days.get(day, {}).items()
                for start, end in spans_of
            ]
            total += study_time.length(study_time.union(span for span in spans if span[0] < span[1]))
        return total

    def _studied(self, reset: StoredReset, unit_id: int, times: Times, study: dict[Day, SpansByUnit]) -> int:
        """Return how much was studied in a unit, within some times, from the reset before on until a reset."""
        before = [each.counts_from for each in self._resets if each.concerns(unit_id) and each.counts_from < reset.counts_from]
        first, last = times.bounds
        part = Times(max(first, max(before, default=first)), min(last, reset.counts_from))
        return sum(
            part.overlap_in_day(day, spans_of.get(unit_id, ())) for days in (study, self.days) for day, spans_of in days.items()
        )


def _counting_after(resets: Iterable[StoredReset]) -> Counting:
    return Counting.after(ResetUnits(each.counts_from, each.unit_ids, each.keeps_study) for each in resets)


def _since_whole(resets: Sequence[StoredReset]) -> Sequence[StoredReset]:
    """Return those after the last one of the whole course; `resets` are in order."""
    whole = [place for place, each in enumerate(resets) if each.unit_ids is None]
    return resets[whole[-1] + 1 :] if whole else resets

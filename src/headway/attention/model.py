"""Who needs help in a course and why: rules with thresholds of the staff's choice, and what they find in stored facts."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, TypeAlias

import msgspec

from headway.courses.completion import COMPLETE, Percent
from headway.errors import FieldError, Invalid
from headway.instants import DAY, END_OF_TIME, HOUR, START_OF_TIME, Instant, Milliseconds
from headway.text import is_blank

BACK_DAYS = 3
"""For how many days after their return learners are shown as having come back."""
FOLLOWED_DAYS = 14
"""For how many days a message from the list is remembered beside its receiver."""
OVER_DAYS = 30
"""For how many days after the end of a course its learners are still listed."""
SAME_TEXT_WITHIN: Milliseconds = DAY
"""Nobody gets the same text of the same course twice within this time."""
MAX_NOTE, MAX_FILTER_NAME, MAX_FILTERS, MAX_RECEIVERS, MAX_DISMISSED_DAYS = 5_000, 100, 20, 1_000, 365
NAME_FIELD = "{name}"
"""Stands in the text of a message for the name of its receiver."""


class RuleName(StrEnum):
    """The rules by which learners are listed."""

    NOT_SEEN = "not_seen"
    BEHIND_PLAN = "behind_plan"
    STUCK = "stuck"
    FAILED_TWICE = "failed_twice"


class Rule(msgspec.Struct, frozen=True):
    """A rule as it applies in a course.

    `threshold` is in days for NOT_SEEN and STUCK, in percentage points for BEHIND_PLAN, and for FAILED_TWICE the percent of the
    maximum below which a grade fails. `hours` of study in one unit are the other threshold of STUCK; others have none.
    """

    name: RuleName
    threshold: int
    is_on: bool = True
    hours: int | None = None


Rules: TypeAlias = Mapping[RuleName, Rule]

DEFAULTS: Rules = {
    RuleName.NOT_SEEN: Rule(RuleName.NOT_SEEN, 7),
    RuleName.BEHIND_PLAN: Rule(RuleName.BEHIND_PLAN, 20),
    RuleName.STUCK: Rule(RuleName.STUCK, 5, hours=3),
    RuleName.FAILED_TWICE: Rule(RuleName.FAILED_TWICE, 50),
}
LARGEST: Mapping[RuleName, int] = {
    RuleName.NOT_SEEN: 365,
    RuleName.BEHIND_PLAN: 99,
    RuleName.STUCK: 365,
    RuleName.FAILED_TWICE: 100,
}
"""The largest thresholds; the smallest is 1."""
LARGEST_HOURS = 1_000


def check_rule(rule: Rule) -> None:
    """Reject thresholds out of their ranges. Raises Invalid naming `threshold` and `hours`."""
    errors = []
    if not 1 <= rule.threshold <= LARGEST[rule.name]:
        errors.append(FieldError("threshold", f"must be from 1 to {LARGEST[rule.name]}"))
    if rule.name is RuleName.STUCK and not (rule.hours is not None and 1 <= rule.hours <= LARGEST_HOURS):
        errors.append(FieldError("hours", f"must be from 1 to {LARGEST_HOURS}"))
    if errors:
        raise Invalid(errors)


def check_note(text: str, field: str = "text") -> None:
    """Reject an empty note, and one that is too long. Raises Invalid."""
    if is_blank(text) or len(text) > MAX_NOTE or "\0" in text:
        raise Invalid.field(field, f"must have 1 to {MAX_NOTE} characters, none of them NUL")


class Run(NamedTuple):
    """When a course runs, as far as that is set; `access_days` count from each learner's enrollment."""

    starts_at: Instant | None = None
    ends_at: Instant | None = None
    access_days: int | None = None

    def began_at(self, enrolled_at: Instant) -> Instant:
        """Return when the course began for a learner."""
        return max(enrolled_at, self.starts_at or enrolled_at)

    def due_at(self, enrolled_at: Instant, access_until: Instant | None = None) -> Instant | None:
        """Return when the course is to be finished by a learner, who may have an own end of access; None without a plan."""
        days = None if self.access_days is None else enrolled_at + self.access_days * DAY
        last_day = days if access_until is None else access_until
        return min((end for end in (self.ends_at, last_day) if end is not None), default=None)

    def has_plan(self) -> bool:
        """Return whether the time of the course is set, with both of its ends."""
        return self.access_days is not None or (self.starts_at is not None and self.ends_at is not None)

    def expected(
        self, enrolled_at: Instant, now: Instant, reachable: Percent = COMPLETE, access_until: Instant | None = None
    ) -> Percent | None:
        """Return the share of a learner's time for the course that has passed, in hundredths; None without a plan.

        It is no more than what is `reachable` by now. `access_until` is an end of access of the learner's own.
        """
        due_at = self.due_at(enrolled_at, access_until)
        if due_at is None or not self.has_plan():
            return None
        return min(passed(self.began_at(enrolled_at), due_at, now), reachable)


def passed(began_at: Instant, due_at: Instant, now: Instant) -> Percent:
    """Return the share of some time that has passed, in hundredths: none before it begins, all of it once it is over."""
    if now >= due_at:
        return COMPLETE
    return (now - began_at) * COMPLETE // (due_at - began_at) if now > began_at else 0


class UnitFacts(NamedTuple):
    """The unit in which a learner was active last, if it counts and is not complete."""

    unit_id: int
    began_at: Instant
    study_ms: Milliseconds


class FailedResult(NamedTuple):
    """A result below what is needed, in percents of the maximum: a grade, or the best score of a quiz."""

    unit_id: int | None
    assessment_id: int | None
    percent: float
    needed: float


class LearnerFacts(NamedTuple):
    """What the rules look at, of a learner who has access and has not finished."""

    user_id: int
    percent: Percent
    enrolled_at: Instant
    last_activity_at: Instant | None
    unit: UnitFacts | None = None
    failed_results: int = 0
    access_until: Instant | None = None
    """When access ends, as staff set it for this learner."""


class Finding(NamedTuple):
    """Why a learner is listed."""

    rule: RuleName
    value: int
    """Whole days not seen, or since the unit was begun; whole points behind; failed results."""
    mark: int
    """What the finding is about: it is put aside until there is another one; see `Dismissal.covers`."""
    is_never_seen: bool = False
    expected: Percent | None = None
    """What the plan expects, if a learner is behind it."""
    unit: UnitFacts | None = None


NOT_FOUND = -1
Values: TypeAlias = tuple[int, int, int, int]
"""The value of each rule's finding about a learner, in the order of `RuleName`; NOT_FOUND where there is none."""
NOTHING: Values = (NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND)


class Judge:
    """Applies the rules of a course at an instant."""

    def __init__(self, rules: Rules, run: Run, now: Instant, *, reachable: Percent = COMPLETE) -> None:
        self.rules = rules
        self.run = run
        self.now = now
        self.reachable = reachable
        """The percent of the course that a learner can have by now, as units may have yet to open."""
        self.active_since = now - rules[RuleName.NOT_SEEN].threshold * DAY
        """Whoever was last seen before is not active."""
        stuck = rules[RuleName.STUCK]
        self.begun_before = now - stuck.threshold * DAY
        self.studied_for = (stuck.hours or LARGEST_HOURS) * HOUR
        self._behind = rules[RuleName.BEHIND_PLAN].threshold * 100
        self._looks_at_absence, self._looks_at_plan, self._looks_at_units, self._looks_at_results = (
            rules[name].is_on for name in RuleName
        )
        self._looks_at_plan &= run.has_plan()
        self._starts_at = START_OF_TIME if run.starts_at is None else run.starts_at
        self._ends_at = END_OF_TIME if run.ends_at is None else run.ends_at
        self._access = END_OF_TIME if run.access_days is None else run.access_days * DAY

    @property
    def applies(self) -> bool:
        """Whether anybody can be listed: the course has started, and did not end long ago."""
        is_over = self.run.ends_at is not None and self.now >= self.run.ends_at + OVER_DAYS * DAY
        return not is_over and (self.run.starts_at is None or self.run.starts_at <= self.now)

    def values(
        self,
        percent: Percent,
        enrolled_at: Instant,
        last_activity_at: Instant | None,
        unit: UnitFacts | None = None,
        failed_results: int = 0,
        access_until: Instant | None = None,
    ) -> Values:
        """Return what each rule finds about a learner; NOTHING itself if none finds anything, and once access has run out."""
        now = self.now
        access_ends_at = enrolled_at + self._access if access_until is None else access_until
        if now >= access_ends_at:
            return NOTHING
        days = points = stuck_days = failed = NOT_FOUND
        began_at = max(enrolled_at, self._starts_at)
        seen_at = began_at if last_activity_at is None else last_activity_at
        is_active = seen_at > self.active_since
        if not is_active and self._looks_at_absence:
            days = (now - seen_at) // DAY
        if self._looks_at_plan:
            expected = min(passed(began_at, min(access_ends_at, self._ends_at), now), self.reachable)
            if expected - percent > self._behind:
                points = (expected - percent) // 100
        if unit is not None and is_active and self._looks_at_units and self._is_stuck(unit):
            stuck_days = (now - unit.began_at) // DAY
        if failed_results > 1 and self._looks_at_results:
            failed = failed_results
        if days == points == stuck_days == failed:
            # They are equal only if all are NOT_FOUND: who is stuck was seen.
            return NOTHING
        return days, points, stuck_days, failed

    def findings(self, facts: LearnerFacts) -> list[Finding]:
        """Return why a learner is to be listed: a finding for each rule that finds something."""
        days, points, stuck_days, failed = self.values(*facts[1:])
        last_at = facts.last_activity_at
        found = []
        if days != NOT_FOUND:
            seen_at = self.run.began_at(facts.enrolled_at) if last_at is None else last_at
            found.append(Finding(RuleName.NOT_SEEN, days, seen_at, is_never_seen=last_at is None))
        if points != NOT_FOUND:
            expected = self.run.expected(facts.enrolled_at, self.now, self.reachable, facts.access_until)
            found.append(Finding(RuleName.BEHIND_PLAN, points, points // 10, expected=expected))
        if facts.unit is not None and stuck_days != NOT_FOUND:
            found.append(Finding(RuleName.STUCK, stuck_days, facts.unit.unit_id, unit=facts.unit))
        if failed != NOT_FOUND:
            found.append(Finding(RuleName.FAILED_TWICE, failed, failed))
        return found

    def _is_stuck(self, unit: UnitFacts) -> bool:
        return unit.began_at <= self.begun_before or unit.study_ms >= self.studied_for


class Dismissal(NamedTuple):
    """A finding that staff put aside: until its evidence changes, or `until`."""

    user_id: int
    rule: RuleName
    mark: int
    until: Instant
    dismissed_by: int
    dismissed_at: Instant
    note: str | None = None

    def covers(self, finding: Finding) -> bool:
        """Return whether a finding of the same rule is still the one that was put aside, if the time is not over.

        Another unit in which a learner is stuck is another finding. What was put aside of the other rules comes back when it
        grows: another absence, ten points more behind, another failed result.
        """
        return finding.mark == self.mark if self.rule is RuleName.STUCK else finding.mark <= self.mark


class Note(NamedTuple):
    """What a member of staff noted about a learner of a course."""

    user_id: int
    course_id: int
    id: str
    author_id: int
    author_name: str
    text: str
    created_at: Instant


class Return(NamedTuple):
    """A learner who is active again after having been away, or after a message from the list."""

    user_id: int
    last_activity_at: Instant
    away_days: int | None
    """For how many days there was no study; None if a message alone tells."""
    messaged_at: Instant | None = None


def away_days(*, before: int | None, first: int | None, began_at: Instant, last_activity_at: Instant) -> int:
    """Return the whole days between the last day of study before somebody's return and the first one after it.

    `before` and `first` are days; without one, the course's beginning for the learner, or the last activity, stands for it.
    """
    first_day = last_activity_at // DAY if first is None else first
    return first_day - (began_at // DAY if before is None else before)


def render_message(template: str, name: str) -> str:
    """Return the text of a message for a receiver."""
    return template.replace(NAME_FIELD, name)

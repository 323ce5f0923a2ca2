"""By which rules learners are listed as needing attention."""

import pytest

from headway.attention.model import (
    DEFAULTS,
    NOT_FOUND,
    NOTHING,
    Dismissal,
    Finding,
    Judge,
    LearnerFacts,
    Rule,
    RuleName,
    Run,
    UnitFacts,
    away_days,
    check_rule,
    render_message,
)
from headway.errors import Invalid
from headway.instants import DAY, HOUR
from tests.world import NOON

NOW = NOON
ENROLLED = NOW - 40 * DAY
OPEN_END = Run()
HALF_WAY = Run(starts_at=NOW - 50 * DAY, ends_at=NOW + 50 * DAY)


def judge(*rules: Rule, run: Run = OPEN_END, now: int = NOW) -> Judge:
    return Judge({**DEFAULTS, **{rule.name: rule for rule in rules}}, run, now)


def learner(
    *, percent: int = 0, seen: int | None = NOW, unit: UnitFacts | None = None, failed: int = 0, enrolled: int = ENROLLED
) -> LearnerFacts:
    return LearnerFacts(5, percent, enrolled, seen, unit, failed)


def values(of: Judge, facts: LearnerFacts) -> tuple[int, ...]:
    return of.values(*facts[1:])


def unit(*, days: float = 0, hours: float = 0) -> UnitFacts:
    return UnitFacts(7, NOW - int(days * DAY), int(hours * HOUR))


def test_nobody_is_listed_without_a_reason() -> None:
    assert values(judge(run=HALF_WAY), learner(percent=5_000, unit=unit(days=1, hours=1), failed=1)) == NOTHING
    assert judge(run=HALF_WAY).findings(learner(percent=5_000)) == []


@pytest.mark.parametrize(("ago", "days"), [(7 * DAY - 1, None), (7 * DAY, 7), (8 * DAY - 1, 7), (30 * DAY, 30)])
def test_who_was_not_seen_for_some_days_is_listed(ago: int, days: int | None) -> None:
    found = judge().findings(learner(seen=NOW - ago))

    assert found == ([] if days is None else [Finding(RuleName.NOT_SEEN, days, NOW - ago)])


def test_who_was_never_seen_counts_from_when_the_course_began_for_them() -> None:
    late_start = Run(starts_at=NOW - 8 * DAY)

    assert judge().findings(learner(seen=None)) == [Finding(RuleName.NOT_SEEN, 40, ENROLLED, is_never_seen=True)]
    assert judge(run=late_start).findings(learner(seen=None)) == [
        Finding(RuleName.NOT_SEEN, 8, NOW - 8 * DAY, is_never_seen=True)
    ]
    assert judge().findings(learner(seen=None, enrolled=NOW - 6 * DAY)) == []


@pytest.mark.parametrize(
    ("run", "enrolled", "expected"),
    [
        (HALF_WAY, NOW - 60 * DAY, 5_000),
        # Who came later has the time from then on.
        (HALF_WAY, NOW - 30 * DAY, 3_750),
        (HALF_WAY, NOW, 0),
        (Run(access_days=80), ENROLLED, 5_000),
        # What ends first counts.
        (HALF_WAY._replace(access_days=50), NOW - 25 * DAY, 5_000),
        (HALF_WAY._replace(access_days=500), NOW - 60 * DAY, 5_000),
        (Run(starts_at=NOW - 9 * DAY, ends_at=NOW - DAY), NOW - 10 * DAY, 10_000),
        # Of a time that has not begun nothing has passed, also if it has no length.
        (HALF_WAY, NOW + 50 * DAY, 0),
        (HALF_WAY, NOW + 60 * DAY, 0),
        # Without both ends there is no plan.
        (Run(starts_at=NOW - DAY), ENROLLED, None),
        (Run(ends_at=NOW + DAY), ENROLLED, None),
        (OPEN_END, ENROLLED, None),
    ],
)
def test_the_plan_expects_the_share_of_the_time_that_has_passed(run: Run, enrolled: int, expected: int | None) -> None:
    assert run.expected(enrolled, NOW) == expected
    points = values(judge(Rule(RuleName.BEHIND_PLAN, 1), run=run), learner(enrolled=enrolled))[1]
    assert points == ((expected or 0) // 100 or NOT_FOUND)


@pytest.mark.parametrize(("percent", "points"), [(3_000, None), (2_999, 20), (900, 41), (6_000, None)])
def test_who_is_more_points_behind_the_plan_than_allowed_is_listed(percent: int, points: int | None) -> None:
    found = judge(run=HALF_WAY).findings(learner(percent=percent, enrolled=NOW - 60 * DAY))

    assert found == ([] if points is None else [Finding(RuleName.BEHIND_PLAN, points, points // 10, expected=5_000)])


@pytest.mark.parametrize(("days", "hours", "is_listed"), [(4.9, 2.9, False), (5, 0, True), (0, 3, True), (5, 3, True)], ids=str)
def test_who_is_active_and_does_not_complete_a_unit_is_stuck(days: float, hours: float, is_listed: bool) -> None:
    in_unit = unit(days=days, hours=hours)

    found = judge().findings(learner(unit=in_unit))

    assert found == ([Finding(RuleName.STUCK, int(days), 7, unit=in_unit)] if is_listed else [])


def test_who_is_away_is_not_stuck_also_where_nobody_looks_for_absence() -> None:
    away = learner(seen=NOW - 9 * DAY, unit=unit(days=20))

    assert [each.rule for each in judge().findings(away)] == [RuleName.NOT_SEEN]
    assert judge(Rule(RuleName.NOT_SEEN, 7, is_on=False)).findings(away) == []
    assert [each.rule for each in judge(Rule(RuleName.NOT_SEEN, 10)).findings(away)] == [RuleName.STUCK]


@pytest.mark.parametrize(("failed", "is_listed"), [(0, False), (1, False), (2, True), (5, True)])
def test_two_results_that_do_not_pass_are_a_reason(failed: int, is_listed: bool) -> None:
    found = judge().findings(learner(failed=failed))

    assert found == ([Finding(RuleName.FAILED_TWICE, failed, failed)] if is_listed else [])


def test_a_rule_that_is_off_lists_nobody() -> None:
    facts = learner(seen=NOW - 20 * DAY, failed=3, enrolled=NOW - 60 * DAY)
    stuck = learner(percent=10_000, unit=unit(days=9))
    off = [Rule(name, rule.threshold, is_on=False, hours=rule.hours) for name, rule in DEFAULTS.items()]

    assert values(judge(*off, run=HALF_WAY), facts) == values(judge(*off, run=HALF_WAY), stuck) == NOTHING
    assert values(judge(run=HALF_WAY), facts) == (20, 50, -1, 3)
    assert values(judge(run=HALF_WAY), stuck) == (-1, -1, 9, -1)


def test_whose_access_has_run_out_is_not_listed() -> None:
    run = Run(access_days=10)

    assert values(judge(run=run), learner(enrolled=NOW - 10 * DAY, seen=None)) == NOTHING
    assert values(judge(run=run), learner(enrolled=NOW - 10 * DAY + 1, seen=None)) == (9, 99, -1, -1)


def test_an_end_of_access_of_ones_own_counts_in_place_of_the_days_of_the_course() -> None:
    run = Run(access_days=10)
    extended = learner(enrolled=NOW - 20 * DAY, seen=None)._replace(access_until=NOW + 20 * DAY)
    limited = learner(enrolled=NOW - 5 * DAY, seen=None)._replace(access_until=NOW)

    assert values(judge(run=run), extended) == (20, 50, -1, -1)
    assert judge(run=run).findings(extended)[1].expected == 5_000
    assert values(judge(run=run), limited) == NOTHING


@pytest.mark.parametrize(
    ("run", "applies"),
    [
        (Run(starts_at=NOW + 1), False),
        (Run(starts_at=NOW), True),
        (Run(ends_at=NOW - 30 * DAY + 1), True),
        (Run(ends_at=NOW - 30 * DAY), False),
        (OPEN_END, True),
    ],
)
def test_rules_apply_from_the_start_until_30_days_after_the_end(run: Run, applies: bool) -> None:
    assert judge(run=run).applies is applies


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        (Rule(RuleName.NOT_SEEN, 0), ["threshold"]),
        (Rule(RuleName.NOT_SEEN, 366), ["threshold"]),
        (Rule(RuleName.BEHIND_PLAN, 100), ["threshold"]),
        (Rule(RuleName.FAILED_TWICE, 101), ["threshold"]),
        (Rule(RuleName.STUCK, 0, hours=0), ["threshold", "hours"]),
        (Rule(RuleName.STUCK, 5), ["hours"]),
    ],
    ids=str,
)
def test_a_threshold_out_of_its_range_is_refused(rule: Rule, fields: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        check_rule(rule)

    assert [each.field for each in refused.value.fields] == fields


def test_the_defaults_are_in_their_ranges() -> None:
    assert list(DEFAULTS) == list(RuleName)
    for rule in DEFAULTS.values():
        check_rule(rule)


@pytest.mark.parametrize(
    ("rule", "mark", "covered"),
    [
        (RuleName.NOT_SEEN, 10, {10: True, 11: False}),
        (RuleName.BEHIND_PLAN, 2, {1: True, 2: True, 3: False}),
        (RuleName.STUCK, 7, {6: False, 7: True, 8: False}),
        (RuleName.FAILED_TWICE, 2, {2: True, 3: False}),
    ],
)
def test_what_was_put_aside_comes_back_with_other_evidence(rule: RuleName, mark: int, covered: dict[int, bool]) -> None:
    aside = Dismissal(5, rule, mark, NOW + DAY, 1, NOW)

    assert {each: aside.covers(Finding(rule, 1, each)) for each in covered} == covered


def test_days_away_are_those_between_the_last_study_before_and_the_first_after() -> None:
    today = NOW // DAY

    assert away_days(before=today - 12, first=today - 2, began_at=ENROLLED, last_activity_at=NOW) == 10
    assert away_days(before=None, first=today - 2, began_at=ENROLLED, last_activity_at=NOW) == 38
    assert away_days(before=today - 12, first=None, began_at=ENROLLED, last_activity_at=NOW) == 12


def test_a_message_has_the_name_of_its_receiver_and_nothing_else_is_replaced() -> None:
    assert render_message("Hello {name}, {0} {names} %s", "Ada {x}") == "Hello Ada {x}, {0} {names} %s"

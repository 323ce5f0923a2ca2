"""Who needs help in a course and why: the same as a recomputation from the stored rows, on both databases."""

from collections import Counter, defaultdict
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from headway.assessments.model import GradedResult
from headway.assessments.tables import submissions
from headway.attention.model import DEFAULTS, Rule, RuleName
from headway.attention.service import Attention
from headway.attention.tables import attention_rules
from headway.enrollments.tables import enrollments
from headway.errors import Invalid
from headway.instants import DAY, HOUR
from headway.learning.store import CourseStructures
from headway.learning.tables import study_days, unit_progress
from headway.paging.model import Place
from headway.paging.service import Walk, Walker
from tests.counting_database import CountingDatabase
from tests.integration.attention_class import AttentionClass, make_class, named, note_in
from tests.world import NOON, World


@pytest.fixture
async def course(world: World) -> AttentionClass:
    """A class in the middle of its course."""
    return await make_class(world, starts_at=NOON - 10 * DAY, ends_at=NOON + 90 * DAY)


async def recompute(made: AttentionClass) -> dict[int, dict[str, Any]]:
    """Find who is to be listed from the rows alone, by the default rules, one learner after the other."""
    names = ("user_id", "percent", "enrolled_at", "last_activity_at")
    everybody = await made.world.rows(select(*(enrollments.c[name] for name in (*names, "status"))))
    learners = [row[:-1] for row in everybody if row[-1] in {"ENROLLED", "IN_PROGRESS"}]
    units, failed = await units_of(made.world), await failed_results(made)
    found = {row[0]: reasons(made, row, units[row[0]], failed[row[0]]) for row in learners}
    return {user_id: why for user_id, why in found.items() if why}


def reasons(made: AttentionClass, row: tuple[Any, ...], units: list[Any], failed: int) -> dict[str, int]:
    """Return why a learner is to be listed; units are (last_activity_at, unit_id, status, created_at, study_ms)."""
    _, percent, enrolled_at, last_at = row
    now, run = made.world.clock.now, made.course.course
    why = {}
    began_at = max(run.starts_at or 0, enrolled_at)
    away = now - (began_at if last_at is None else last_at)
    if away >= 7 * DAY:
        why["not_seen"] = away // DAY
    behind = (now - began_at) * 10_000 // ((run.ends_at or 0) - began_at) - percent
    if behind > 2_000:
        why["behind_plan"] = behind // 100
    if units and away < 7 * DAY:
        _, unit_id, status, created_at, study_ms = max(units)
        is_long = now - created_at >= 5 * DAY or study_ms >= 3 * HOUR
        if is_long and status == "IN_PROGRESS" and unit_id != made.units["extra"]:
            why["stuck"] = (now - created_at) // DAY
    return why | ({"failed_twice": failed} if failed >= 2 else {})


async def units_of(world: World) -> defaultdict[int, list[tuple[Any, ...]]]:
    names = ("user_id", "last_activity_at", "unit_id", "status", "created_at", "study_ms")
    units: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for user_id, *unit in await world.rows(select(*(unit_progress.c[name] for name in names))):
        units[user_id].append(tuple(unit))
    return units


async def failed_results(made: AttentionClass) -> Counter[int]:
    """Count by learner the newest grades below half of 80, and the best scores that do not pass their quizzes."""
    newest: dict[tuple[int, int], tuple[int, float]] = {}
    names = ("user_id", "assessment_id", "submitted_at", "grade")
    for user_id, assessment_id, at, grade in await made.world.rows(select(*(submissions.c[name] for name in names))):
        if grade is not None and at >= newest.get((user_id, assessment_id), (0, 0.0))[0]:
            newest[user_id, assessment_id] = at, grade
    failed = Counter(user_id for (user_id, _), (_, grade) in newest.items() if grade < 40)
    passing = {made.units["quiz"]: 60.0, made.units["hard quiz"]: 80.0}
    columns = (unit_progress.c.user_id, unit_progress.c.unit_id, unit_progress.c.metadata)
    for user_id, unit_id, metadata in await made.world.rows(select(*columns)):
        score = msgspec.json.decode(metadata).get("quiz_score_percent")
        failed[user_id] += score is not None and unit_id in passing and score < passing[unit_id]
    return failed


@pytest.mark.parametrize("seed", [1, 2])
async def test_who_is_listed_and_why_is_what_the_rows_say(course: AttentionClass, seed: int) -> None:
    everybody = await course.live(learners=24, days=34, seed=seed)

    found = await course.find()
    expected = await recompute(course)

    assert {user_id: named(values) for user_id, values in found.listed.items()} == expected
    assert {rule for reasons in expected.values() for rule in reasons} == {rule.value for rule in RuleName}
    assert dict(found.counts) == {rule: sum(rule.value in reasons for reasons in expected.values()) for rule in RuleName}
    shown = await course.world.read(course.attention.read, found, sorted(expected))
    assert {each.enrollment.user_id: {f.rule.value: f.value for f in each.findings} for each in shown} == expected
    assert all(len(each.failed) == expected[each.enrollment.user_id].get("failed_twice", 0) for each in shown)
    some = everybody[::2]
    assert (await course.find(some)).listed == {i: found.listed[i] for i in some if i in found.listed}


async def test_evidence_names_the_results_that_do_not_pass(course: AttentionClass) -> None:
    ada = await course.learner()
    await course.study(ada.id, "hard quiz", score=79)
    await course.study(ada.id, "hard quiz", score=30)
    await course.study(ada.id, "quiz", score=60)
    await course.grade(ada.id, 1, 20)

    found = await course.find()
    (shown,) = await course.world.read(course.attention.read, found, [ada.id])

    assert named(found.listed[ada.id]) == {"failed_twice": 2}
    assert [(each.assessment_id, each.unit_id, each.percent, each.needed) for each in shown.failed] == [
        (course.assessments[1], None, 25.0, 50),
        (None, course.units["hard quiz"], 79.0, 80.0),
    ]


async def test_only_the_newest_grade_of_an_assessment_counts(course: AttentionClass) -> None:
    ada = await course.learner()
    results = [
        GradedResult(ada.id, f"{number}-{version}", course.assessments[number], grade, NOON + version)
        for number, grades in enumerate([(10.0, 70.0), (70.0, 10.0), (10.0, None)])
        for version, grade in enumerate(grades)
    ]
    await course.world.write(course.world.services.assessments.store_results, results)

    assert named((await course.find()).listed[ada.id]) == {"failed_twice": 2}


async def test_units_that_do_not_count_hold_nobody_up(course: AttentionClass) -> None:
    stuck, strolling, moving = [await course.learner() for _ in range(3)]
    for user, unit in ((stuck, "time"), (strolling, "extra"), (moving, "time")):
        await course.study(user.id, unit)
    course.pass_days(6)
    for user, unit in ((stuck, "time"), (strolling, "extra"), (moving, "quiz")):
        await course.study(user.id, unit)

    found = await course.find()

    assert {user_id: named(values) for user_id, values in found.listed.items()} == {stuck.id: {"stuck": 6}}


async def test_rules_are_changed_by_course_and_switched_off(course: AttentionClass, world: World) -> None:
    other = await make_class(world)
    ada, grace = await course.learner(), await other.learner()
    course.pass_days(9)

    async def change(rule: Rule) -> None:
        await world.write(course.attention.set_rule, course.tutor, course.course.id, rule)

    assert await world.rows(select(attention_rules)) == []
    assert (await course.find()).rules == DEFAULTS
    assert named((await course.find()).listed[ada.id]) == {"not_seen": 9}
    await change(Rule(RuleName.NOT_SEEN, 10))
    assert (await course.find()).listed == {}
    await change(Rule(RuleName.NOT_SEEN, 9))
    assert named((await course.find()).listed[ada.id]) == {"not_seen": 9}
    await change(Rule(RuleName.NOT_SEEN, 9, is_on=False))
    assert (await course.find()).listed == {}
    assert (await course.find()).rules[RuleName.NOT_SEEN] == Rule(RuleName.NOT_SEEN, 9, is_on=False)
    assert named((await other.find()).listed[grace.id]) == {"not_seen": 9}
    with pytest.raises(Invalid):
        await change(Rule(RuleName.STUCK, 5))


async def test_nobody_is_listed_before_the_start_and_long_after_the_end(world: World) -> None:
    made = await make_class(world, starts_at=NOON + DAY, ends_at=NOON + 20 * DAY)
    ada = await made.learner()

    for days, is_listed in ((0, False), (9, True), (40, True), (1.1, False)):
        made.pass_days(days)
        assert (ada.id in (await made.find()).listed) is is_listed


async def test_who_was_away_and_is_active_again_is_shown_for_some_days(course: AttentionClass) -> None:
    back, steady, new = [await course.learner() for _ in range(3)]
    await course.study(back.id)
    for _ in range(12):
        course.pass_days(1)
        await course.study(steady.id)
    await course.study(back.id)
    await course.study(new.id)
    course.pass_days(1)
    await course.study(back.id)

    found = await course.find()

    returned = {user_id: each.away_days for user_id, each in found.returned.items()}
    assert returned == {back.id: 12, new.id: 12}
    assert found.came_back == [back.id, new.id]
    assert (await course.find([back.id, steady.id])).returned == {back.id: found.returned[back.id]}
    course.pass_days(4)
    assert (await course.find()).returned == {}


async def test_days_of_study_around_a_return_are_those_of_the_rows(course: AttentionClass) -> None:
    everybody = await course.live(learners=20, days=30, seed=3)
    now = course.world.clock.now
    first_day = now // DAY - 3
    expected = {}
    days = defaultdict(set)
    for user_id, day in await course.world.rows(select(study_days.c.user_id, study_days.c.day)):
        days[user_id].add(day)
    names = ("user_id", "status", "enrolled_at", "last_activity_at")
    for user_id, status, enrolled_at, last_at in await course.world.rows(select(*(enrollments.c[n] for n in names))):
        if status in {"ENROLLED", "IN_PROGRESS"} and last_at is not None and last_at >= first_day * DAY:
            before = max((day for day in days[user_id] if day < first_day), default=max(enrolled_at, NOON - 10 * DAY) // DAY)
            away = min((day for day in days[user_id] if day >= first_day), default=last_at // DAY) - before
            if away >= 7:
                expected[user_id] = away

    found = await course.find()

    assert everybody
    assert {user_id: each.away_days for user_id, each in found.returned.items()} == expected
    assert expected


async def test_statements_do_not_grow_with_learners(course: AttentionClass, world: World) -> None:
    counts = []
    # From now on the structure of the course is known.
    await course.find()
    for _ in range(2):
        for _ in range(4):
            await course.learner()
        course.pass_days(8)
        counted = CountingDatabase(world.database)
        async with counted.read() as tx:
            found = await course.attention.find(tx, course.tutor, course.course.id)
            shown = await course.attention.read(tx, found, found.among(None))
        counts.append(counted.statements)
        assert len(shown) == len(found.listed) > 0

    assert counts[0] == counts[1]


async def test_pages_of_those_who_are_listed_skip_and_repeat_nobody(course: AttentionClass, world: World) -> None:
    for _ in range(7):
        await course.learner()
        course.pass_days(1)
    course.pass_days(7)
    found = await course.find()
    expected = found.among(RuleName.NOT_SEEN)
    assert len(expected) == 7
    places: list[Place] = []
    seen: list[int] = []
    walker = Walker(course.tutor.user_id, note_in(places), world.clock)
    walk = Walk(3, 1, None, walker)
    while True:
        found = await course.find()
        shown = await world.read(course.attention.page, found, RuleName.NOT_SEEN, walk)
        seen += [each.enrollment.user_id for each in shown]
        if walk.next_cursor is None:
            break
        if walk.new_order is not None:
            await world.write(walk.save)
        # Whoever comes back meanwhile is on no later page twice, and nobody else is missing.
        await course.study(seen[0])
        walk = Walk(3, 1, places[-1], walker)

    assert seen == expected


async def test_what_takes_long_to_find_serves_for_a_while(course: AttentionClass, world: World) -> None:
    """The clock of the findings goes on by a tenth of a second each time that it is read, or by a second."""
    ada, grace = await course.learner(), await course.learner()
    course.pass_days(8)
    seconds, step = 0.0, 0.1

    def stopwatch() -> float:
        nonlocal seconds
        seconds += step
        return seconds

    attention = Attention(world.clock, world.services.new_id, CourseStructures(), world.services.messaging, stopwatch)

    async def listed() -> list[int]:
        return sorted((await world.read(attention.find, course.tutor, course.course.id)).listed)

    assert await listed() == [ada.id, grace.id]
    await course.study(ada.id)
    assert await listed() == [grace.id]
    step = 1.0
    assert await listed() == [grace.id]
    await course.study(grace.id)
    assert await listed() == [grace.id]
    # What staff change counts at once, and so does the time that has passed.
    await world.write(attention.dismiss, course.tutor, course.course.id, [ada.id, grace.id], days=9, note=None)
    assert await listed() == [grace.id]
    await world.write(attention.set_rule, course.tutor, course.course.id, Rule(RuleName.NOT_SEEN, 3))
    assert await listed() == []
    await world.write(attention.set_rule, course.tutor, course.course.id, Rule(RuleName.NOT_SEEN, 7))
    assert await listed() == []
    course.pass_days(7)
    assert await listed() == []
    seconds += 30
    assert await listed() == [ada.id, grace.id]
    # Another process, which knows nothing of this one's findings, puts aside: that counts at once too.
    await world.write(course.attention.dismiss, course.tutor, course.course.id, [ada.id], days=9, note=None)
    assert await listed() == [grace.id]
    await course.study(ada.id)
    assert (await world.read(attention.find, course.tutor, course.course.id)).dismissed == {}
    await world.write(course.attention.set_rule, course.tutor, course.course.id, Rule(RuleName.NOT_SEEN, 9))
    assert await listed() == []

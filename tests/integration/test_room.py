"""The course room under load and at any size: no update lost, every figure right, the same number of statements."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import mean

import msgspec
import pytest
from sqlalchemy import select

from headway.accounts.model import User
from headway.courses.completion import Completion, EngagementMetrics, Rule, decode_evidence
from headway.courses.model import CourseTree, NewCourse
from headway.db.database import ReadTransaction
from headway.enrollments.lists import Order, Sort
from headway.enrollments.status import EnrollmentStatus, StatusChange
from headway.enrollments.tables import enrollments
from headway.identity import Caller, Role
from headway.instants import DAY, SECOND
from headway.learning.model import ActivityType, Event, Observation, Report, Update
from headway.learning.reads import ProgressReads
from headway.learning.store import CourseStructures
from headway.learning.tables import unit_progress
from headway.learning.unit_progress import UnitStatus
from headway.paging.service import Walk
from headway.settings import Settings
from tests.counting_database import CountingDatabase
from tests.integration.concurrency import Request, differences, open_world, run_servers, send_all
from tests.integration.course_edits import unchanged_course
from tests.world import EVERY_RULE, World

MANUAL = Completion(Rule.MANUAL)
SEED = 20_261_121


def reads_of(world: World) -> ProgressReads:
    return ProgressReads(world.clock, CourseStructures())


async def test_updates_of_a_learner_by_several_contracts_at_once_are_all_kept(settings: Settings, tmp_path: Path) -> None:
    """Every unit is moved by events, by updates and by a module, in any order, by two servers where there may be two."""
    async with open_world(settings) as world:
        course = await world.course((MANUAL,) * 8 + (Completion(Rule.VIDEO, 100),) * 4)
        learners = [await world.learner(course) for _ in range(3)]
        service = world.bearer(await world.user(Role.SYSTEM))
        requests: list[Request] = []
        for learner in learners:
            requests += _everything(world, course, learner, service)
        random.Random(SEED).shuffle(requests)
        with run_servers(settings, tmp_path) as urls:
            answers = await send_all(urls, requests)
            assert {answer.status_code for answer in answers} == {200, 201}, [a.text for a in answers if not a.is_success][:3]
            (leaving,) = await send_all(urls, [("GET", f"/user-progress/{course.id}/{learners[0].id}", service, None)])

        assert leaving.json()["results"]["enrollments"]["enrollmentStatus"] == "COMPLETED"
        for user_id, unit_id, status, percent, evidence in await world.rows(
            select(*(unit_progress.c[name] for name in ("user_id", "unit_id", "status", "percent", "metadata")))
        ):
            known = decode_evidence(evidence)
            assert (status, percent) == ("COMPLETED", 10_000), (user_id, unit_id)
            assert known.reported_seconds == 40 + unit_id
            assert known.engagement_metrics == EngagementMetrics(video_watch_percentage=99.0)
        assert len(await world.rows(select(unit_progress.c.unit_id))) == 12 * 3
        assert await differences(world) == []


def _everything(world: World, course: CourseTree, learner: User, service: dict[str, str]) -> list[Request]:
    own = world.bearer(learner)
    required = [unit for unit in course.units if unit.is_required]
    requests: list[Request] = []
    for unit in required:
        place = {"courseId": course.id, "courseContentId": unit.id}
        for share in (10, 99, 50):
            event = {
                "activity_type": "video_progress",
                "course_id": course.id,
                "unit_id": unit.id,
                "engagement_metrics": {"video_watch_percentage": share},
            }
            requests.append(("POST", "/api/courses/activity/track", own, event))
        for seconds in (5, 40 + unit.id, 20):
            body = {**place, "userId": learner.id, "activityDuration": seconds, "progressPercent": seconds / 10}
            requests.append(("POST", "/user-progress/update", service, body))
        requests.append(("POST", "/user-progress/update", own, {**place, "metadata": {"note": unit.id}}))
    module = {"moduleId": str(course.modules[0].id)}
    requests.append(("PATCH", f"/api/v1/learner/me/progress/{course.id}", own, module))
    return requests


async def test_every_figure_is_what_the_rows_say(world: World) -> None:
    """A course in which everything happens, and its figures counted by hand from what is stored."""
    chance = random.Random(SEED)
    course = await world.course(EVERY_RULE)
    owner = Caller(course.owner_id, Role.INSTRUCTOR)
    for _ in range(25):
        await _live_through(world, course, await world.learner(course), owner, chance)
        world.clock.advance(seconds=chance.uniform(0, 0.6) * DAY / SECOND)
    await world.write(world.services.course_editing.change, owner, course.id, _with_a_lower_threshold)

    found = await world.read(reads_of(world).analytics, course.id)

    names = ("status", "percent", "enrolled_at", "completed_at", "last_activity_at")
    rows = await world.rows(select(*(enrollments.c[name] for name in names)))
    units = await world.rows(select(*(unit_progress.c[name] for name in ("unit_id", "status", "study_ms", "metadata"))))
    done = [row for row in rows if row[0] in {"COMPLETED", "CERTIFIED"}]
    today = world.clock.now // DAY
    assert len({row[0] for row in rows}) >= 4, "the course is lively enough"
    assert found.enrollments == len(rows) == 25
    assert found.by_status == {status: sum(row[0] == status for row in rows) for status in EnrollmentStatus}
    assert found.average_percent == pytest.approx(mean(row[1] / 100 for row in rows))
    assert found.finished == len(done) > 0
    assert found.completion_percent == pytest.approx(len(done) / 25 * 100)
    assert found.average_completion_days == pytest.approx(mean(max(row[3] - row[2], 0) / DAY for row in done))
    assert found.unit_progress == len(units)
    recent = [row for row in rows if row[4] is not None and 0 <= today - row[4] // DAY < 7]
    assert 0 < found.recently_active == len(recent) < len(rows)
    for summarize in found.units:
        of_unit = [row for row in units if row[0] == summarize.unit_id]
        seconds = [max(decode_evidence(row[3]).reported_seconds or 0, row[2] // SECOND) for row in of_unit]
        assert summarize.completions == sum(row[1] == "COMPLETED" for row in of_unit)
        assert summarize.average_seconds == pytest.approx(mean(seconds) if seconds else 0)
    assert await differences(world) == []


async def _live_through(world: World, course: CourseTree, learner: User, owner: Caller, chance: random.Random) -> None:
    services, now = world.services, world.clock.now
    for unit in chance.sample(course.units, chance.randint(0, len(course.units))):
        world.clock.advance(seconds=chance.randint(1, 20_000))
        now = world.clock.now
        metrics = EngagementMetrics(chance.randint(0, 100), chance.randint(0, 100))
        event = Event(f"{unit.id}", ActivityType.UNIT_VIEW, course.id, unit_id=unit.id, duration_seconds=90.5, metrics=metrics)
        update = Update(
            course.id,
            unit.id,
            status=chance.choice([None, UnitStatus.NOT_STARTED, UnitStatus.COMPLETED]),
            percent=chance.choice([None, 5_000]),
            duration_seconds=chance.choice([None, 45, 300]),
        )
        observation: Observation = event if chance.random() < 0.5 else update
        await world.write(services.tracking.record, [Report(learner.id, now, (observation,))], now)
    match chance.randint(0, 5):
        case 0:
            await world.write(services.enrollments.leave, learner.id, course.id)
        case 1:
            await world.write(services.enrollments.leave, learner.id, course.id)
            await world.write(services.enrollments.enroll, learner.id, course.id)
        case 2 | 3:
            caller = Caller(learner.id, Role.PARTICIPANT)
            await world.write(services.learning.complete_module, caller, course.id, course.modules[0].id)
            if chance.random() < 0.5:
                await world.write(
                    services.enrollments.set_status, owner, course.id, learner.id, StatusChange(EnrollmentStatus.CERTIFIED)
                )
        case 4:
            await world.write(
                services.enrollments.set_status, owner, course.id, learner.id, StatusChange(EnrollmentStatus.EXPIRED)
            )


def _with_a_lower_threshold(stored: CourseTree) -> NewCourse:
    course = unchanged_course(stored)
    first, second = course.modules
    units = tuple(
        msgspec.structs.replace(unit, completion=Completion(Rule.SCROLL, 20)) if unit.completion.rule is Rule.SCROLL else unit
        for unit in first.units
    )
    return msgspec.structs.replace(course, modules=(msgspec.structs.replace(first, units=units), second))


async def test_the_number_of_statements_does_not_grow_with_the_learners(world: World) -> None:
    course = await world.course((MANUAL, MANUAL))
    owner = Caller(course.owner_id, Role.INSTRUCTOR)
    counts = []
    for _ in range(2):
        ids = []
        for number in range(8):
            learner = await world.learner(course)
            ids.append(learner.id)
            update = Update(course.id, course.units[number % 2].id, percent=10_000 * (number % 3 > 0))
            await world.write(world.services.tracking.record, [Report(learner.id, world.clock.now, (update,))], world.clock.now)
        counts.append(await _statements(world, course, owner, ids))

    assert counts[0] == counts[1]
    assert max(counts[0].values()) <= 8


async def _statements(world: World, course: CourseTree, owner: Caller, ids: Sequence[int]) -> dict[str, int]:
    counts: dict[str, int] = {}

    async def count(name: str, call: Callable[[ProgressReads, ReadTransaction], Awaitable[object]]) -> None:
        counted = CountingDatabase(world.database)
        async with counted.read() as tx:
            await call(reads_of(world), tx)
        counts[name] = counted.statements

    for sort in Sort:
        for is_descending in (False, True):
            order = Order(tuple(EnrollmentStatus), sort, is_descending)
            await count(
                f"{sort} {is_descending}",
                partial(ProgressReads.list_progress, caller=owner, course_id=course.id, order=order, walk=Walk(100, 1)),
            )
    await count("bulk", lambda reads, tx: reads.read_some(tx, owner, course.id, ids))
    await count("analytics", lambda reads, tx: reads.analytics(tx, course.id))
    return counts


async def test_pages_in_any_order_together_are_the_whole_and_nothing_twice(world: World) -> None:
    chance = random.Random(SEED)
    course = await world.course((MANUAL, MANUAL, MANUAL))
    owner = Caller(course.owner_id, Role.INSTRUCTOR)
    for _ in range(23):
        world.clock.advance(seconds=chance.choice([0, 1, 3600]))
        learner = await world.learner(course)
        for unit in course.units[: chance.randint(0, 3)]:
            update = Update(course.id, unit.id, percent=chance.choice([3_000, 10_000]))
            await world.write(world.services.tracking.record, [Report(learner.id, world.clock.now, (update,))], world.clock.now)
        if chance.random() < 0.2:
            await world.write(world.services.enrollments.leave, learner.id, course.id)
    reads = reads_of(world)
    stored = await world.rows(
        select(*(enrollments.c[n] for n in ("user_id", "status", "percent", "enrolled_at", "completed_at")))
    )

    for statuses in (tuple(EnrollmentStatus), (EnrollmentStatus.COMPLETED,), (EnrollmentStatus.DROPPED,)):
        chosen = [row for row in stored if row[1] in statuses]
        for position, sort in enumerate((Sort.PERCENT, Sort.ENROLLED_AT, Sort.COMPLETED_AT), start=2):
            for is_descending in (False, True):
                dated = [row for row in chosen if row[position] is not None]
                undated = [row[0] for row in chosen if row[position] is None]
                expected = [row[0] for row in sorted(dated, key=lambda row: (row[position], row[0]), reverse=is_descending)]
                expected += sorted(undated, reverse=is_descending)
                found: list[int] = []
                for page in range(1, 8):
                    order = Order(statuses, sort, is_descending)
                    got = await world.read(reads.list_progress, owner, course.id, order, walk=Walk(4, page))
                    assert got.total == len(chosen)
                    found += [each.enrollment.user_id for each in got.learners if each.enrollment]
                assert found == expected


async def test_a_hundred_learners_begin_at_once_and_everything_is_counted(settings: Settings, tmp_path: Path) -> None:
    async with open_world(settings) as world:
        course = await world.course((MANUAL, MANUAL))
        learners = await asyncio.gather(*(world.user() for _ in range(100)))
        place = {"courseId": course.id, "courseContentId": course.units[0].id, "progressStatus": "COMPLETED"}
        with run_servers(settings, tmp_path) as urls:
            enroll = [("POST", f"/api/v1/courses/{course.id}/enroll", world.bearer(each), None) for each in learners]
            update = [("POST", "/user-progress/update", world.bearer(each), place) for each in learners]
            assert {answer.status_code for answer in await send_all(urls, enroll)} == {201}
            assert {answer.status_code for answer in await send_all(urls, update * 2)} == {200}
            headers = world.bearer(await world.find_user(course.owner_id))
            (answer,) = await send_all(urls, [("GET", f"/user-progress/course/{course.id}/analytics", headers, None)])
        told = answer.json()["results"]
        assert (told["totalEnrollments"], told["activeUsers"], told["totalActivities"]) == (100, 100, 100)
        assert (told["averageProgress"], told["contentEngagement"]["completionCount"]) == (50.0, 100)
        numbers = [row[0] for row in await world.rows(select(unit_progress.c.id))]
        assert len(set(numbers)) == 100
        assert await differences(world) == []

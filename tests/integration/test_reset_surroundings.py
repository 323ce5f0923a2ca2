"""What a reset means for what surrounds progress: access, places, prerequisites, work handed in, caches, and other editing."""

import json
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import select

from headway.assessments.model import NewGrade
from headway.courses.completion import NO_EVIDENCE, EngagementMetrics
from headway.courses.model import NewAssessment, NewCourse, NewModule, NewUnit
from headway.enrollments.status import EnrollmentStatus, StatusChange
from headway.feed.tables import feed
from headway.identity import Caller, Role
from headway.learning import reset_store
from headway.learning.model import ActivityType, Event, Outcome, Report, Update
from headway.learning.reset_model import MAX_RESETS, Reset, ResetRequest
from headway.learning.tables import unit_progress
from tests.integration.concurrency import differences
from tests.integration.course_edits import unchanged_course, unchanged_unit
from tests.integration.test_resets import MINUTE_OF_STUDY, VIEWED, Desk, desk, refusal
from tests.world import World

ATTEMPT = ResetRequest(is_attempt=True, keeps_study=False)


async def completed(world: World, **course: Any) -> Desk:
    """A learner who completed a course of two units."""
    at = await desk(world, VIEWED, VIEWED)
    if course:
        await at.room.change(lambda tree: unchanged_course(tree, **course))
    await at.room.record(at.room.view(0), at.room.view(1))
    return at


@pytest.mark.parametrize("status", [EnrollmentStatus.DROPPED, EnrollmentStatus.EXPIRED])
async def test_who_has_no_access_can_be_reset_and_gets_none_by_it(world: World, status: EnrollmentStatus) -> None:
    at = await completed(world)
    await world.write(world.services.enrollments.set_status, *at.where, StatusChange(status))
    assert await refusal(at.reset(ATTEMPT)) == "STATUS_NOT_ALLOWED"

    made = await at.reset()
    assert ((await at.enrolled()).status, (await at.enrolled()).percent) == (status, 0)
    await at.undo(made)
    assert ((await at.enrolled()).status, (await at.enrolled()).percent) == (status, 10_000)
    assert await differences(world) == []


async def test_who_left_after_a_reset_and_came_back_has_what_its_undo_restores(world: World) -> None:
    at = await completed(world)
    made = await at.reset(ATTEMPT)
    learner_id, course_id = at.room.learner.id, at.room.course.id
    await world.write(world.services.enrollments.leave, learner_id, course_id)
    world.clock.advance(seconds=3600)
    back = await world.write(world.services.enrollments.enroll, learner_id, course_id)
    assert back.status is EnrollmentStatus.IN_PROGRESS

    await at.undo(made)
    enrolled = await at.enrolled()
    assert (enrolled.status, enrolled.percent, enrolled.enrolled_at) == (EnrollmentStatus.COMPLETED, 10_000, back.enrolled_at)
    assert await differences(world) == []


async def test_an_undo_of_an_attempt_takes_nobodys_access(world: World) -> None:
    at = await desk(world, VIEWED, VIEWED)
    await at.room.change(lambda tree: unchanged_course(tree, access_days=30))
    await at.room.record(at.room.view(0))
    first = (await at.enrolled()).enrolled_at
    world.clock.advance(seconds=20 * 86_400)
    made = await at.reset(ATTEMPT)
    world.clock.advance(seconds=5 * 86_400)
    await at.undo(made)
    assert (await at.enrolled()).enrolled_at == first

    again = await at.reset(ATTEMPT)
    world.clock.advance(seconds=25 * 86_400)
    await at.undo(again)
    enrolled = await at.enrolled()
    assert (enrolled.enrolled_at, enrolled.is_open(world.clock())) == (again.reset_at, True)
    assert enrolled.percent == 5_000
    assert await differences(world) == []


async def test_seats_and_waiting_lists_stay_as_they_are(world: World) -> None:
    at = await completed(world, capacity=1)
    waiting = await world.user()
    place = await world.write(world.services.enrollments.enroll_or_wait, waiting.id, at.room.course.id)
    made = await at.reset(ATTEMPT)
    assert (await at.enrolled()).is_open(world.clock())
    again = await world.write(world.services.enrollments.enroll_or_wait, waiting.id, at.room.course.id)
    assert again == place
    await at.undo(made)
    assert await differences(world) == []


async def test_a_prerequisite_has_to_be_completed_again_by_who_is_not_enrolled_yet(world: World) -> None:
    at = await completed(world)
    learner_id, first = at.room.learner.id, at.room.course
    assert first.owner_id is not None
    courses = [
        await world.write(
            world.services.course_editing.create,
            NewCourse(title, prerequisites=(first.id,), modules=(NewModule("M", units=(NewUnit("U"),)),)),
            owner_id=first.owner_id,
        )
        for title in ("Begun", "Later")
    ]
    begun, later = (course.id for course in courses)
    await world.write(world.services.enrollments.enroll, learner_id, begun)
    made = await at.reset()

    kept = await world.read(world.services.enrollments.find, learner_id, begun)
    assert kept is not None
    assert kept.is_open(world.clock())
    assert await refusal(world.write(world.services.enrollments.enroll, learner_id, later)) == "PREREQUISITE_MISSING"
    await at.undo(made)
    await world.write(world.services.enrollments.enroll, learner_id, later)
    assert await differences(world) == []


async def test_work_that_was_handed_in_and_its_grade_are_no_part_of_progress(world: World) -> None:
    at = await completed(world, assessments=(NewAssessment("Essay", max_grade=10),))
    learner, assessments = Caller(at.room.learner.id, Role.PARTICIPANT), world.services.assessments
    (essay,) = at.room.course.assessments
    url = "https://github.com/ada/essay"
    submitted, _ = await world.write(assessments.submit, learner, essay.id, url)
    await world.write(assessments.grade, at.staff, submitted.id, NewGrade(8.0))
    await at.reset(ATTEMPT)

    (own,) = await world.read(assessments.list_own, at.room.learner.id, at.room.course.id)
    assert own.submission is not None
    assert (own.submission.submission_url, own.submission.grade) == (url, 8.0)
    assert await refusal(world.write(assessments.submit, learner, essay.id, url)) == "ALREADY_GRADED"
    assert await differences(world) == []


async def test_a_cached_answer_is_of_before_and_not_given_after_a_reset(world: World, client: httpx.AsyncClient) -> None:
    at = await completed(world)
    headers = world.bearer(at.room.learner)
    path = f"/user-progress/{at.room.course.id}/{at.room.learner.id}"
    before = await client.get(path, headers=headers)
    etag = {"If-None-Match": before.headers["ETag"]}
    assert (await client.get(path, headers=headers | etag)).status_code == 304

    made = await at.reset()
    after = await client.get(path, headers=headers | etag)
    assert after.status_code == 200
    assert after.json() != before.json()
    await at.undo(made)
    restored = await client.get(path, headers=headers | {"If-None-Match": after.headers["ETag"]})
    assert restored.status_code == 200


async def test_exports_have_the_progress_that_counts(world: World, client: httpx.AsyncClient) -> None:
    at = await desk(world, VIEWED, MINUTE_OF_STUDY)
    await at.room.record(at.room.view(0), at.studied("studied", 90, unit=1))
    headers = world.bearer(await world.find_user(at.staff.user_id))

    async def exported() -> tuple[Any, ...]:
        answer = await client.get(f"/api/v1/courses/{at.room.course.id}/export?format=ndjson", headers=headers)
        _, row, _ = map(json.loads, answer.text.splitlines())
        return row["status"], row["progressPercent"], row["studySeconds"], row["days"]

    before = await exported()
    made = await at.reset(ResetRequest(keeps_study=False))
    assert await exported() == ("IN_PROGRESS", 0.0, 0, [])
    await at.undo(made)
    assert await exported() == before
    assert before[:3] == ("COMPLETED", 100.0, 90)


async def test_a_module_is_restored_where_its_units_have_moved_or_are_retired(world: World) -> None:
    at = await completed(world)
    made = await at.reset(ResetRequest(module_id=at.room.course.modules[0].id))
    first, second = at.room.course.units
    await at.room.change(
        lambda tree: unchanged_course(
            tree, modules=(NewModule("Only", id=tree.modules[0].id), NewModule("Other", units=(unchanged_unit(second),)))
        )
    )
    assert (await at.enrolled()).percent == 0
    await at.undo(made)

    rows = await world.rows(select(unit_progress.c.unit_id, unit_progress.c.percent).order_by(unit_progress.c.unit_id))
    assert rows == [(first.id, 10_000), (second.id, 10_000)]
    assert ((await at.enrolled()).status, (await at.enrolled()).percent) == (EnrollmentStatus.COMPLETED, 10_000)
    assert await differences(world) == []


async def test_a_unit_that_was_added_meanwhile_is_not_complete_after_an_undo(world: World) -> None:
    at = await completed(world)
    made = await at.reset()
    units = [*map(unchanged_unit, at.room.course.units), NewUnit("New", completion=VIEWED)]
    await at.room.change_units(units)
    await at.undo(made)
    # It was completed before the unit was added, and so stays completed.
    assert ((await at.enrolled()).status, (await at.enrolled()).percent) == (EnrollmentStatus.COMPLETED, 6_666)
    assert await differences(world) == []


async def test_engagement_in_the_course_alone_goes_with_the_whole_course_and_comes_back(world: World) -> None:
    at = await desk(world, VIEWED)

    async def engage(name: str, depth: float) -> None:
        metrics = EngagementMetrics(scroll_depth=depth)
        await at.room.record(Event(name, ActivityType.LINK_CLICK, at.room.course.id, metrics=metrics))

    await engage("before", 80.0)
    await at.room.record(at.room.view(0))
    await at.undo(await at.reset(ResetRequest(unit_id=at.unit_id(0))))
    assert (await at.enrolled()).evidence.engagement_metrics == EngagementMetrics(scroll_depth=80.0)
    made = await at.reset()
    assert (await at.enrolled()).evidence == NO_EVIDENCE
    await engage("after", 20.0)
    assert (await at.enrolled()).evidence.engagement_metrics == EngagementMetrics(scroll_depth=20.0)
    assert await differences(world) == []
    await at.undo(made)
    assert (await at.enrolled()).evidence.engagement_metrics == EngagementMetrics(scroll_depth=80.0)
    assert await differences(world) == []


async def test_the_first_of_two_completions_is_that_of_an_undo(world: World) -> None:
    at = await completed(world)
    first = (await at.enrolled()).completed_at
    made = await at.reset()
    await at.room.record(at.room.view(0, "again 0"), at.room.view(1, "again 1"))
    second = (await at.enrolled()).completed_at
    await at.undo(made)
    assert first is not None
    assert second is not None
    assert (first < second, (await at.enrolled()).completed_at) == (True, first)
    dates = await world.rows(select(unit_progress.c.completed_at))
    assert dates == [(first,)] * 2
    assert await differences(world) == []


async def test_notes_of_clients_are_merged_and_the_newer_ones_win(world: World) -> None:
    at = await desk(world, VIEWED)
    await _note(at, {"page": 1, "color": "red"})
    made = await at.reset()
    assert await world.rows(select(unit_progress.c.client_metadata)) == [(None,)]
    await _note(at, {"page": 2})
    await at.undo(made)
    ((stored,),) = await world.rows(select(unit_progress.c.client_metadata))
    assert msgspec.json.decode(stored) == {"page": 2, "color": "red"}
    assert await differences(world) == []


async def _note(at: Desk, noted: dict[str, Any]) -> None:
    now = at.world.clock()
    report = Report(at.room.learner.id, now, (Update(at.room.course.id, at.unit_id(0), metadata=noted),))
    ((verdict,),) = await at.world.write(at.world.services.tracking.record, [report], now)
    assert verdict.outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("scope", ["unit", "module"])
async def test_learners_are_not_told_of_a_reset_of_hidden_units_alone(world: World, scope: str) -> None:
    at = await completed(world)
    units = at.room.course.units
    await at.room.change_units([unchanged_unit(unit, is_hidden=scope == "module" or unit == units[0]) for unit in units])
    module = ResetRequest(module_id=at.room.course.modules[0].id)
    await at.reset(ResetRequest(unit_id=at.unit_id(0)) if scope == "unit" else module)

    learner = Caller(at.room.learner.id, Role.PARTICIPANT)
    assert await world.read(world.services.resets.read_resets, learner, at.room.course.id, at.room.learner.id) == []
    told = await world.rows(select(feed.c.topic, feed.c.type).where(feed.c.type == "progress.reset"))
    assert told == [(f"course:{at.room.course.id}", "progress.reset")]


async def test_the_resets_of_a_learner_are_bounded(world: World) -> None:
    at = await completed(world)
    made = await at.reset()
    await at.undo(made)
    (shown,) = await world.read(world.services.resets.read_resets, *at.where)
    async with world.database.write() as tx:
        for number in range(1, MAX_RESETS):
            copy: Reset = msgspec.structs.replace(shown.reset, id=made.id + number)
            await tx.write_rows(await reset_store.reset_rows(tx, copy))
    assert await refusal(at.reset()) == "TOO_MANY_RESETS"


async def test_work_from_before_that_is_told_after_two_resets_counts_with_the_right_one(world: World) -> None:
    at = await desk(world, VIEWED)
    begun = world.clock()
    await at.room.record(at.studied("begun", 30))
    first = await at.reset()
    middle = world.clock()
    world.clock.advance(seconds=60)
    await at.room.record(at.studied("again", 30))
    second = await at.reset()
    for name, when in (("of before", begun), ("of between", middle)):
        view = Event(name, ActivityType.UNIT_VIEW, at.room.course.id, unit_id=at.unit_id(0), end_time=when)
        assert await at.room.record(view, view) == [Outcome.ACCEPTED, Outcome.DUPLICATE]
    assert (await at.room.unit_percent(0))[0] == 0
    await at.undo(second)
    assert (await at.room.unit_percent(0))[0] == 10_000
    assert await differences(world) == []
    await at.undo(first)
    assert await differences(world) == []

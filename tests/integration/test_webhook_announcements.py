"""What webhooks are told: every change that they subscribe to, once, with ids alone, and only if it is committed."""

from typing import Any

import msgspec
import pytest

from headway.assessments.model import NewGrade
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree, NewAssessment, NewCourse, NewModule, NewUnit
from headway.db.database import WriteTransaction
from headway.enrollments.enrolling_model import Wanted
from headway.enrollments.status import EnrollmentStatus, StatusChange
from headway.identity import Caller, Role
from headway.instants import HOUR
from headway.learning.model import ActivityType, Event, Report, Update
from headway.learning.unit_progress import UnitStatus
from tests.integration.receivers import Hooks
from tests.world import NOON, World


@pytest.fixture
def hooks(world: World) -> Hooks:
    return Hooks(world)


async def make_course(world: World, **given: Any) -> CourseTree:
    """A course with two modules of two required units each, and an optional unit in the first one."""
    owner = await world.user(Role.INSTRUCTOR)
    modules = tuple(
        NewModule(
            name,
            external_id=f"m-{name}",
            units=(NewUnit(f"{name} 1", external_id="u-1"), NewUnit(f"{name} 2"), NewUnit(f"{name} 3", is_required=False)),
        )
        for name in ("First", "Second")
    )
    new = NewCourse("Course", modules=modules, assessments=(NewAssessment("Task", max_grade=10),), **given)
    return await world.write(world.services.course_editing.create, new, owner_id=owner.id)


async def report(world: World, user_id: int, *observations: Any) -> None:
    now = world.clock()
    verdicts = await world.write(world.services.tracking.record, [Report(user_id, now, observations)], now)
    assert [str(each.outcome) for each in verdicts[0]] == ["accepted"] * len(observations)


async def complete(world: World, user_id: int, course: CourseTree, *ordinals: int) -> None:
    units = [course.units[ordinal] for ordinal in ordinals]
    await report(world, user_id, *(Update(course.id, unit.id, status=UnitStatus.COMPLETED) for unit in units))


async def test_a_learner_s_way_is_told_step_by_step(world: World, hooks: Hooks) -> None:
    course = await make_course(world, external_id="c-1")
    await hooks.subscribe()
    learner = await world.user(external_id="s-17")
    await world.write(world.services.enrollments.enroll, learner.id, course.id)
    for ordinal in (2, 0, 1):
        await complete(world, learner.id, course, ordinal)
    await complete(world, learner.id, course, 3, 4)
    owner = Caller(course.owner_id, Role.INSTRUCTOR)
    certified = StatusChange(EnrollmentStatus.CERTIFIED)
    await world.write(world.services.enrollments.set_status, owner, course.id, learner.id, certified)

    received = await hooks.send()

    assert [each.event["type"] for each in received] == [
        "enrollment.created",
        "unit.completed",
        "unit.completed",
        "unit.completed",
        "module.completed",
        "unit.completed",
        "unit.completed",
        "module.completed",
        "course.completed",
        "certificate.issued",
    ]
    who = {"learnerId": str(learner.id), "learnerExternalId": "s-17", "courseId": str(course.id), "courseExternalId": "c-1"}
    data = [each.event["data"] for each in received]
    assert all(each.items() >= who.items() for each in data)
    first, second = (str(module.id) for module in course.modules)
    assert data[0]["resumed"] is False
    assert [(each["unitId"], each["moduleId"]) for each in data[1:4]] == [(str(course.units[i].id), first) for i in (2, 0, 1)]
    assert [(each["unitExternalId"], each["moduleExternalId"]) for each in data[1:3]] == [(None, "m-First"), ("u-1", "m-First")]
    assert [each["moduleId"] for each in (data[4], data[7])] == [first, second]
    assert {each.event["timestamp"] for each in received} == {"2026-01-01T12:00:00.000Z"}
    assert len({each.message_id for each in received}) == len(received)


async def test_nothing_is_told_again_when_a_unit_is_visited_again(world: World, hooks: Hooks) -> None:
    course = await make_course(world)
    learner = await world.learner(course)
    await complete(world, learner.id, course, 0, 1, 3, 4)
    await hooks.subscribe()

    world.clock.advance(seconds=3_600)
    unit = course.units[0]
    await report(world, learner.id, Event("again", ActivityType.UNIT_VIEW, course.id, unit_id=unit.id))
    await complete(world, learner.id, course, 0)

    assert await hooks.send() == []


async def test_leaving_and_coming_back_is_told(world: World, hooks: Hooks) -> None:
    course = await make_course(world)
    learner = await world.learner(course)
    await complete(world, learner.id, course, 0, 1, 3, 4)
    await hooks.subscribe()

    await world.write(world.services.enrollments.leave, learner.id, course.id)
    await world.write(world.services.enrollments.enroll, learner.id, course.id)

    received = await hooks.send()
    assert [each.event["type"] for each in received] == ["enrollment.dropped", "enrollment.created"]
    assert received[1].event["data"]["resumed"] is True


async def test_access_that_runs_out_is_told(world: World, hooks: Hooks) -> None:
    course = await make_course(world, access_days=3)
    learner = await world.learner(course)
    await hooks.subscribe()

    world.clock.advance(seconds=4 * 86_400)
    await world.services.enrollments.expire(world.database)

    assert [each.event["data"]["learnerId"] for each in await hooks.send()] == [str(learner.id)]
    assert hooks.transport.types == ["enrollment.expired"]


async def test_moves_of_a_waiting_list_are_told(world: World, hooks: Hooks) -> None:
    course = await make_course(world, capacity=1)
    seated, first, second = await world.learner(course), await world.user(), await world.user()
    await hooks.subscribe()

    for waiting in (first, second):
        await world.write(world.services.enrollments.enroll_or_wait, waiting.id, course.id)
    # Who waits already does not join again.
    await world.write(world.services.enrollments.enroll_or_wait, second.id, course.id)
    await world.write(world.services.enrollments.leave, seated.id, course.id)
    await world.write(world.services.enrollments.leave, second.id, course.id)

    told = [(each.event["type"], each.event["data"]["learnerId"]) for each in await hooks.send()]
    assert [kind for kind, who in told if who == str(first.id)] == [
        "waiting_list.joined",
        "enrollment.created",
        "waiting_list.moved_up",
    ]
    assert [kind for kind, who in told if who == str(second.id)] == ["waiting_list.joined", "waiting_list.left"]
    assert [kind for kind, who in told if who == str(seated.id)] == ["enrollment.dropped"]


async def test_what_staff_do_with_a_waiting_list_is_told(world: World, hooks: Hooks) -> None:
    course = await make_course(world, capacity=0)
    learners = [await world.user() for _ in range(4)]
    for each in learners:
        await world.write(world.services.enrollments.enroll_or_wait, each.id, course.id)
    await hooks.subscribe()
    lists, owner = world.services.waiting_lists, Caller(course.owner_id, Role.INSTRUCTOR)
    first, second, third, fourth = (each.id for each in learners)

    await world.write(lists.move, owner, course.id, third, 1)
    # It is there already.
    await world.write(lists.move, owner, course.id, third, 1)
    await world.write(lists.move, owner, course.id, third, 9)
    await world.write(lists.remove, owner, course.id, second)
    await world.write(lists.admit, owner, course.id, third, add_seat=True)
    await world.write(world.services.enrollments.leave, third, course.id)
    await world.write(world.services.enrollments.leave, fourth, course.id)

    told = [(each.event["type"], each.event["data"]) for each in await hooks.send()]
    of = {
        who: [
            (kind, *(data[name] for name in ("position", "previousPosition", "byStaff") if name in data))
            for kind, data in told
            if data["learnerId"] == str(who)
        ]
        for who in (first, second, third, fourth)
    }
    assert of == {
        first: [("enrollment.created",), ("waiting_list.moved_up", False)],
        second: [("waiting_list.left", True)],
        third: [
            ("waiting_list.moved", 1, 3),
            ("waiting_list.moved", 4, 1),
            ("enrollment.created",),
            ("waiting_list.moved_up", True),
            ("enrollment.dropped",),
        ],
        fourth: [("waiting_list.left", False)],
    }


async def test_whom_staff_enroll_who_waited_has_moved_up(world: World, hooks: Hooks) -> None:
    """Nobody moves up by himself in a course that is over."""
    course = await make_course(world, capacity=1, ends_at=NOON + HOUR)
    seated, waiting = await world.learner(course), await world.user()
    await world.write(world.services.enrollments.enroll_or_wait, waiting.id, course.id)
    world.clock.advance(seconds=7_200)
    await world.write(world.services.enrollments.leave, seated.id, course.id)
    await hooks.subscribe()

    owner = Caller(course.owner_id, Role.INSTRUCTOR)
    await world.write(world.services.enrolling.enroll, owner, course.id, [Wanted(f"id:{waiting.id}")])

    told = [(each.event["type"], each.event["data"].get("byStaff")) for each in await hooks.send()]
    assert told == [("enrollment.created", None), ("waiting_list.moved_up", True)]


async def test_submissions_and_grades_are_told_without_words_and_links(world: World, hooks: Hooks) -> None:
    course = await make_course(world)
    learner = await world.learner(course)
    await hooks.subscribe()
    assessments, task = world.services.assessments, course.assessments[0]

    caller = Caller(learner.id, Role.PARTICIPANT)
    submission, _ = await world.write(assessments.submit, caller, task.id, "https://github.com/ada/engine")
    grade = NewGrade(9.5, "Well done, Ada")
    await world.write(assessments.grade, Caller(course.owner_id, Role.INSTRUCTOR), submission.id, grade)

    received = await hooks.send()
    assert [each.event["type"] for each in received] == ["submission.received", "submission.graded"]
    ids = {"submissionId": submission.id, "assessmentId": str(task.id)}
    assert all(each.event["data"].items() >= ids.items() for each in received)
    assert received[1].event["data"]["grade"] == 9.5
    assert received[1].event["data"]["maxGrade"] == 10
    assert not any(word in each.body for each in received for word in (b"Ada", b"github", learner.name.encode()))


async def test_completions_by_changed_rules_are_told(world: World, hooks: Hooks) -> None:
    course = await make_course(world)
    owner = Caller(course.owner_id, Role.INSTRUCTOR)
    learner, idle = await world.learner(course), await world.learner(course)
    await complete(world, learner.id, course, 0, 3)
    for ordinal in (1, 4):
        unit = course.units[ordinal]
        await report(world, learner.id, Event(f"{ordinal}", ActivityType.UNIT_VIEW, course.id, unit_id=unit.id))
    await hooks.subscribe()

    def view_is_enough(stored: CourseTree) -> NewCourse:
        new = stored.unchanged
        modules = tuple(
            msgspec.structs.replace(
                module,
                units=tuple(
                    msgspec.structs.replace(unit, completion=Completion(Rule.VIEWED)) if unit.title.endswith("2") else unit
                    for unit in module.units
                ),
            )
            for module in new.modules
        )
        return msgspec.structs.replace(new, modules=modules)

    await world.write(world.services.course_editing.change, owner, course.id, view_is_enough)

    received = await hooks.send()
    assert [each.event["type"] for each in received] == [
        "unit.completed",
        "unit.completed",
        "module.completed",
        "module.completed",
        "course.completed",
    ]
    assert {each.event["data"]["learnerId"] for each in received} == {str(learner.id)}
    assert str(idle.id) not in {each.event["data"]["learnerId"] for each in received}


async def test_a_module_that_needs_less_is_told_where_it_is_complete_by_that(world: World, hooks: Hooks) -> None:
    course = await make_course(world)
    owner = Caller(course.owner_id, Role.INSTRUCTOR)
    learner = await world.learner(course)
    await complete(world, learner.id, course, 0, 3, 4)
    await hooks.subscribe()

    def first_alone(stored: CourseTree) -> NewCourse:
        first, *rest = stored.unchanged.modules
        first = msgspec.structs.replace(first, units=first.units[:1])
        return msgspec.structs.replace(stored.unchanged, modules=(first, *rest))

    await world.write(world.services.course_editing.change, owner, course.id, first_alone)

    received = await hooks.send()
    assert [each.event["type"] for each in received] == ["module.completed", "course.completed"]
    assert received[0].event["data"]["moduleId"] == str(course.modules[0].id)
    assert received[0].event["data"]["learnerId"] == str(learner.id)


async def test_a_webhook_gets_what_it_subscribes_to_in_its_course(world: World, hooks: Hooks) -> None:
    one, other = await make_course(world), await make_course(world)
    await hooks.subscribe("course.completed", "enrollment.created", url="https://a.example.org/", course_id=one.id)
    await hooks.subscribe("unit.completed", url="https://b.example.org/")
    for course in (one, other):
        learner = await world.learner(course)
        await complete(world, learner.id, course, 0)

    received = await hooks.send()

    assert sorted((each.url, each.event["type"], each.event["data"]["courseId"]) for each in received) == [
        ("https://a.example.org/", "enrollment.created", str(one.id)),
        ("https://b.example.org/", "unit.completed", str(one.id)),
        ("https://b.example.org/", "unit.completed", str(other.id)),
    ]


async def test_what_is_rolled_back_is_not_told(world: World, hooks: Hooks) -> None:
    course, learner = await make_course(world), await world.user()
    await hooks.subscribe()

    async def enroll_and_fail(tx: WriteTransaction) -> None:
        await world.services.enrollments.enroll(tx, learner.id, course.id)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await world.write(enroll_and_fail)

    assert await hooks.send() == []


async def test_only_plain_events_write_nothing_but_themselves(world: World, hooks: Hooks) -> None:
    course = await make_course(world)
    learner = await world.learner(course)
    webhook = await hooks.subscribe()

    unit = course.units[0]
    await report(world, learner.id, Event("one", ActivityType.UNIT_VIEW, course.id, unit_id=unit.id))

    listed = world.services.webhooks.list_deliveries
    assert await world.read(listed, None, webhook.id, world.services.paging.walk(1, (), cursor=None, page=1, limit=10)) == []


async def test_a_disabled_webhook_gets_nothing_of_what_happens_meanwhile(world: World, hooks: Hooks) -> None:
    course = await make_course(world)
    webhook = await hooks.subscribe()
    change = world.services.webhooks.change
    await world.write(change, None, webhook.id, lambda stored: stored, enable=False)
    await world.learner(course)

    await world.write(change, None, webhook.id, lambda stored: stored, enable=True)

    assert await hooks.send() == []

"""Enrolling many at once, as the staff of a course."""

from typing import Any

import pytest
from sqlalchemy import func, select

from headway.audit.model import EntryFilter
from headway.enrollments.enrolling_model import MAX_ITEMS, Wanted
from headway.enrollments.status import EnrollmentStatus, StatusChange
from headway.enrollments.tables import enrollments, invitations, waiting_list
from headway.errors import Conflict, Forbidden, Invalid, NotFound
from headway.identity import Caller, Role
from headway.instants import DAY
from headway.paging.service import Walk
from tests.integration.concurrency import differences
from tests.integration.course_edits import unchanged_course
from tests.integration.rosters import address, enroll, people, staff_of, told
from tests.world import World

stored_ends = select(enrollments.c.user_id, enrollments.c.access_until).order_by(enrollments.c.user_id)


async def test_each_item_has_a_verdict_of_its_own(world: World) -> None:
    course = await world.course(capacity=3)
    seated, off, new, late, gone, last = await people(world, "seated", "off", "new", "late", "gone", "last")
    for each in (seated, gone):
        await world.write(world.services.enrollments.enroll, each.id, course.id)
    expired = StatusChange(EnrollmentStatus.EXPIRED)
    await world.write(world.services.enrollments.set_status, staff_of(course), course.id, gone.id, expired)
    await world.disable(off)
    before = await world.rows(select(func.count()).select_from(enrollments))

    items = ["seated", "off", "new", f"id:{late.id}", "last", "email:word", "gone", "new", "id:999", "ext:none", ""]
    verdicts = await enroll(world, course, *items[:-1], Wanted(""), Wanted(address("nobody"), may_invite=False))

    assert told(verdicts) == [
        *(("unchanged", "ENROLLED"), ("rejected", "USER_DISABLED"), ("created", "ENROLLED"), ("created", "ENROLLED")),
        *(("rejected", "COURSE_FULL"), ("rejected", "VALIDATION_ERROR"), ("rejected", "ACCESS_ENDED")),
        *(("rejected", "DUPLICATE_ITEM"), ("rejected", "USER_NOT_FOUND"), ("rejected", "USER_NOT_FOUND")),
        *(("rejected", "VALIDATION_ERROR"), ("rejected", "USER_NOT_FOUND")),
    ]
    assert [each.user.id if each.user else None for each in verdicts] == [
        *(seated.id, off.id, new.id, late.id, last.id, None, gone.id, new.id, None, None, None, None),
    ]
    assert await world.rows(select(func.count()).select_from(enrollments)) == [(before[0][0] + 2,)]
    assert await world.rows(select(func.count()).select_from(invitations)) == [(0,)]
    patient = Wanted(address("last"), may_wait=True)
    assert told(await enroll(world, course, patient, "new")) == [("created", 1), ("unchanged", "ENROLLED")]
    assert told(await enroll(world, course, patient, Wanted(f"id:{last.id}"))) == [
        ("unchanged", 1),
        ("rejected", "DUPLICATE_ITEM"),
    ]
    assert told(await enroll(world, course, "last")) == [("unchanged", 1)], "who waits keeps the place"
    assert await differences(world) == []


async def test_the_window_the_end_and_prerequisites_are_for_learners_alone(world: World) -> None:
    first, course = await world.course(), await world.course()
    ada, bob, *_ = await people(world, "ada", "bob", "cyd")
    staff = staff_of(course)

    async def change(**fields: Any) -> None:
        edit = world.services.course_editing.change
        await world.write(edit, staff, course.id, lambda stored: unchanged_course(stored, **fields))

    await change(prerequisites=(first.id,))
    assert told(await enroll(world, course, "ada")) == [("created", "ENROLLED")]
    await change(enroll_until=world.clock(), ends_at=world.clock() + 1)
    world.clock.advance(seconds=1)
    assert told(await enroll(world, course, "bob")) == [("created", "ENROLLED")]
    await change(is_published=False)
    with pytest.raises(Conflict, match="Publish"):
        await enroll(world, course, "cyd")
    await change(is_published=True)
    await world.write(world.services.enrollments.leave, ada.id, course.id)
    assert told(await enroll(world, course, "ada")) == [("updated", "ENROLLED")], "who left takes up what was earned"
    assert (await world.read(world.services.enrollments.find, bob.id, course.id)) is not None


async def test_access_can_end_at_a_time_of_ones_own(world: World) -> None:
    course = await world.course(access_days=10)
    ada, bob = await people(world, "ada", "bob")
    until = world.clock() + 2 * DAY
    verdicts = await enroll(world, course, Wanted(address("ada"), until), "bob", Wanted("email:x@example.org", world.clock()))
    assert told(verdicts)[:2] == [("created", "ENROLLED")] * 2
    assert verdicts[2].error is not None
    assert [each.field for each in verdicts[2].error.fields] == ["expires_at"]
    assert await world.rows(stored_ends) == [(ada.id, until), (bob.id, None)]

    again = [Wanted(address("ada"), until), Wanted(address("bob"), until + DAY)]
    assert told(await enroll(world, course, *again)) == [("unchanged", "ENROLLED"), ("updated", "ENROLLED")]
    world.clock.advance(seconds=2 * DAY // 1000)
    assert not (await world.read(world.services.enrollments.find, ada.id, course.id)).is_open(world.clock())  # type: ignore[union-attr]
    assert told(await enroll(world, course, "ada")) == [("rejected", "ACCESS_ENDED")]
    assert await world.services.enrollments.expire(world.database) == 1
    statuses = select(enrollments.c.user_id, enrollments.c.status, enrollments.c.closed_at).order_by(enrollments.c.user_id)
    assert await world.rows(statuses) == [(ada.id, "EXPIRED", until), (bob.id, "ENROLLED", None)]
    assert told(await enroll(world, course, "ada")) == [("rejected", "ACCESS_ENDED")]
    renewed = Wanted(address("ada"), world.clock() + DAY)
    assert told(await enroll(world, course, renewed)) == [("updated", "ENROLLED")]
    assert await world.services.enrollments.expire(world.database) == 0
    assert await differences(world) == []


async def test_who_left_cannot_come_back_after_the_time_that_staff_set(world: World) -> None:
    course = await world.course()
    (ada,) = await people(world, "ada")
    await enroll(world, course, Wanted(address("ada"), world.clock() + DAY))
    services = world.services.enrollments
    await world.write(services.leave, ada.id, course.id)
    await world.write(services.enroll, ada.id, course.id)
    assert await world.rows(stored_ends) == [(ada.id, world.clock() + DAY)], "the end stays"
    await world.write(services.leave, ada.id, course.id)
    world.clock.advance(seconds=DAY // 1000)
    with pytest.raises(Conflict, match="no longer has access"):
        await world.write(services.enroll, ada.id, course.id)
    assert told(await enroll(world, course, "ada")) == [("updated", "ENROLLED")]
    assert await world.rows(stored_ends) == [(ada.id, None)]


async def test_who_moves_up_has_access_until_the_time_that_staff_set(world: World) -> None:
    course = await world.course(capacity=1)
    ada, bob = await people(world, "ada", "bob")
    until = world.clock() + DAY
    assert told(await enroll(world, course, "ada", Wanted(address("bob"), until, may_wait=True))) == [
        ("created", "ENROLLED"),
        ("created", 1),
    ]
    await world.write(world.services.enrollments.leave, ada.id, course.id)

    assert await world.rows(stored_ends) == [(ada.id, None), (bob.id, until)]


async def test_who_was_enrolled_stands_in_the_log_and_nobody_else(world: World) -> None:
    course = await world.course(capacity=1)
    first, second, _ = await people(world, "first", "second", "third")
    await enroll(world, course, "first", Wanted(address("second"), may_wait=True))
    await enroll(world, course, "third", "first")

    walk, everything = Walk(10, 1), EntryFilter(action="ENROLL_LEARNER")
    entries = await world.read(world.services.audit_log.read, Caller(1, Role.ADMIN), everything, walk)

    assert [(entry.metadata["learnerId"], entry.metadata["isWaiting"]) for entry in entries] == [
        (str(second.id), True),
        (str(first.id), False),
    ]
    assert {(entry.actor.user_id, entry.client and entry.client.address) for entry in entries} == {
        (str(course.owner_id), "192.0.2.1")
    }


async def test_only_staff_enrolls_a_bounded_number(world: World) -> None:
    course = await world.course(capacity=0)
    (waiter,) = await people(world, "waiter")
    assert told(await enroll(world, course, Wanted(address("waiter"), may_wait=True))) == [("created", 1)]
    stranger = await world.user(Role.INSTRUCTOR)
    for caller in (Caller(waiter.id, Role.PARTICIPANT), Caller(stranger.id, Role.INSTRUCTOR)):
        with pytest.raises(Forbidden):
            await enroll(world, course, "waiter", caller=caller)
    with pytest.raises(NotFound):
        await world.write(world.services.enrolling.enroll, staff_of(course), course.id + 1, [Wanted("id:1")])
    for count in (0, MAX_ITEMS + 1):
        with pytest.raises(Invalid) as refused:
            await enroll(world, course, *(f"learner{n}" for n in range(count)))
        assert [each.field for each in refused.value.fields] == ["items"]
    assert await world.rows(select(waiting_list.c.user_id)) == [(waiter.id,)]

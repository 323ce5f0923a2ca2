"""The roster: enrolling by e-mail address, and the waiting list, as the staff of a course."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select

from headway.accounts.model import User
from headway.audit.model import EntryFilter
from headway.courses.model import CourseTree
from headway.courses.tables import courses
from headway.enrollments.model import Enrollment, EnrollmentStatus, StatusChange
from headway.enrollments.roster import MAX_ADDRESSES, AddressResult, Unplaced, read_addresses
from headway.enrollments.seating import Reason, Refusal, Waiting
from headway.enrollments.tables import enrollments, waiting_list
from headway.errors import Conflict, Forbidden, Invalid, NotFound
from headway.identity import Caller, Client, CourseRole, Role
from headway.paging.service import Walk
from headway.settings import Settings
from tests.integration.concurrency import differences
from tests.integration.course_edits import unchanged_course
from tests.world import World

HERE = Client("192.0.2.1", "a browser")


def staff_of(course: CourseTree) -> Caller:
    return Caller(course.owner_id, Role.INSTRUCTOR, name="Grace", email="grace@example.org")


async def people(world: World, *names: str) -> list[User]:
    return [await world.user(email=f"{name}@example.org") for name in names]


async def enroll(world: World, course: CourseTree, text: str, **given: Any) -> list[AddressResult]:
    caller = given.pop("caller", staff_of(course))
    return await world.write(world.services.roster.enroll_addresses, caller, course.id, text, client=HERE, **given)


def told(results: list[AddressResult]) -> list[object]:
    """Give what each result says in one word, or the position of whoever waits."""
    said: list[object] = []
    for _, outcome, _ in results:
        match outcome:
            case Enrollment(status=status):
                said.append(status.value)
            case Waiting(position=position):
                said.append(position)
            case Refusal(reason=reason):
                said.append(reason)
            case _:
                said.append(outcome)
    return said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ada@example.org", ["ada@example.org"]),
        (" a@b.c,d@e.f;g@h.i\r\nj@k.l m@n.o\t", ["a@b.c", "d@e.f", "g@h.i", "j@k.l", "m@n.o"]),
        ("Ada Lovelace <ada@example.org>, <b@c.d>", ["ada@example.org", "b@c.d"]),
        ("ADA@example.org\nada@EXAMPLE.org", ["ADA@example.org"]),
        ("ada.example.org <>", ["ada.example.org", "<>"]),
        ("<script>alert(1)</script>", ["<script>alert(1)</script>"]),
        (" ,;\n", []),
    ],
)
def test_addresses_are_read_as_people_paste_them(text: str, expected: list[str]) -> None:
    assert read_addresses(text) == expected


async def test_each_address_has_a_result_of_its_own_and_none_creates_an_account(world: World) -> None:
    course = await world.course(capacity=3)
    seated, off, new, late, gone, last = await people(world, "seated", "off", "new", "late", "gone", "last")
    for each in (seated, gone):
        await world.write(world.services.enrollments.enroll, each.id, course.id)
    expired = StatusChange(EnrollmentStatus.EXPIRED)
    await world.write(world.services.enrollments.set_status, staff_of(course), course.id, gone.id, expired)
    await world.disable(off)
    (accounts,) = await world.rows(select(func.count()).select_from(enrollments))
    text = "seated@example.org off@example.org NEW@example.org late@example.org nobody@example.org last@example.org word"
    text += " gone@example.org"

    results = await enroll(world, course, text)

    assert [each.address for each in results] == text.split()
    assert told(results) == [
        *(Reason.ALREADY_ENROLLED, Unplaced.DISABLED, "ENROLLED", "ENROLLED"),
        *(Unplaced.UNKNOWN, Reason.NO_SEAT, Unplaced.NO_ADDRESS, Reason.ACCESS_ENDED),
    ]
    assert [each.user.id if each.user else None for each in results] == [
        *(seated.id, off.id, new.id, late.id),
        *(None, last.id, None, gone.id),
    ]
    assert (await world.rows(select(func.count()).select_from(enrollments)))[0][0] == accounts[0] + 2
    assert told(await enroll(world, course, "last@example.org new@example.org", may_wait=True)) == [1, Reason.ALREADY_ENROLLED]
    assert told(await enroll(world, course, "last@example.org", may_wait=True)) == [1], "who waits keeps the place"
    assert await differences(world) == []


async def test_who_was_enrolled_stands_in_the_log_and_nobody_else(world: World) -> None:
    course = await world.course(capacity=1)
    first, second, _ = await people(world, "first", "second", "third")
    await enroll(world, course, "first@example.org, second@example.org", may_wait=True)
    await enroll(world, course, "third@example.org")

    walk, everything = Walk(10, 1), EntryFilter(action="ENROLL_LEARNER")
    entries = await world.read(world.services.audit_log.read, Caller(1, Role.ADMIN), everything, walk)

    assert [(entry.metadata["learnerId"], entry.metadata["isWaiting"]) for entry in entries] == [
        (str(second.id), True),
        (str(first.id), False),
    ]
    assert {(entry.actor.user_id, entry.client and entry.client.address) for entry in entries} == {
        (str(course.owner_id), "192.0.2.1")
    }


async def test_the_rules_are_those_for_everybody(world: World) -> None:
    first, course = await world.course(), await world.course(access_days=3)
    ada, _ = await people(world, "ada", "bob")
    staff = staff_of(course)

    async def change(**fields: Any) -> None:
        edit = world.services.course_editing.change
        await world.write(edit, staff, course.id, lambda stored: unchanged_course(stored, **fields))

    await change(prerequisites=(first.id,))
    assert told(await enroll(world, course, "ada@example.org")) == [Reason.MISSING_PREREQUISITE]
    await change(prerequisites=(), enroll_until=world.clock())
    assert told(await enroll(world, course, "ada@example.org")) == [Reason.CLOSED]
    await change(prerequisites=(), enroll_until=None, is_published=False)
    with pytest.raises(Conflict, match="Publish"):
        await enroll(world, course, "ada@example.org")
    await change(is_published=True)
    assert told(await enroll(world, course, "ada@example.org bob@example.org")) == ["ENROLLED", "ENROLLED"]
    await world.write(world.services.enrollments.leave, ada.id, course.id)
    assert told(await enroll(world, course, "ada@example.org")) == ["ENROLLED"], "who left takes up what was earned"


async def test_only_staff_enrolls_and_sees_who_waits(world: World) -> None:
    course = await world.course(capacity=0)
    (waiter,) = await people(world, "waiter")
    assert told(await enroll(world, course, "waiter@example.org", may_wait=True)) == [1]
    stranger = await world.user(Role.INSTRUCTOR)
    roster = world.services.roster
    for caller in (Caller(waiter.id, Role.PARTICIPANT), Caller(stranger.id, Role.INSTRUCTOR)):
        with pytest.raises(Forbidden):
            await enroll(world, course, "waiter@example.org", caller=caller)
        with pytest.raises(Forbidden):
            await world.read(roster.list_waiting, caller, course.id, Walk(10, 1))
        with pytest.raises(Forbidden):
            await world.write(roster.remove_waiting, caller, course.id, waiter.id)
    with pytest.raises(NotFound):
        await world.write(roster.enroll_addresses, staff_of(course), course.id + 1, "a@b.org")
    for text in ("", " ; ", ", ".join(f"learner{n}@example.org" for n in range(MAX_ADDRESSES + 1))):
        with pytest.raises(Invalid) as refused:
            await enroll(world, course, text)
        assert [each.field for each in refused.value.fields] == ["addresses"]


async def test_the_waiting_list_is_shown_in_order_and_page_by_page(world: World) -> None:
    course = await world.course(capacity=0)
    names = ["e", "d", "c", "b", "a"]
    waiters = await people(world, *names)
    for each in waiters:
        world.clock.advance(seconds=1)
        await enroll(world, course, f"{each.email}", may_wait=True)
    await world.disable(waiters[1])
    roster, staff = world.services.roster, staff_of(course)
    await world.write(roster.remove_waiting, staff, course.id, waiters[0].id, client=HERE)
    with pytest.raises(NotFound):
        await world.write(roster.remove_waiting, staff, course.id, waiters[0].id)

    found, cursor = [], None
    for _ in range(3):
        walk = world.services.paging.walk(staff.user_id, (), cursor=cursor, page=1, limit=2)
        page, total = await world.read(roster.list_waiting, staff, course.id, walk)
        assert total == 4
        found += page
        cursor = walk.next_cursor
        if cursor is None:
            break

    assert [(each.user_id, each.position, each.name) for each in found] == [
        (each.id, position, each.name) for position, each in enumerate(waiters[1:], 1)
    ]
    assert [each.is_disabled for each in found] == [True, False, False, False]
    stored = await world.rows(select(waiting_list.c.user_id, waiting_list.c.joined_at).order_by(waiting_list.c.number))
    assert [(each.user_id, each.joined_at) for each in found] == stored


async def test_seats_are_not_oversold_to_addresses_that_come_at_once(world: World, settings: Settings) -> None:
    course = await world.course(capacity=5)
    await people(world, *(f"learner{n}" for n in range(20)))
    second = await world.user(Role.INSTRUCTOR)
    await world.write(world.services.course_staff.set_role, staff_of(course), course.id, second.id, CourseRole.INSTRUCTOR)
    halves = [" ".join(f"learner{n}@example.org" for n in numbers) for numbers in (range(12), range(19, 7, -1))]

    parts = await asyncio.gather(
        enroll(world, course, halves[0], may_wait=True),
        enroll(world, course, halves[1], may_wait=True, caller=Caller(second.id, Role.INSTRUCTOR)),
    )

    assert sum(isinstance(each.outcome, Enrollment) for part in parts for each in part) == 5
    assert await world.rows(select(courses.c.seats_taken)) == [(5,)]
    positions = [each.outcome.position for part in parts for each in part if isinstance(each.outcome, Waiting)]
    assert set(positions) == set(range(1, 16))
    assert (await world.rows(select(func.count()).select_from(waiting_list)))[0][0] == 15
    assert await differences(world) == []

"""Invitations: addresses without an account, enrolled as soon as somebody has an account with one."""

import asyncio

import pytest
from sqlalchemy import select

from headway.audit.model import EntryFilter
from headway.enrollments.enrolling_model import INVITATION_LIFETIME, MAX_INVITATIONS, Wanted
from headway.enrollments.tables import enrollments, invitations, waiting_list
from headway.errors import Conflict, Forbidden, NotFound
from headway.identity import Caller, Role
from headway.instants import DAY, SECOND
from headway.key_rotation import rotate_keys
from headway.paging.service import Walk
from tests.integration.concurrency import differences
from tests.integration.rosters import HERE, address, enroll, people, staff_of, told
from tests.world import World

enrolled = select(enrollments.c.user_id, enrollments.c.course_id, enrollments.c.access_until).order_by(
    enrollments.c.user_id, enrollments.c.course_id
)
invited = select(invitations.c.course_id, invitations.c.access_until).order_by(invitations.c.id)


async def test_who_is_invited_is_enrolled_with_the_account_that_has_the_address(world: World) -> None:
    first, second = await world.course(), await world.course()
    until = world.clock() + DAY
    assert told(await enroll(world, first, Wanted("email:Ada@Example.org", until), "bob")) == [("created", "invited")] * 2
    assert told(await enroll(world, second, "ada")) == [("created", "invited")]
    assert await world.rows(enrolled) == []

    ada = await world.user(email="ADA@example.org")

    assert await world.rows(enrolled) == [(ada.id, first.id, until), (ada.id, second.id, None)]
    assert await world.rows(invited) == [(first.id, None)], "bob has not come yet"
    assert told(await enroll(world, first, "ada")) == [("unchanged", "ENROLLED")]
    entries = await world.read(
        world.services.audit_log.read, Caller(1, Role.ADMIN), EntryFilter(action="ENROLL_LEARNER"), Walk(10, 1)
    )
    assert {(entry.actor.user_id, entry.metadata["courseId"], entry.metadata["isWaiting"]) for entry in entries} == {
        (str(ada.id), str(course.id), False) for course in (first, second)
    }
    assert await differences(world) == []


async def test_who_comes_when_no_seat_is_free_waits_for_one(world: World) -> None:
    course = await world.course(capacity=1)
    await enroll(world, course, "ada", "bob")

    ada, bob = await people(world, "ada", "bob")

    assert [row[0] for row in await world.rows(enrolled)] == [ada.id]
    assert await world.rows(select(waiting_list.c.user_id)) == [(bob.id,)]
    assert await world.rows(invited) == []
    assert await differences(world) == []


async def test_an_invitation_is_repeated_changed_and_limited(world: World) -> None:
    course = await world.course()
    until = world.clock() + DAY
    assert told(await enroll(world, course, "ada", "ada")) == [("created", "invited"), ("rejected", "DUPLICATE_ITEM")]
    assert told(await enroll(world, course, "ada")) == [("unchanged", "invited")]
    assert told(await enroll(world, course, Wanted(address("ada"), until))) == [("updated", "invited")]
    assert await world.rows(invited) == [(course.id, until)]
    row = {"course_id": course.id, "email": "x", "invited_by": 1, "invited_at": world.clock()}
    async with world.database.write() as tx:
        statement = invitations.insert().values(**row, email_hash="y")
        await tx.run(statement)
        for n in range(MAX_INVITATIONS - 3):
            await tx.run(invitations.insert().values(**row, email_hash=str(n)))
    assert told(await enroll(world, course, "bob", "cyd", "ada")) == [
        *(("created", "invited"), ("rejected", "TOO_MANY_INVITATIONS"), ("unchanged", "invited")),
    ]


async def test_an_invitation_ends_after_half_a_year(world: World) -> None:
    course = await world.course()
    await enroll(world, course, "ada", "bob")
    world.clock.advance(seconds=INVITATION_LIFETIME // SECOND)
    await people(world, "ada")
    assert await world.rows(enrolled) == []

    world.clock.advance(seconds=1)
    await enroll(world, course, "cyd")
    assert len(await world.rows(invited)) == 1, "older ones are deleted"


async def test_staff_lists_and_withdraws_invitations(world: World) -> None:
    course, services = await world.course(), world.services.invitations
    staff = staff_of(course)
    await enroll(world, course, "ada", "bob", "cyd")
    stranger = Caller((await world.user(Role.INSTRUCTOR)).id, Role.INSTRUCTOR)

    cursor, found = None, []
    for _ in range(2):
        walk = world.services.paging.walk(staff.user_id, (), cursor=cursor, page=1, limit=2)
        page, total = await world.read(services.list, staff, course.id, walk)
        found += [(each.email, each.invited_by) for each in page]
        cursor = walk.next_cursor
        assert total == 3
    assert found == [(f"{name}@example.org", staff.user_id) for name in ("cyd", "bob", "ada")]

    first = page[0].id
    with pytest.raises(Forbidden):
        await world.read(services.list, stranger, course.id, Walk(10, 1))
    with pytest.raises(Forbidden):
        await world.write(services.withdraw, stranger, course.id, first)
    await world.write(services.withdraw, staff, course.id, first, client=HERE)
    with pytest.raises(NotFound):
        await world.write(services.withdraw, staff, course.id, first)
    await people(world, "ada")
    assert await world.rows(enrolled) == []


async def test_an_account_that_gets_an_invited_address_is_enrolled(world: World) -> None:
    course = await world.course()
    await enroll(world, course, "ada")
    user = await world.user()
    await world.write(world.services.accounts.change, user.id, email="ada@example.org")

    assert [row[0] for row in await world.rows(enrolled)] == [user.id]
    assert await world.rows(invited) == []


async def test_an_invitation_is_found_after_keys_were_rotated(world: World) -> None:
    course = await world.course()
    await enroll(world, course, "ada")
    await rotate_keys(world.database, world.services.audit)
    (ada,) = await people(world, "ada")

    assert [row[0] for row in await world.rows(enrolled)] == [ada.id]


async def test_somebody_whom_an_outside_provider_knows_by_the_address_is_enrolled(world: World) -> None:
    course = await world.course()
    await enroll(world, course, "ada", "bob")
    (bob,) = await people(world, "bob")
    create = world.services.accounts.find_or_create_outside
    ada_id = await create("subject-1", name="Ada", email="ada@example.org")
    other_id = await create("subject-2", name="Bob", email="bob@example.org")

    assert [row[0] for row in await world.rows(enrolled)] == sorted([bob.id, ada_id])
    assert (await world.find_user(ada_id)).email == "ada@example.org"
    assert (await world.find_user(other_id)).email is None, "an address has one account"
    assert await create("subject-1", name="Ada", email="other@example.org") == ada_id


async def test_nobody_is_lost_who_registers_while_being_invited(world: World) -> None:
    courses = [await world.course(capacity=100) for _ in range(2)]
    names = [f"learner{n}" for n in range(20)]

    async def register(name: str) -> None:
        await world.user(email=f"{name}@example.org")

    async def invite(number: int) -> None:
        await enroll(world, courses[number], *(names if number else reversed(names)))

    await asyncio.gather(*map(register, names[:10]), invite(0), invite(1), *map(register, names[10:]))

    assert await world.rows(invited) == []
    assert len(await world.rows(enrolled)) == 40
    assert await differences(world) == []


async def test_two_accounts_cannot_have_an_invited_address(world: World) -> None:
    course = await world.course()
    await enroll(world, course, "ada")
    (ada,) = await people(world, "ada")
    with pytest.raises(Conflict):
        await people(world, "ada")

    assert [row[0] for row in await world.rows(enrolled)] == [ada.id]

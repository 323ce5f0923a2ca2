"""Managing accounts as an administrator: who may, what is recorded, and that an administrator is always left."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from headway.accounts.lists import UserSearch
from headway.accounts.model import NewUser, User
from headway.accounts.tables import users
from headway.audit.tables import audit_entries
from headway.errors import Conflict, Forbidden, HeadwayError, Invalid, NotFound, Unauthenticated
from headway.identity import Caller, Client, Role
from headway.paging.service import Walk
from tests.world import World

HERE = Client("203.0.113.7")


async def caller(world: World, role: Role = Role.ADMIN) -> Caller:
    user = await world.user(role, email=f"{role.value.lower()}@example.org")
    return Caller(user.id, user.role, user.external_id, None, user.name, user.email)


async def listed(world: World, admin: Caller, **search: Any) -> list[int]:
    found, total = await world.read(world.services.administration.list_users, admin, UserSearch(**search), Walk(100, 1))
    assert total == len(found)
    return [each.user.id for each in found]


async def actions(world: World) -> list[tuple[Any, ...]]:
    return await world.rows(select(audit_entries.c.action, audit_entries.c.actor_id).order_by(audit_entries.c.seq))


@pytest.mark.parametrize("role", [Role.PARTICIPANT, Role.INSTRUCTOR, Role.SYSTEM])
async def test_whoever_is_no_administrator_gets_nothing(world: World, role: Role) -> None:
    other, somebody = await caller(world, role), await world.user(email="a@example.org")
    does = world.services.administration
    attempts: list[Callable[[Any], Awaitable[Any]]] = [
        lambda tx: does.list_users(tx, other, UserSearch(), Walk(10, 1)),
        lambda tx: does.count_users(tx, other),
        lambda tx: does.find(tx, other, somebody.id),
        lambda tx: does.create(tx, other, NewUser(Role.ADMIN, "Mallory")),
        lambda tx: does.change(tx, other, User(other.user_id, Role.ADMIN, "M", None, None, 0, False)),
        lambda tx: does.set_disabled(tx, other, somebody.id, is_disabled=True),
        lambda tx: does.set_password(tx, other, somebody.id, "hash"),
    ]

    for attempt in attempts:
        with pytest.raises(Forbidden):
            await world.write(attempt)
    assert await actions(world) == []


async def test_the_role_is_that_of_the_account_and_not_that_of_an_old_token(world: World) -> None:
    admin = await caller(world)
    await world.write(world.services.accounts.change, admin.user_id, role=Role.PARTICIPANT)

    with pytest.raises(Forbidden):
        await world.read(world.services.administration.count_users, admin)


async def test_accounts_are_found_by_name_address_id_and_state(world: World) -> None:
    admin = await caller(world)
    create = world.services.accounts.create
    ada = await world.write(create, role=Role.INSTRUCTOR, name="Ada Lovelace", email="ada@example.org")
    zoe = await world.write(create, role=Role.PARTICIPANT, name="Zoë Ärger", external_id="idp|7")
    await world.disable(zoe)

    assert await listed(world, admin) == [zoe.id, ada.id, admin.user_id]
    assert await listed(world, admin, q="love ada") == [ada.id]
    assert await listed(world, admin, q="ARGER") == [zoe.id]
    assert await listed(world, admin, q="ADA@example.org ") == [ada.id]
    assert await listed(world, admin, q="ada@example") == []
    assert await listed(world, admin, q="idp|7") == [zoe.id]
    assert await listed(world, admin, q=str(ada.id)) == [ada.id]
    assert await listed(world, admin, q="%") == []
    assert await listed(world, admin, role=Role.ADMIN) == [admin.user_id]
    assert await listed(world, admin, is_disabled=True) == [zoe.id]
    assert await listed(world, admin, is_disabled=False, role=Role.PARTICIPANT) == []


async def test_counts_equal_those_of_the_rows(world: World) -> None:
    admin = await caller(world)
    for role in (Role.PARTICIPANT, Role.PARTICIPANT, Role.SYSTEM):
        await world.user(role)
    await world.disable(await world.user())

    counts = await world.read(world.services.administration.count_users, admin)

    rows = dict(await world.rows(select(users.c.role, func.count()).group_by(users.c.role)))
    assert {role.value: count for role, count in counts.by_role.items() if count} == rows
    assert (counts.total, counts.disabled) == (5, 1)


async def test_pages_by_cursor_have_every_account_once(world: World) -> None:
    admin = await caller(world)
    made = [admin.user_id, *[(await world.user()).id for _ in range(10)]]
    seen: list[int] = []
    cursor: str | None = None
    while True:
        walk = world.services.paging.walk(admin.user_id, ("users",), cursor=cursor, page=1, limit=4)
        found, total = await world.read(world.services.administration.list_users, admin, UserSearch(), walk)
        seen += [each.user.id for each in found]
        made += [(await world.user()).id] if len(seen) == 4 else []
        assert total in {11, 12}
        if (cursor := walk.next_cursor) is None:
            break

    assert seen == sorted(made, reverse=True)[1:]


async def test_what_administrators_do_is_recorded_with_their_name(world: World) -> None:
    admin, does = await caller(world), world.services.administration
    hashed = await does.hash_password("Some-Password-1")
    new = NewUser(Role.PARTICIPANT, "Ada", "ada@example.org", password_hash=hashed)

    made = await world.write(does.create, admin, new, HERE)
    signed_in = await world.services.sign_in.sign_in(email="ada@example.org", password="Some-Password-1", client=HERE)
    details = await world.read(does.find, admin, made.id)
    (listed_user, *_), _ = await world.read(does.list_users, admin, UserSearch(q="ada"), Walk(10, 1))
    changed = User(made.id, Role.INSTRUCTOR, "Countess", "c@example.org", None, 1, False)
    await world.write(does.change, admin, changed, HERE)
    await world.write(does.set_password, admin, made.id, await does.hash_password("Other-Password-1") or "", HERE)
    await world.write(does.set_disabled, admin, made.id, is_disabled=True, client=HERE)
    await world.write(does.set_disabled, admin, made.id, is_disabled=True, client=HERE)
    await world.write(does.set_disabled, admin, made.id, is_disabled=False, client=HERE)

    assert signed_in.user.id == made.id
    assert [session.expires_at for session in details.sessions] == [signed_in.expires_at]
    assert listed_user.signed_in_at == world.clock.now
    stored = await world.find_user(made.id)
    assert (stored.role, stored.name, stored.email) == (Role.INSTRUCTOR, "Countess", "c@example.org")
    by_admin = str(admin.user_id)
    assert await actions(world) == [
        ("CREATE_USER", by_admin),
        ("LOGIN", str(made.id)),
        *((action, by_admin) for action in ("CHANGE_NAME", "CHANGE_EMAIL", "CHANGE_ROLE", "CHANGE_PASSWORD")),
        *((action, by_admin) for action in ("DISABLE_USER", "ENABLE_USER")),
    ]
    assert (await world.read(does.find, admin, made.id)).sessions == []
    with pytest.raises(Unauthenticated):
        await world.services.sign_in.sign_in(email="c@example.org", password="Some-Password-1", client=HERE)


async def test_what_cannot_be_stored_is_told(world: World) -> None:
    admin, does = await caller(world), world.services.administration
    nobody = await world.user()

    with pytest.raises(Invalid):
        await does.hash_password("weak")
    with pytest.raises(Conflict, match="address"):
        await world.write(does.create, admin, NewUser(Role.ADMIN, "X", password_hash="hash"))
    with pytest.raises(Conflict, match="address"):
        await world.write(does.set_password, admin, nobody.id, "hash")
    with pytest.raises(Conflict, match="belongs to another"):
        await world.write(does.create, admin, NewUser(Role.ADMIN, "X", email="ADMIN@example.org"))
    with pytest.raises(NotFound):
        await world.read(does.find, admin, 999)
    with pytest.raises(NotFound):
        await world.write(does.set_disabled, admin, 999, is_disabled=True)


async def test_nobody_removes_themselves_and_so_the_last_administrator_stays(world: World) -> None:
    admin, does = await caller(world), world.services.administration
    own = await world.find_user(admin.user_id)

    with pytest.raises(Conflict, match="Another administrator"):
        await world.write(does.set_disabled, admin, admin.user_id, is_disabled=True)
    with pytest.raises(Conflict, match="Another administrator"):
        await world.write(does.change, admin, User(own.id, Role.INSTRUCTOR, own.name, own.email, None, 1, False))
    await world.write(does.change, admin, User(own.id, Role.ADMIN, "Root", own.email, None, 1, False))

    assert (await world.find_user(own.id)).name == "Root"


async def test_two_administrators_who_remove_each_other_leave_one(world: World) -> None:
    does = world.services.administration
    for _ in range(5):
        one, two = [Caller((await world.user(Role.ADMIN)).id, Role.ADMIN) for _ in range(2)]

        async def remove(by: Caller, other: Caller) -> HeadwayError | None:
            try:
                await world.write(does.set_disabled, by, other.user_id, is_disabled=True)
            except HeadwayError as error:
                return error
            return None

        ended = await asyncio.gather(remove(one, two), remove(two, one))

        assert sorted(type(each).__name__ for each in ended) == ["Forbidden", "NoneType"]


async def test_an_external_id_belongs_to_one_account(world: World) -> None:
    admin, does = await caller(world), world.services.administration
    taken, other = await world.user(external_id="subject-1"), await world.user()

    with pytest.raises(Conflict) as refused:
        await world.write(does.change, admin, msgspec.structs.replace(other, external_id="subject-1"))
    await world.write(does.change, admin, msgspec.structs.replace(other, external_id="e\u0308"))
    await world.write(does.change, admin, msgspec.structs.replace(taken, external_id="subject-1"))

    assert [(refused.value.kind, each.field) for each in refused.value.fields] == [("EXTERNAL_ID_TAKEN", "external_id")]
    assert (await world.find_user(other.id)).external_id == "\u00eb"
    assert [action for action, _ in await actions(world)] == ["CHANGE_EXTERNAL_ID"]

"""Users named by texts: many at once, and who may find whom by an address."""

import pytest

from headway.accounts.model import User
from headway.accounts.naming import find_user, find_users
from headway.errors import HeadwayError
from headway.identity import Caller, Role
from tests.world import World


async def test_each_of_many_texts_finds_its_user_or_says_why_not(world: World) -> None:
    ada = await world.user(email="Zo\u00eb@example.org", external_id="auth0|zoe\u0301")
    digits = await world.user(external_id=str(ada.id))
    named = {
        f"id:{ada.id}": ada.id,
        "ext:auth0|zo\u00e9": ada.id,
        "auth0|zoe\u0301": ada.id,
        "email:ZOE\u0308@example.org": ada.id,
        f"{digits.id}": digits.id,
        f"ext:{ada.id}": digits.id,
        f"{ada.id}": "AMBIGUOUS_USER",
        "id:999999": "USER_NOT_FOUND",
        "email:nobody@example.org": "USER_NOT_FOUND",
        "email:": "USER_NOT_FOUND",
        "": "USER_NOT_FOUND",
    }

    found = await world.read(find_users, list(named))

    assert {text: each.kind if isinstance(each, HeadwayError) else each.id for text, each in found.items()} == named
    assert await world.read(find_users, []) == {}


@pytest.mark.parametrize(
    ("role", "finds"), [(Role.PARTICIPANT, False), (Role.INSTRUCTOR, False), (Role.ADMIN, True), (Role.SYSTEM, True)]
)
async def test_only_who_sees_all_finds_somebody_else_by_an_address(world: World, role: Role, finds: bool) -> None:
    ada, somebody = await world.user(email="ada@example.org"), await world.user(role, email="own@example.org")

    assert await _find(world, somebody, "email:own@EXAMPLE.org") == somebody.id
    assert await _find(world, somebody, "email:ada@example.org") == (ada.id if finds else None)


async def _find(world: World, user: User, text: str) -> int | None:
    found = await world.read(find_user, Caller(user.id, user.role, email=user.email), text)
    return None if found is None else found.id

"""Making accounts: which names and addresses are taken."""

import asyncio

import pytest

from headway.errors import Conflict, Invalid, Unauthenticated
from headway.identity import Role
from headway.services import Services
from headway.settings import Settings
from tests.world import FakeClock, World


@pytest.mark.parametrize("name", ["A", "n" * 200, " \u00e9 \U0001f600 \\0"])
async def test_a_name_has_1_to_200_characters(world: World, name: str) -> None:
    made = await world.write(world.services.accounts.create, role=Role.PARTICIPANT, name=name)

    assert (await world.find_user(made.id)).name == name


@pytest.mark.parametrize("name", ["", "  ", "n" * 201, "a\0b"], ids=repr)
async def test_a_name_that_cannot_be_kept_is_told(world: World, name: str) -> None:
    with pytest.raises(Invalid) as raised:
        await world.write(world.services.accounts.create, role=Role.PARTICIPANT, name=name)

    assert [error.field for error in raised.value.fields] == ["name"]


@pytest.mark.parametrize(
    "email", ["", "ada", "ada@", "@b.c", "ada@b", "a b@c.d", "a@b@c.d", "a\0@b.c", f"{'a' * 65}@b.c"], ids=repr
)
async def test_an_address_that_is_none_is_told(world: World, email: str) -> None:
    with pytest.raises(Invalid) as raised:
        await world.user(email=email)

    assert [error.field for error in raised.value.fields] == ["email"]


async def test_an_address_belongs_to_one_account_however_it_is_written(world: World) -> None:
    made = await world.user(email="Ada@Example.org ")

    assert (await world.read(world.services.accounts.find_by_email, "ada@EXAMPLE.org")).id == made.id
    with pytest.raises(Conflict):
        await world.user(email="ADA@example.org")


async def test_after_an_idle_hour_none_of_several_callers_goes_by_what_was_known_then(
    world: World, settings: Settings, clock: FakeClock
) -> None:
    there = Services(settings, world.database, clock).accounts
    user = await world.user()
    assert (await there.caller(user.id, user.token_version)).user_id == user.id
    await world.disable(user)

    clock.advance(seconds=3600)
    callers = [there.caller(user.id, user.token_version) for _ in range(5)]
    answers = await asyncio.gather(*callers, return_exceptions=True)

    assert [type(answer) for answer in answers] == [Unauthenticated] * 5


async def test_another_role_ends_tokens_and_another_name_does_not(world: World) -> None:
    accounts = world.services.accounts
    user = await world.user(email="ada@example.org")
    renamed = await world.write(accounts.change, user.id, name="Ada", email="Countess@example.org")
    assert (renamed.name, renamed.email, renamed.token_version) == ("Ada", "countess@example.org", user.token_version)
    assert (await accounts.caller(user.id, user.token_version)).role is Role.PARTICIPANT

    promoted = await world.write(accounts.change, user.id, role=Role.INSTRUCTOR)

    with pytest.raises(Unauthenticated):
        await accounts.caller(user.id, user.token_version)
    assert (await accounts.caller(user.id, promoted.token_version)).role is Role.INSTRUCTOR
    other = await world.user()
    with pytest.raises(Conflict):
        await world.write(accounts.change, other.id, email="countess@example.org")


@pytest.mark.parametrize("external_id", ["", "x" * 501, "a\0b"], ids=len)
async def test_an_external_id_that_no_token_can_have_is_refused(world: World, external_id: str) -> None:
    with pytest.raises(Invalid) as refused:
        await world.user(external_id=external_id)

    assert [each.field for each in refused.value.fields] == ["external_id"]

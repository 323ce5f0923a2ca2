"""Making accounts: which names and addresses are taken."""

import pytest

from headway.domain.accounts import Role
from headway.domain.errors import Conflict, Invalid
from tests.world import World


@pytest.mark.parametrize("name", ["A", "n" * 200, " \u00e9 \U0001f600 \\0"])
async def test_a_name_has_1_to_200_characters(world: World, name: str) -> None:
    made = await world.does.accounts.create(role=Role.PARTICIPANT, name=name)

    assert (await world.does.accounts.find(made.id)).name == name


@pytest.mark.parametrize("name", ["", "  ", "n" * 201, "a\0b"], ids=repr)
async def test_a_name_that_cannot_be_kept_is_told(world: World, name: str) -> None:
    with pytest.raises(Invalid) as raised:
        await world.does.accounts.create(role=Role.PARTICIPANT, name=name)

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

    assert (await world.does.accounts.find_by_email("ada@EXAMPLE.org")).id == made.id
    with pytest.raises(Conflict):
        await world.user(email="ADA@example.org")

"""The people of the tutorials' cases."""

from collections.abc import Mapping, Sequence
from typing import Any

from headway.accounts.model import User
from headway.identity import Role
from tests.contract.scene import Names, Scene, error_message, name_tokens
from tests.world import World

ROUTES = ("reads", "chapters", "quizzes", "completions", "resets")


class Tutorials(Scene):
    """A learner has an external id; `reference` is whom the contract's document names, `lookalike` is named like an id."""

    prefix = "/v1/tutorials/progress"
    tag = "Tutorials"
    route_count = 6
    settings: Mapping[str, Any] = {f"tutorial_{route}_per_minute": 10_000 for route in ROUTES}
    """All requests come in no time; limits have tests of their own."""

    async def make_shared(self, world: World) -> Names:
        people = {
            "admin": await world.user(Role.ADMIN),
            "service": await world.user(Role.SYSTEM),
            "tutor": await world.user(Role.INSTRUCTOR),
            "reference": await world.user(external_id="user-123"),
        }
        people["lookalike"] = await world.user(external_id=str(people["tutor"].id))
        return _name_people(world, people)

    async def make_own(self, world: World, shared: Names, number: int) -> Names:
        people = {"learner": await world.user(external_id=f"learner|{number}"), "classmate": await world.user()}
        return _name_people(world, people)

    def failure(self, error: str | None, invalid: Sequence[str] | None) -> dict[str, Any]:
        return {"error": error_message(error, invalid)}


def _name_people(world: World, people: Mapping[str, User]) -> Names:
    """Name people as the contract does: by their external id if they have one; their ids are `id_of_…`."""
    external = {name: user.external_id or str(user.id) for name, user in people.items()}
    return {**external, **{f"id_of_{name}": str(user.id) for name, user in people.items()}, **name_tokens(world, people)}


SCENE = Tutorials()

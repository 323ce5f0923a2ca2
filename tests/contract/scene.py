"""What differs between the contracts whose case files are run: prefix, settings, people and courses, and envelopes."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from headway.accounts.model import User
from tests.contract.matchers import AnyText
from tests.world import World

Names = dict[str, Any]
"""What case files write as `${name}`."""


class Scene(ABC):
    """The description of one contract for its case files; each contract has one in its `scene.py`."""

    prefix: str
    """The path to which the paths of requests are added."""
    tag: str
    """The tag of the contract's routes in the OpenAPI document."""
    route_count: int
    settings: Mapping[str, Any] = {}
    """Settings of the server that differ from the defaults."""

    @property
    def contract(self) -> str:
        """The name of the contract's folder."""
        return type(self).__module__.split(".")[-2]

    @abstractmethod
    async def make_shared(self, world: World) -> Names:
        """Make the people and courses that all cases share, and name them."""

    @abstractmethod
    async def make_own(self, world: World, shared: Names, number: int) -> Names:
        """Make the people and courses of one case, and name them; `number` differs for each case."""

    def failure(self, error: str | None, invalid: Sequence[str] | None) -> dict[str, Any]:
        """Return the body that `error: …` or `invalid: […]` stands for in an expected response."""
        raise ValueError(f"The case files of {self.contract} do not abbreviate errors: {error or invalid}")

    def expand(self, response: Mapping[str, Any], names: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an expected response with the contract's own abbreviations written out."""
        del names
        return response


def name_tokens(world: World, people: Mapping[str, User]) -> Names:
    """Name the token of each person as `token_of_…`."""
    return {f"token_of_{name}": world.tokens.issue(user) for name, user in people.items()}


def name_people(world: World, people: Mapping[str, User]) -> Names:
    """Name people whose ids are texts: `learner` is an id, beside it are `name_of_learner` and `token_of_learner`."""
    ids = {name: str(user.id) for name, user in people.items()}
    return {**ids, **{f"name_of_{name}": user.name for name, user in people.items()}, **name_tokens(world, people)}


def error_message(error: str | None, invalid: Sequence[str] | None) -> AnyText:
    """Match the message of a contract whose errors have nothing but a message.

    It has the word `error`, or names the fields `invalid` and no others.
    """
    if invalid:
        return AnyText("; ".join(f"{re.escape(field)} [^;]+" for field in invalid))
    return AnyText(rf"(?i).*\b{error}\b.*")

"""The people of the activity log's cases, and its envelopes; what they log stays in the one log that all of them share."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from headway.accounts.model import User
from headway.identity import Role
from tests.contract.case_files import fill
from tests.contract.matchers import AnyObject, AnyText
from tests.contract.scene import Names, Scene, name_people
from tests.world import World

ENTRY_ID = AnyText("[0-9a-f]{24}")
MESSAGES = {200: "Activity retrieved successfully", 201: "Activity created successfully"}


class ActivityLog(Scene):
    """The log knows nothing yet of a case's learner, classmate and guest; the guest has no address."""

    prefix = "/api/v1/activities"
    tag = "Activity log"
    route_count = 3

    async def make_shared(self, world: World) -> Names:
        people = {
            "tutor": await world.user(Role.INSTRUCTOR, email="tutor@school.test"),
            "admin": await world.user(Role.ADMIN, email="admin@school.test"),
            "service": await world.user(Role.SYSTEM),
            "disabled": await world.user(),
        }
        await world.disable(people["disabled"])
        return _name_with_addresses(world, people)

    async def make_own(self, world: World, shared: Names, number: int) -> Names:
        people = {
            "learner": await world.user(email=f"learner-{number}@school.test", external_id=f"outside-{number}"),
            "classmate": await world.user(email=f"classmate-{number}@school.test"),
            "guest": await world.user(),
        }
        return _name_with_addresses(world, people)

    def failure(self, error: str | None, invalid: Sequence[str] | None) -> dict[str, Any]:
        if error is not None:
            return failure(error, AnyText())
        fields = list(invalid or ())
        named = "; ".join(f"{re.escape(field if '.' in field else field[:1].upper() + field[1:])} [^;]+" for field in fields)
        details = [{"field": field, "message": AnyText()} for field in fields] if len(fields) > 1 else None
        return failure("VALIDATION_ERROR", AnyText(named), details)

    def expand(self, response: Mapping[str, Any], names: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write out `entry: {…}`, `entries: [{…}, …]` with its `cursor`, and `numbered: [2, 1]` for kept `made_2`, `made_1`."""
        if "entry" in response:
            entry = _entry(fill(response["entry"], names))
            return {**response, "body": {"ok": True, "data": entry, "message": MESSAGES[response["status"]]}}
        if "entries" in response:
            entries = [_entry(each) for each in fill(response["entries"], names)]
            return {**response, "body": _page(entries, response.get("cursor"))}
        if "numbered" in response:
            numbers = fill(response["numbered"], names)
            return {**response, "body": _page([AnyObject(_id=names[f"made_{number}"]) for number in numbers])}
        return response


def _name_with_addresses(world: World, people: Mapping[str, User]) -> Names:
    addresses = {f"email_of_{name}": user.email for name, user in people.items()}
    outside_ids = {f"outside_id_of_{name}": user.external_id for name, user in people.items()}
    return {**name_people(world, people), **addresses, **outside_ids}


def failure(code: str, message: Any, details: Any = None, **more: Any) -> dict[str, Any]:
    """Return the envelope of an error."""
    return {"ok": False, "error": {"code": code, "message": message, "details": details, **more}}


def _page(entries: list[Any], cursor: str | None = None) -> dict[str, Any]:
    return {"ok": True, "data": entries, "nextCursor": cursor, "message": "Activities retrieved successfully"}


def _entry(differences: dict[str, Any]) -> dict[str, Any]:
    """Return an entry by the learner, now, of something that is not named, but for what differs."""
    at = differences.get("performedAt", "${now}")
    whole: dict[str, Any] = {
        "_id": ENTRY_ID,
        "action": "ACT",
        "actor": {
            "userId": "${learner}",
            "name": "${name_of_learner}",
            "email": "${email_of_learner}",
            "role": "PARTICIPANT",
        },
        "target": {"type": "OTHER", "id": None, "model": None, "name": None},
        "context": {"description": None, "source": None, "additionalInfo": {}},
        "metadata": {},
        "status": "SUCCESS",
        "performedAt": at,
        "ipAddress": "127.0.0.1",
        "userAgent": AnyText("python-httpx/.+"),
        "createdAt": at,
        "updatedAt": at,
        "recordedBy": {"userId": "${learner}", "role": "PARTICIPANT"},
        "actorVerified": True,
    }
    assert differences.keys() <= whole.keys()
    parts = ("actor", "target", "context", "recordedBy")
    return {**whole, **differences, **{name: {**whole[name], **differences.get(name, {})} for name in parts}}


SCENE = ActivityLog()

"""Whom and what the events of a log are of here: accounts, courses and units, found by their names in the log."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from headway.accounts import store as users
from headway.accounts.model import NewUser, User, is_email
from headway.courses.external_store import resolve_courses
from headway.courses.structure import CourseStructure
from headway.db.database import ReadTransaction, WriteTransaction
from headway.errors import Conflict, Invalid
from headway.identity import Role, settle_email
from headway.importers.log_model import LogEvent, Reason, Refusal, UserName
from headway.services import Services
from headway.text import nfc

_ID = re.compile(r"id:([1-9][0-9]{0,14})")
_MAX_NAME = 100


class Target(NamedTuple):
    """Where an event is recorded. `is_whole` says whether the unit is what the event is of, not only what that is in."""

    user: User
    course_id: int
    unit_id: int | None
    is_whole: bool


class KnownCourse(NamedTuple):
    """A course that a log names."""

    id: int
    structure: CourseStructure


class _Place(NamedTuple):
    course_id: int
    unit_id: int | None
    is_whole: bool


class Targets:
    """The accounts, courses and units of some events. Looking them up takes as many statements for many events as for one."""

    def __init__(self, services: Services, *, needs_no_units: bool) -> None:
        self._services = services
        self._needs_no_units = needs_no_units

    async def find_courses(self, tx: ReadTransaction, events: Iterable[LogEvent]) -> dict[str, KnownCourse]:
        """Return the courses of events, by the names that they have in the log."""
        names = {name for event in events for name in event.courses}
        ids = await resolve_courses(tx, names)
        ids |= {name: int(match[1]) for name in names if (match := _ID.fullmatch(name)) is not None}
        structures = await self._services.structures.get(tx, set(ids.values()), {})
        return {name: KnownCourse(each, structures[each]) for name, each in ids.items() if each in structures}

    async def find(
        self, tx: ReadTransaction, events: Sequence[LogEvent], courses: Mapping[str, KnownCourse]
    ) -> list[Target | Refusal]:
        """Return where each event is recorded, or why it is not."""
        places = [self._place(event, courses) for event in events]
        placed = {event.user for event, place in zip(events, places, strict=True) if isinstance(place, _Place)}
        users = await _find_accounts(tx, placed)
        return [
            place if isinstance(place, Refusal) else _target(event, users[event.user], place)
            for event, place in zip(events, places, strict=True)
        ]

    async def create_accounts(
        self, tx: WriteTransaction, events: Sequence[LogEvent], courses: Mapping[str, KnownCourse]
    ) -> list[User]:
        """Make an account for each learner of a known unit or course who has none, and return the accounts."""
        placed = {event.user for event in events if isinstance(self._place(event, courses), _Place)}
        created: dict[str, User] = {}
        # In their order, so that two imports of new learners do not wait for each other.
        for name, found in sorted((await _find_accounts(tx, placed)).items(), key=lambda each: each[0].external_ids):
            # A learner may be named in two ways in one log.
            if found is not Reason.UNKNOWN_USER or not name.external_ids or name.external_ids[0] in created:
                continue
            external_id = name.external_ids[0]
            email = name.email if name.email is not None and is_email(name.email) else None
            new = NewUser(Role.PARTICIPANT, (name.full_name or external_id)[:_MAX_NAME], email, external_id)
            with suppress(Conflict, Invalid):
                created[external_id] = await self._services.accounts.add(tx, new)
        return list(created.values())

    def _place(self, event: LogEvent, courses: Mapping[str, KnownCourse]) -> _Place | Refusal:
        course = next((courses[name] for name in event.courses if name in courses), None)
        if course is None:
            return Refusal(event.type, Reason.UNKNOWN_COURSE, event.courses[0])
        for place in event.places:
            if (unit_id := _find_unit(course.structure, place.external_id)) is not None:
                return _Place(course.id, unit_id, place.is_whole)
        if event.needs_unit and not self._needs_no_units:
            return Refusal(event.type, Reason.UNKNOWN_UNIT, event.places[0].external_id if event.places else "")
        return _Place(course.id, None, is_whole=not event.places)


def _find_unit(course: CourseStructure, name: str) -> int | None:
    """Return the unit of that name; None if there is none, or several that are not retired."""
    found = [course.units[unit_id] for unit_id in course.unit_names.get(name, ())]
    found = [unit for unit in found if not unit.is_retired] or found
    return found[0].id if len(found) == 1 else None


async def _find_accounts(tx: ReadTransaction, names: Collection[UserName]) -> dict[UserName, User | Reason]:
    """Return the account that has the first of the external ids of a name that one has, or else the address."""
    texts_of = {name: [nfc(text) for text in name.external_ids] for name in names}
    known = await users.find_by_external_ids(tx, {text for texts in texts_of.values() for text in texts})
    found = {name: next((known[text] for text in texts if text in known), None) for name, texts in texts_of.items()}
    addresses = {name: settle_email(name.email) for name, user in found.items() if user is None and name.email}
    by_email = await users.find_by_emails(tx, sorted(set(addresses.values()))) if addresses else {}
    found |= {name: by_email.get(address) for name, address in addresses.items()}
    return {name: Reason.UNKNOWN_USER if user is None else user for name, user in found.items()}


def _target(event: LogEvent, user: User | Reason, place: _Place) -> Target | Refusal:
    if isinstance(user, Reason):
        name = event.user.external_ids[0] if event.user.external_ids else event.user.email or ""
        return Refusal(event.type, user, name)
    return Target(user, *place)

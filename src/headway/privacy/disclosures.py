"""The disclosure log as it is read: by each learner their own part, by administrators all of it."""

from collections.abc import Sequence
from typing import NamedTuple

from headway.accounts import store as users
from headway.accounts.administration import require_admin
from headway.db.database import ReadTransaction
from headway.db.personal import AT_ONCE, Part, Person, Place, Record, day_of
from headway.disclosures import store
from headway.disclosures.model import EVERYBODY, NO_COURSE, Disclosure, DisclosureFilter
from headway.enrollments import lists_store as enrollment_lists
from headway.identity import NOBODY, Caller
from headway.instants import DAY, Instant, iso
from headway.paging.service import Slice, Walk
from headway.rosters.store import read_titles

_MOST_COURSES = 10_000
"""So many of a learner's courses are looked at, the newest ones."""


class DisclosuresOfCourses:
    """What an export tells of disclosures of everybody's records: in a person's courses, and of the whole installation."""

    name = "disclosures-of-courses"
    tables = ()
    is_of_staff = False
    people = ("reader",)

    async def read(self, tx: ReadTransaction, person: Person, place: Place | None) -> Part:
        """Read the newest, or those before a place."""
        courses = await _courses_of(tx, person.id)
        found = await store.list_of_courses(tx, courses, DisclosureFilter(), after=place, limit=AT_ONCE)
        following = found[-1].id if len(found) == AT_ONCE else None
        return Part([_record(each) for each in found], following)


def _record(row: Disclosure) -> Record:
    shown = row.disclosed
    return {
        "day": day_of(row.first_at // DAY),
        "readerId": shown.reader_id,
        "courseId": shown.course_id,
        "kind": shown.kind.value,
        "channel": shown.channel.value,
        "keyId": shown.key_id,
        "role": shown.role.value,
        "firstAt": iso(row.first_at),
        "lastAt": iso(row.last_at),
        "times": row.times,
    }


class NamedDisclosure(NamedTuple):
    """A disclosure with the names of those whom it concerns; None for an operator, for everybody, and for no course."""

    disclosure: Disclosure
    reader: str | None
    learner: str | None
    course: str | None


class Disclosures:
    """Reads the log. `DisclosureLog` writes it."""

    async def list_own(self, tx: ReadTransaction, caller: Caller, walk: Walk) -> tuple[list[NamedDisclosure], int]:
        """List who was shown the caller's records, the newest first, and how many rows there are.

        Among them are the disclosures of everybody's records: of a course since the caller is in it, and of all courses.
        Raises Invalid naming `cursor`.
        """
        return await _list(tx, DisclosureFilter(learner_id=caller.user_id), walk)

    async def list_for(
        self, tx: ReadTransaction, caller: Caller, chosen: DisclosureFilter, walk: Walk
    ) -> tuple[list[NamedDisclosure], int]:
        """List what was shown to whom, the newest first, and how many rows there are: for administrators.

        Of a learner, those of everybody's records are among them, as for `list_own`. Raises Forbidden, Invalid naming `cursor`.
        """
        await require_admin(tx, caller)
        return await _list(tx, chosen, walk)


async def _list(tx: ReadTransaction, chosen: DisclosureFilter, walk: Walk) -> tuple[list[NamedDisclosure], int]:
    part = walk.slice
    # The newest of both lists are among the newest of each.
    limit = part.offset + part.limit
    found = await store.list_page(tx, chosen, after=part.after, limit=limit)
    total = await store.count(tx, chosen)
    if chosen.learner_id is not None and chosen.learner_id != EVERYBODY:
        courses = await _courses_of(tx, chosen.learner_id)
        found += await store.list_of_courses(tx, courses, chosen, after=part.after, limit=limit)
        total += await store.count_of_courses(tx, courses, chosen)
        found.sort(key=_id_of, reverse=True)
    return await _with_names(tx, walk.cut(found[part.offset : limit], _id_of)), total


def _id_of(disclosure: Disclosure) -> str:
    return disclosure.id


async def _courses_of(tx: ReadTransaction, user_id: int) -> list[tuple[int, Instant]]:
    """Return the courses of a learner with the time since when, and no course since the account exists."""
    enrolled = await enrollment_lists.list_of_user(tx, user_id, Slice(_MOST_COURSES))
    account = await users.find_account(tx, user_id)
    # Who left and came back was in the course before, too.
    courses = [(each.course_id, min(each.enrolled_at, each.created_at)) for each, _ in enrolled]
    return courses if account is None else [*courses, (NO_COURSE, account.created_at)]


async def _with_names(tx: ReadTransaction, found: Sequence[Disclosure]) -> list[NamedDisclosure]:
    shown = [each.disclosed for each in found]
    user_ids = {each.reader_id for each in shown} | {each.learner_id for each in shown}
    names = await enrollment_lists.read_names(tx, sorted(user_ids - {NOBODY}))
    titles = await read_titles(tx, {each.course_id for each in shown} - {NO_COURSE})
    return [
        NamedDisclosure(row, names.get(each.reader_id), names.get(each.learner_id), titles.get(each.course_id))
        for row, each in zip(found, shown, strict=True)
    ]

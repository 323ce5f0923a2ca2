"""Imports rosters: people get accounts, courses are made and changed, learners enrolled, teachers appointed; others leave."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator

from headway.accounts import store as users
from headway.audit.model import Action, Target, TargetType
from headway.db.database import ReadTransaction
from headway.errors import Forbidden
from headway.rosters import store as rosters
from headway.rosters.classes import BringCourses
from headway.rosters.inviting import InviteStrangers
from headway.rosters.leaving import MISSING, LetLeave, LetMissingLeave
from headway.rosters.model import (
    Mode,
    Options,
    Report,
    RosterPlace,
    RosterSource,
    check_rows,
    drops_too_many,
)
from headway.rosters.people import BringPeople
from headway.rosters.places import FillCourses
from headway.rosters.run import AT_ONCE, Advance, Item, Rooms, Run, Step, some, take
from headway.rosters.store import Placed
from headway.text import nfc

_SORTED_AT_ONCE = 100_000
"""How many rows of people in courses are sorted by course: they take 20 MB."""
_NO_PLACE = (0, 0)


class Rosters:
    """Imports rosters, a few hundred rows in a transaction. After an interruption a repetition completes the import."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def run(self, roster: RosterSource, options: Options, advance: Advance = lambda _rows: None) -> Report:
        """Import a roster, or with a dry run tell what that would change, as an administrator, a service or an operator.

        A repetition of the same roster changes nothing. Raises Forbidden; Invalid for a roster of too many rows, or where a
        file turns out to be damaged.
        """
        if options.caller is not None and not options.caller.role.sees_all:
            raise Forbidden("Only administrators and services import rosters.")
        check_rows(roster.overview.rows, options.max_rows)
        run = Run(self._rooms, roster.overview, options)
        report = run.report
        await _steps(BringPeople, run, roster.users(report), advance)
        await _steps(BringCourses, run, roster.courses(report), advance)
        over: list[RosterPlace] = []
        strangers: list[RosterPlace] = []
        # Course by course, as they are stored.
        for each in some(_active(run, roster.places(report), over, strangers), _SORTED_AT_ONCE):
            each.sort(key=lambda place: place.course)
            await _steps(FillCourses, run, each, advance)
        await _steps(LetLeave, run, over, advance)
        await _steps(InviteStrangers, run, strangers, advance)
        await self._let_missing_leave(run)
        if report.has_changes and not options.is_dry_run:
            await self._record(run)
        return report

    async def _let_missing_leave(self, run: Run) -> None:
        """Drop those whom earlier rosters brought and this one does not have, unless it may be a fault of the file."""
        overview, report = run.overview, run.report
        is_bulk = overview.mode is Mode.BULK and overview.is_complete
        if overview.mode is Mode.BULK and not overview.is_complete:
            report.refuse(MISSING, "some rows cannot be read, so nobody is missing for certain: nobody left for being missing")
        async with self._rooms.database.read() as tx:
            gone_users = await self._find_users(tx, overview.gone_users)
            known = await rosters.find_courses(tx, {nfc(each) for each in overview.gone_courses})
            placed = await rosters.count_places(tx, overview.source) + run.noted
        gone_courses = {course.id for course in known.values()}
        if not is_bulk and not gone_users and not gone_courses:
            return
        in_courses = None if overview.brings_courses else set(run.course_ids.values())

        def leaves(each: Placed) -> bool:
            if each in run.seen or each in run.left:
                return False
            is_missing = is_bulk and (in_courses is None or each.course_id in in_courses)
            return is_missing or each.user_id in gone_users or each.course_id in gone_courses

        missing = 0
        async for page in self._pages(overview.source):
            missing += sum(leaves(each) for each in page)
        if drops_too_many(missing, placed) and not run.options.allows_drops:
            message = f"{missing} of the {placed} people whom this source brought would leave: say that this is right"
            report.refuse(MISSING, message)
            return
        async for page in self._pages(overview.source):
            leaving = [each for each in page if leaves(each)]
            if leaving:
                await take(LetMissingLeave, run, leaving)

    async def _pages(self, source: str) -> AsyncIterator[list[Placed]]:
        after = _NO_PLACE
        while True:
            async with self._rooms.database.read() as tx:
                page = await rosters.list_places(tx, source, after=after, limit=AT_ONCE)
            if not page:
                return
            after = (page[-1].course_id, page[-1].user_id)
            yield page

    @staticmethod
    async def _find_users(tx: ReadTransaction, keys: Iterable[str]) -> set[int]:
        found: set[int] = set()
        for names in some(sorted(keys)):
            found |= {user.id for user in (await users.find_by_external_ids(tx, {nfc(each) for each in names})).values()}
        return found

    async def _record(self, run: Run) -> None:
        """Record the import, beside the entries of all that it changed."""
        report, options = run.report, run.options
        metadata = {"source": report.source, "mode": report.mode.value, "rows": report.rows, "counts": report.counts}
        target = Target(TargetType.SYSTEM, name="roster")
        async with self._rooms.database.write() as tx:
            await self._rooms.audit.record_for(
                tx, Action.IMPORT_DATA, options.caller, target, metadata=metadata, client=options.client
            )


async def _steps(kind: type[Step[Item]], run: Run, items: Iterable[Item], advance: Advance) -> None:
    for each in some(items):
        await take(kind, run, each)
        advance(len(each))
        # On SQLite reading does not wait, so others get their turn here.
        await asyncio.sleep(0)


def _active(
    run: Run, places: Iterable[RosterPlace], over: list[RosterPlace], strangers: list[RosterPlace]
) -> Iterator[RosterPlace]:
    """Yield the places of accounts that are not over, and keep the others for later.

    Another row may say that somebody stays of whom one says that the place is over. Strangers are invited.
    """
    for each in places:
        if not each.is_active:
            over.append(each)
        elif each.user in run.strangers:
            strangers.append(each)
        else:
            yield each

"""Who learns and who teaches in which course, as a roster says."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from headway.accounts import store as users
from headway.courses import staff_store
from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments import store as enrollments
from headway.enrollments.enrolling_model import Wanted
from headway.enrollments.seating import NO_SEAT, Waiting
from headway.errors import HeadwayError, shown
from headway.identity import CourseRole
from headway.rosters import store as rosters
from headway.rosters.model import Change, Did, Line, Part, RosterPlace, describe
from headway.rosters.run import Item, Step, grouped
from headway.rosters.store import Placed
from headway.text import nfc

KINDS = {Part.LEARNER: "enrollment", Part.TEACHER: "staff"}


class PlacedRow(NamedTuple):
    """Somebody in a course, with the name in the roster and the line."""

    placed: Placed
    name: str
    line: Line


class PlacesStep(Step[Item]):
    """Changes who is in which course."""

    def change(self, row: PlacedRow, did: Did) -> Change:
        """Return the change of somebody's place in a course."""
        user_id, course_id, part = row.placed
        return Change(
            KINDS[part],
            did,
            row.name,
            user_id=user_id if user_id > 0 else None,
            course_id=course_id if course_id > 0 else None,
            course=self.run.titles.get(course_id),
        )


class NamedPlaces(PlacesStep[RosterPlace]):
    """Finds the accounts and the courses that rows of people in courses name."""

    async def resolve(self, tx: ReadTransaction, items: Sequence[RosterPlace]) -> list[tuple[PlacedRow, RosterPlace]]:
        """Return what rows are about, each person in a course once; refuse those that name nobody, or no course."""
        run = self.run
        brings_courses = run.overview.brings_courses
        unknown = {nfc(each.user) for each in items if each.user not in run.user_ids}
        accounts = await users.find_by_external_ids(tx, unknown) if brings_courses else {}
        names = {nfc(each.course) for each in items if each.course not in run.course_ids}
        found = await rosters.find_courses(tx, names, by_any_name=not brings_courses)
        run.course_ids |= {each.course: found[name].id for each in items if (name := nfc(each.course)) in found}
        run.titles |= {course.id: course.title for course in found.values()}
        rows: dict[Placed, tuple[PlacedRow, RosterPlace]] = {}
        for each in items:
            account = accounts.get(nfc(each.user))
            if account is not None and account.is_disabled:
                run.disabled.add(account.id)
            user_id = run.user_ids.get(each.user, None if account is None else account.id)
            course_id = run.course_ids.get(each.course)
            if user_id is None:
                self.draft.refuse(each.line, f"{shown(each.user)} has no account that this roster could find or create")
            elif course_id is None:
                self.draft.refuse(each.line, f"there is no course {shown(each.course)}")
            else:
                placed = Placed(user_id, course_id, each.part)
                rows.setdefault(placed, (PlacedRow(placed, each.user, each.line), each))
        return list(rows.values())

    def groups(self) -> Iterable[Sequence[RosterPlace]]:
        """Return the learners of each course together, and each teacher alone: courses are locked, and then the log."""
        return grouped(self.work, lambda each: (each.course, each.user if each.part is Part.TEACHER else None))


class FillCourses(NamedPlaces):
    """Enrolls learners and appoints teachers."""

    async def compare(self, tx: ReadTransaction, items: Sequence[RosterPlace]) -> None:
        """Find out who is where already."""
        run = self.run
        rows = [row for row in await self.resolve(tx, items) if not self.is_first or row[0].placed not in run.seen]
        self._seen = {row.placed for row, _ in rows}
        keys = sorted({(each.user_id, each.course_id) for each in self._seen})
        stored = await enrollments.find_many(tx, keys) if keys else {}
        teaching = {(each.user_id, each.course_id) for each in await staff_store.find_among(tx, keys)} if keys else set()
        teaching |= run.owners
        known = await rosters.find_among(tx, run.overview.source, self._seen)
        self._missing: list[PlacedRow] = []
        self._unnoted: list[Placed] = []
        for row, item in rows:
            key = (row.placed.user_id, row.placed.course_id)
            found = stored.get(key)
            is_there = key in teaching if row.placed.part is Part.TEACHER else run.foresight.is_open(key, found)
            if not is_there and row.placed.user_id in run.disabled:
                self.draft.refuse(row.line, f"the account of {shown(row.name)} is disabled")
            elif not is_there:
                self._missing.append(row)
                self.work.append(item)
            elif row.placed not in known:
                self._unnoted.append(row.placed)
                self.work.append(item)
            else:
                self.draft.keep(KINDS[row.placed.part])

    async def store(self, tx: WriteTransaction) -> None:
        """Enroll and appoint, and note whom the roster has placed."""
        placed = list(self._unnoted)
        self._keep_unnoted()
        learners = [row for row in self._missing if row.placed.part is Part.LEARNER]
        for row in [*await self._enroll(tx, learners), *await self._appoint(tx)]:
            placed.append(row.placed)
            self.draft.add(self.change(row, Did.CREATED))
        await rosters.insert_places(tx, self.run.overview.source, placed, self.run.now)

    async def foresee(self, tx: ReadTransaction) -> None:
        """Report who would be enrolled and appointed."""
        self._keep_unnoted()
        run, refused = self.run, dict[int, HeadwayError]()
        ids, planned = {row.placed.user_id for row in self._missing}, run.foresight.users
        accounts = await users.find_by_ids(tx, ids) | {each: planned[each] for each in ids if each in planned}
        learners = [row for row in self._missing if row.placed.part is Part.LEARNER]
        if learners:
            who = [accounts[row.placed.user_id] for row in learners]
            try:
                refused = await run.foresight.enroll(tx, learners[0].placed.course_id, who)
            except HeadwayError as error:
                refused = {user.id: error for user in who}
        for row in [*learners, *(row for row in self._missing if row.placed.part is Part.TEACHER)]:
            user_id, course_id, part = row.placed
            try:
                if part is Part.TEACHER:
                    await run.foresight.appoint(tx, course_id, accounts[user_id])
                elif user_id in refused:
                    raise refused[user_id]
            except HeadwayError as error:
                self.draft.refuse(row.line, describe(error))
            else:
                run.noted += 1
                self.draft.add(self.change(row, Did.CREATED))
        run.noted += len(self._unnoted)

    def note(self) -> None:
        """Pass to the run whom the roster has where."""
        self.run.seen |= self._seen

    def _keep_unnoted(self) -> None:
        for each in self._unnoted:
            self.draft.keep(KINDS[each.part])

    async def _enroll(self, tx: WriteTransaction, rows: Sequence[PlacedRow]) -> list[PlacedRow]:
        """Enroll learners of one course; return those who are enrolled now."""
        if not rows:
            return []
        options, enrolled = self.run.options, []
        items = [Wanted(f"id:{row.placed.user_id}", may_invite=False) for row in rows]
        try:
            verdicts = await self.run.rooms.enrolling.enroll(
                tx, options.caller, rows[0].placed.course_id, items, client=options.client
            )
        except HeadwayError as error:
            for row in rows:
                self.draft.refuse(row.line, describe(error))
            return []
        for row, verdict in zip(rows, verdicts, strict=True):
            if verdict.error is not None:
                self.draft.refuse(row.line, describe(verdict.error))
            elif isinstance(verdict.place, Waiting):
                # Whoever waits already goes on waiting.
                self.draft.refuse(row.line, describe(NO_SEAT.error))
            else:
                enrolled.append(row)
        return enrolled

    async def _appoint(self, tx: WriteTransaction) -> list[PlacedRow]:
        options, staff, appointed = self.run.options, self.run.rooms.course_staff, list[PlacedRow]()
        for row in self._missing:
            user_id, course_id, part = row.placed
            if part is Part.TEACHER:
                try:
                    await staff.set_role(tx, options.caller, course_id, user_id, CourseRole.INSTRUCTOR, client=options.client)
                except HeadwayError as error:
                    self.draft.refuse(row.line, describe(error))
                else:
                    appointed.append(row)
        return appointed

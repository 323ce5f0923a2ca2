"""Who leaves a course, because a roster says so or because somebody is missing in it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from headway.accounts import store as users
from headway.audit.model import Act, Action, enrollment_target, learner_in_course
from headway.courses import staff_store
from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments import store as enrollments
from headway.errors import HeadwayError, shown
from headway.rosters import store as rosters
from headway.rosters.model import Did, Line, Part, RosterPlace, describe
from headway.rosters.places import NamedPlaces, PlacedRow, PlacesStep
from headway.rosters.run import Item, grouped
from headway.rosters.store import Placed

MISSING = Line("enrollments", 0)
"""Where those stand who are missing."""


class LeavingStep(PlacesStep[Item]):
    """Drops enrollments and removes members of staff. What was earned stays, and so does the last owner of a course."""

    _leaving: dict[Placed, PlacedRow]
    _gone: list[Placed]
    """Who left before, without the roster."""

    async def find_leaving(self, tx: ReadTransaction, rows: Sequence[tuple[PlacedRow, Item]]) -> None:
        """Find out who of these is still there, and can leave: whoever has a certificate stays."""
        keys = sorted({(row.placed.user_id, row.placed.course_id) for row, _ in rows})
        stored = await enrollments.find_many(tx, keys) if keys else {}
        teaching = {(each.user_id, each.course_id) for each in await staff_store.find_among(tx, keys)} if keys else set()
        teaching |= self.run.owners
        known = await rosters.find_among(tx, self.run.overview.source, [row.placed for row, _ in rows])
        self._leaving, self._gone = {}, []
        for row, item in rows:
            key = (row.placed.user_id, row.placed.course_id)
            can_leave = self.run.foresight.can_leave(key, stored.get(key))
            if key in teaching if row.placed.part is Part.TEACHER else can_leave:
                self._leaving[row.placed] = row
                self.work.append(item)
            elif row.placed in known:
                self._gone.append(row.placed)
                self.work.append(item)

    async def store(self, tx: WriteTransaction) -> None:
        """Drop and remove them, and note that the roster has them no more."""
        left = [*await self._drop(tx), *await self._remove(tx), *self._gone]
        await rosters.delete_places(tx, self.run.overview.source, left)

    async def foresee(self, tx: ReadTransaction) -> None:
        """Report who would leave."""
        foresight = self.run.foresight
        self.run.noted -= len(self._gone)
        for course_id, user_ids in self._learners():
            for user_id in await foresight.drop(tx, course_id, user_ids):
                self.draft.add(self.change(self._leaving[Placed(user_id, course_id, Part.LEARNER)], Did.DROPPED))
            self.run.noted -= len(user_ids)
        for placed, row in sorted(self._leaving.items()):
            if placed.part is Part.TEACHER:
                try:
                    await foresight.remove_member(tx, placed.course_id, placed.user_id)
                except HeadwayError as error:
                    self._refuse(row, error)
                else:
                    self.run.noted -= 1
                    self.draft.add(self.change(row, Did.DROPPED))

    def _learners(self) -> list[tuple[int, list[int]]]:
        """Return the learners who leave, by course."""
        learners = defaultdict[int, list[int]](list)
        for placed in sorted(self._leaving):
            if placed.part is Part.LEARNER:
                learners[placed.course_id].append(placed.user_id)
        return sorted(learners.items())

    def _refuse(self, row: PlacedRow, error: HeadwayError) -> None:
        self.draft.refuse(row.line, f"{shown(row.name)} stays in the staff of the course: {describe(error)}")

    async def _drop(self, tx: WriteTransaction) -> list[Placed]:
        left: list[Placed] = []
        for course_id, user_ids in self._learners():
            for user_id, before in (await self.run.rooms.enrollments.drop_all(tx, course_id, user_ids)).items():
                metadata = learner_in_course(course_id, user_id) | {"from": before.value, "to": "DROPPED"}
                self.acts.append(Act(Action.CHANGE_ENROLLMENT, enrollment_target(course_id, user_id), metadata))
                self.draft.add(self.change(self._leaving[Placed(user_id, course_id, Part.LEARNER)], Did.DROPPED))
            left += [Placed(user_id, course_id, Part.LEARNER) for user_id in user_ids]
        return left

    async def _remove(self, tx: WriteTransaction) -> list[Placed]:
        options, staff, left = self.run.options, self.run.rooms.course_staff, list[Placed]()
        for placed, row in sorted(self._leaving.items()):
            if placed.part is Part.TEACHER:
                try:
                    await staff.remove(tx, options.caller, placed.course_id, placed.user_id, client=options.client)
                except HeadwayError as error:
                    self._refuse(row, error)
                else:
                    left.append(placed)
                    self.draft.add(self.change(row, Did.DROPPED))
        return left


class LetLeave(LeavingStep[RosterPlace], NamedPlaces):
    """Lets those leave of whom a row says that they do."""

    async def compare(self, tx: ReadTransaction, items: Sequence[RosterPlace]) -> None:
        """Find out who of them is still there. Another row may say that somebody stays."""
        await self.find_leaving(tx, [row for row in await self.resolve(tx, items) if row[0].placed not in self.run.seen])

    def note(self) -> None:
        """Pass to the run who leaves, so that a dry run does not find them missing too."""
        self.run.left |= self._leaving.keys()
        self.run.left |= set(self._gone)


class LetMissingLeave(LeavingStep[Placed]):
    """Lets those leave whom earlier rosters brought, and this one does not have."""

    async def compare(self, tx: ReadTransaction, items: Sequence[Placed]) -> None:
        """Find out who of them is still there."""
        people = await users.find_by_ids(tx, {each.user_id for each in items})
        unnamed = {each.course_id for each in items} - self.run.titles.keys()
        self.run.titles |= await rosters.read_titles(tx, unnamed)
        names = {user.id: user.external_id or user.email or user.name for user in people.values()}
        await self.find_leaving(tx, [(PlacedRow(each, names.get(each.user_id, ""), MISSING), each) for each in items])

    def groups(self) -> Iterable[Sequence[Placed]]:
        """Return the learners of each course together, and each teacher alone."""
        return grouped(self.work, lambda each: (each.course_id, each.user_id if each.part is Part.TEACHER else None))

    def note(self) -> None:
        """Do nothing: those who left are of no further use."""

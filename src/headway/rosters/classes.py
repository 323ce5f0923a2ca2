"""The courses of a roster, which it creates and changes."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import msgspec

from headway.accounts import store as users
from headway.courses import store as catalogue
from headway.courses.model import CourseTree, NewCourse
from headway.courses.validation import check_course
from headway.db.database import ReadTransaction, WriteTransaction
from headway.errors import HeadwayError, Invalid
from headway.instants import iso
from headway.learning.course_editing import check_owner
from headway.rosters import store as rosters
from headway.rosters.model import Change, Did, KnownCourse, RosterCourse, course_changes, describe
from headway.rosters.run import Step
from headway.text import nfc

_NO_OWNER = "has no teacher who could own the course: add one, or name an owner for courses without"


class BringCourses(Step[RosterCourse]):
    """Finds courses by external id; creates and changes them.

    A new course is published and closed to those who would enroll by themselves: who is in it, the roster says. It belongs to
    its first teacher.
    """

    _new: list[tuple[RosterCourse, NewCourse, int]]
    _changed: list[tuple[RosterCourse, KnownCourse, Mapping[str, tuple[object, object]]]]

    async def compare(self, tx: ReadTransaction, items: Sequence[RosterCourse]) -> None:
        """Find the courses, and what the roster changes of them."""
        self._new, self._changed = [], []
        self._ids: dict[str, int] = {}
        self._titles: dict[int, str] = {}
        self._owners: set[tuple[int, int]] = set()
        courses = [msgspec.structs.replace(each, title=nfc(each.title)) for each in items]
        known = await rosters.find_courses(tx, {nfc(each.key) for each in courses})
        for each in courses:
            try:
                self._decide(each, known.get(nfc(each.key)))
            except HeadwayError as error:
                self.draft.refuse(each.line, describe(error))

    def groups(self) -> Iterable[Sequence[RosterCourse]]:
        """Return each course alone: each is locked, and then the log."""
        return [[each] for each in self.work]

    async def store(self, tx: WriteTransaction) -> None:
        """Create and change courses."""
        options, editing = self.run.options, self.run.rooms.course_editing
        for wanted, new, owner_id in self._new:
            try:
                made = await editing.create(tx, new, owner_id=owner_id, caller=options.caller, client=options.client)
            except HeadwayError as error:
                self.draft.refuse(wanted.line, describe(error))
                continue
            self._learn(wanted, made.id)
            self._owners.add((owner_id, made.id))
            self.draft.add(Change("course", Did.CREATED, wanted.title, wanted.key, course_id=made.id))
        for wanted, stored, fields in self._changed:
            try:
                await editing.change(tx, options.caller, stored.id, partial(_edited, fields), client=options.client)
            except HeadwayError as error:
                self.draft.refuse(wanted.line, describe(error))
            else:
                self.draft.add(_changed(wanted, stored, fields))

    async def foresee(self, tx: ReadTransaction) -> None:
        """Report the courses that would be created and changed."""
        run = self.run
        for wanted, _, owner_id in self._new:
            try:
                owner = check_owner(owner_id, run.foresight.users.get(owner_id) or await users.find(tx, owner_id))
            except HeadwayError as error:
                self.draft.refuse(wanted.line, describe(error))
                continue
            course_id = run.next_id()
            self._learn(wanted, course_id)
            self._owners.add((owner_id, course_id))
            run.foresight.add_course(course_id, wanted.title, owner)
            self.draft.add(Change("course", Did.CREATED, wanted.title, wanted.key))
        for wanted, stored, fields in self._changed:
            tree = await catalogue.tree(tx, stored.id)
            try:
                changed = _edited(fields, tree)
                run.rooms.course_editing.check_change(tree, changed)
            except HeadwayError as error:
                self.draft.refuse(wanted.line, describe(error))
            else:
                await run.foresight.end_course(tx, stored.id, changed.ends_at)
                self.draft.add(_changed(wanted, stored, fields))

    def note(self) -> None:
        """Pass the courses to the run."""
        self.run.course_ids |= self._ids
        self.run.titles |= self._titles
        self.run.owners |= self._owners

    def _decide(self, wanted: RosterCourse, stored: KnownCourse | None) -> None:
        run = self.run
        if self.is_first and wanted.key in run.classes:
            raise Invalid.field("sourcedId", "is in the file twice")
        run.classes.add(wanted.key)
        source = run.overview.source
        if stored is None:
            new = NewCourse(
                title=wanted.title,
                external_id=nfc(wanted.key),
                source=source,
                starts_at=wanted.starts_at,
                ends_at=wanted.ends_at,
                subject=wanted.subject,
                enroll_until=run.now,
            )
            errors = check_course(new)
            owner_id = run.user_ids.get(run.overview.owners.get(wanted.key, ""), run.options.owner_id)
            if errors:
                raise Invalid(errors)
            if owner_id is None:
                raise Invalid.field("class", _NO_OWNER)
            self._new.append((wanted, new, owner_id))
            self.work.append(wanted)
        elif stored.source not in {None, source}:
            raise Invalid.field("sourcedId", f"is that of course {stored.id}, which is from {stored.source}")
        else:
            self._learn(wanted, stored.id)
            fields = course_changes(stored, wanted)
            if fields:
                self._changed.append((wanted, stored, fields))
                self.work.append(wanted)
            else:
                self.draft.keep("course")

    def _learn(self, wanted: RosterCourse, course_id: int) -> None:
        self._ids[wanted.key] = course_id
        self._titles[course_id] = wanted.title


def _edited(fields: Mapping[str, tuple[object, object]], stored: CourseTree) -> NewCourse:
    return msgspec.structs.replace(stored.unchanged, **{name: new for name, (_, new) in fields.items()})


def _changed(wanted: RosterCourse, stored: KnownCourse, fields: Mapping[str, tuple[object, object]]) -> Change:
    shown = {name: (_shown(name, old), _shown(name, new)) for name, (old, new) in fields.items()}
    return Change("course", Did.CHANGED, stored.title, wanted.key, course_id=stored.id, fields=shown)


def _shown(name: str, value: object) -> str | None:
    return iso(value) if isinstance(value, int) and name.endswith("_at") else value if value is None else str(value)

"""Rosters as one CSV file that anybody can write: an e-mail address, a name, a course and a role in each row."""

from collections.abc import Iterator
from pathlib import PurePath

from headway.accounts.model import is_email
from headway.errors import Invalid, shown
from headway.identity import Role, settle_email
from headway.rosters.files import Cells, Refused, Sheet, refusing
from headway.rosters.model import Mode, Overview, Part, Report, RosterCourse, RosterPlace, RosterUser, check_source
from headway.text_files import Source, is_rounded

_EMAIL = ("email", "emailaddress", "mail", "address")
_NAME, _GIVEN, _FAMILY = ("name", "fullname"), ("givenname", "firstname"), ("familyname", "lastname", "surname")
_COURSE = ("course", "courseid", "class")
_ROLE = ("role",)
_PARTS = {
    "": Part.LEARNER,
    "student": Part.LEARNER,
    "learner": Part.LEARNER,
    "participant": Part.LEARNER,
    "teacher": Part.TEACHER,
    "instructor": Part.TEACHER,
    "tutor": Part.TEACHER,
}


class CsvRoster:
    """A roster of one file. All of it is read once when it is made.

    `course` is the course of rows that name none. Raises Invalid naming the file, and the line where there is one.
    """

    def __init__(
        self,
        file: Source,
        *,
        source: str | None = None,
        mode: Mode | None = None,
        course: str | None = None,
        encoding: str | None = None,
    ) -> None:
        self._course = course
        columns = [_EMAIL] if course is not None else [_EMAIL, _COURSE]
        self._sheet = Sheet(file, columns, encoding)
        self._teachers: set[str] = set()
        rows, is_complete = 0, True
        for row in self._sheet.rows():
            rows += 1
            email = settle_email(row.text(*_EMAIL))
            part = self._part_of(row)
            course = self._course_of(row)
            is_complete = is_complete and is_email(email) and bool(course) and not is_rounded(course) and part is not None
            if part is Part.TEACHER:
                self._teachers.add(email)
        if not rows:
            raise Invalid.field(PurePath(file.name).name, "has no rows below its header")
        # Each row tells of a person, and of a person in a course.
        mode = mode or Mode.DELTA
        self.overview = Overview(2 * rows, source or "csv", mode, brings_courses=False, is_complete=is_complete)
        check_source(self.overview.source)

    def users(self, report: Report) -> Iterator[RosterUser]:
        """Yield the people, each once; rows that cannot be taken are noted as those of people in courses."""
        seen: set[str] = set()
        unread = Report(report.source, report.mode, report.is_dry_run)
        for row in self._sheet.rows(unread):
            email = settle_email(row.text(*_EMAIL))
            if not is_email(email) or email in seen or self._part_of(row) is None:
                continue
            seen.add(email)
            name = row.text(*_NAME) or f"{row.text(*_GIVEN)} {row.text(*_FAMILY)}".strip()
            yield RosterUser(
                key=email,
                name=name or None,
                email=email,
                role=Role.INSTRUCTOR if email in self._teachers else Role.PARTICIPANT,
                line=row.line,
            )

    def courses(self, _report: Report) -> Iterator[RosterCourse]:
        """Yield nothing: courses are named, not described."""
        return iter(())

    def places(self, report: Report) -> Iterator[RosterPlace]:
        """Yield who has which part in which course."""
        for row in self._sheet.rows(report):
            with refusing(report, row.line):
                email, course = settle_email(row.require(*_EMAIL)), self._course_of(row)
                part = self._part_of(row)
                if not is_email(email):
                    raise Refused(f"email is {shown(email)}, which is no e-mail address")
                if not course:
                    raise Refused("course is missing")
                if is_rounded(course):
                    raise Refused(f"course is {shown(course)}: a spreadsheet has rounded it, so save the column as text")
                if part is None:
                    raise Refused(f"role is {shown(row.text(*_ROLE))}: it must be student or teacher")
                yield RosterPlace(course, email, part, row.line)

    def _course_of(self, row: Cells) -> str:
        return row.text(*_COURSE) or self._course or ""

    @staticmethod
    def _part_of(row: Cells) -> Part | None:
        return _PARTS.get(row.text(*_ROLE).lower())

"""Rosters as CSV files of OneRoster 1.1 and 1.2 (1EdTech): classes become courses, students learners, teachers staff."""

from collections.abc import Iterator
from datetime import date

from headway.errors import Invalid, shown
from headway.identity import Role
from headway.instants import DAY, Clock, Day, Instant
from headway.rosters.files import Cells, Refused, RosterFiles, Sheet, refusing
from headway.rosters.model import Mode, Overview, Part, Report, RosterCourse, RosterPlace, RosterUser, check_source
from headway.text_files import is_rounded

_VERSIONS = ("1.0", "1.1", "1.2")
_COLUMNS: dict[str, tuple[str, ...]] = {
    "manifest": ("propertyName", "value"),
    "orgs": ("sourcedId", "name"),
    "academicsessions": ("sourcedId", "startDate", "endDate"),
    "courses": ("sourcedId", "title"),
    "classes": ("sourcedId", "title"),
    "users": ("sourcedId", "givenName", "familyName"),
    "roles": ("userSourcedId", "role"),
    "enrollments": ("classSourcedId", "userSourcedId", "role"),
}
"""The files that are read, and the columns without which they cannot be."""
_PARTS = {"student": Part.LEARNER, "teacher": Part.TEACHER}
_KNOWN_ROLES = {
    *("administrator", "aide", "counselor", "districtadministrator", "guardian", "parent", "principal", "proctor", "relative"),
    *("siteadministrator", "systemadministrator"),
}
"""Roles of OneRoster of which Headway has no use; they are counted."""
_EPOCH = date(1970, 1, 1).toordinal()
_FIRST_YEAR, _LAST_YEAR = 1900, 9998


class OneRoster:
    """A roster of OneRoster files. All of them are read once when it is made; rows are yielded in the order of the files.

    Without a manifest the mode has to be given. Raises Invalid naming the file, and the line where there is one.
    """

    def __init__(self, files: RosterFiles, clock: Clock, *, source: str | None = None, mode: Mode | None = None) -> None:
        self._today = clock() // DAY
        self._modes: dict[str, Mode] = {}
        properties = self._read_manifest(files, mode)
        self._sheets = {
            name: Sheet(files.sources[name], [(column,) for column in _COLUMNS[name]])
            for name in _COLUMNS
            if name in files.sources and (name == "manifest" or name in self._modes)
        }
        if not {"users", "classes", "enrollments"} & self._sheets.keys():
            raise Invalid.field(files.name, "has none of users.csv, classes.csv and enrollments.csv")
        self._teachers: set[str] = set()
        self._gone_users: set[str] = set()
        self._roles = self._read_roles()
        owners, rows, is_complete = self._read_enrollments()
        self._gone_courses = {row.text("sourcedId") for row in self._scan("classes") if self._is_gone(row)}
        rows += self._read_users() + self._count("classes")
        named = properties.get("source.systemcode") or properties.get("source.systemname")
        self.overview = Overview(
            rows=rows,
            source=source or named or "oneroster",
            mode=self._modes.get("enrollments", Mode.DELTA),
            brings_courses=True,
            owners=owners,
            gone_users=frozenset(self._gone_users),
            gone_courses=frozenset(self._gone_courses),
            is_complete=is_complete,
        )
        check_source(self.overview.source)

    def users(self, report: Report) -> Iterator[RosterUser]:
        """Yield students and teachers; people with other roles are counted."""
        for row in self._rows("users", report):
            role = self._role_of(row)
            if row.text("sourcedId") in self._gone_users:
                report.leave_out("people who are not active")
            elif role in _PARTS or row.text("sourcedId") in self._teachers:
                with refusing(report, row.line):
                    yield _user(row, is_teacher=role == "teacher" or row.text("sourcedId") in self._teachers)
            elif role in _KNOWN_ROLES:
                report.leave_out(f"people who are {role}")
            elif role:
                report.refuse(row.line, f"role is {shown(role)}, which OneRoster does not have")
            else:
                report.leave_out("people without a role")

    def courses(self, report: Report) -> Iterator[RosterCourse]:
        """Yield the classes, with the dates of their terms."""
        terms = dict(self._read_terms(report))
        titles = {row.text("sourcedId"): row for row in self._rows("courses", report)}
        for row in self._rows("classes", report):
            with refusing(report, row.line):
                key = row.require("sourcedId")
                if key in self._gone_courses:
                    report.leave_out("classes that are over")
                    continue
                course = titles.get(row.text("courseSourcedId"))
                days = [terms[each] for each in row.items("termSourcedIds") if each in terms]
                subjects = row.items("subjects") or ([] if course is None else course.items("subjects"))
                yield RosterCourse(
                    key=key,
                    title=row.text("title") or ("" if course is None else course.text("title")),
                    line=row.line,
                    starts_at=min((start for start, _ in days), default=None),
                    ends_at=max((end for _, end in days), default=None),
                    subject=subjects[0] if subjects else None,
                )

    def places(self, report: Report) -> Iterator[RosterPlace]:
        """Yield the enrollments of students and teachers; those with other roles are counted."""
        for row in self._rows("enrollments", report):
            role = row.text("role").lower()
            if role in _PARTS:
                with refusing(report, row.line):
                    course, user = row.require("classSourcedId"), row.require("userSourcedId")
                    is_active = not (self._is_gone(row) or user in self._gone_users or course in self._gone_courses)
                    is_active = is_active and not _ended(row, self._today)
                    yield RosterPlace(course, user, _PARTS[role], row.line, is_active=is_active)
            elif role in _KNOWN_ROLES:
                report.leave_out(f"enrollments as {role}")
            else:
                report.refuse(row.line, f"role is {shown(role)}, which OneRoster does not have")

    def _read_manifest(self, files: RosterFiles, mode: Mode | None) -> dict[str, str]:
        """Note which files are read, and how."""
        properties: dict[str, str] = {}
        if "manifest" not in files.sources:
            if mode is None:
                raise Invalid.field("manifest.csv", "is missing: add it, or say whether the files are bulk or delta")
            self._modes = dict.fromkeys(set(_COLUMNS) & files.sources.keys() - {"manifest"}, mode)
            return properties
        sheet = Sheet(files.sources["manifest"], [(column,) for column in _COLUMNS["manifest"]])
        for row in sheet.rows():
            name, value = row.text("propertyName").lower(), row.text("value")
            properties[name] = value
            kind, _, file = name.partition(".")
            if kind == "oneroster" and value not in _VERSIONS:
                raise _wrong(row, f"is version {shown(value)} of OneRoster; these can be read: {', '.join(_VERSIONS)}")
            if kind == "file" and file in _COLUMNS and value.lower() != "absent":
                if value.lower() not in set(Mode):
                    raise _wrong(row, f"says {shown(value)} of {shown(file)}: it must be bulk, delta or absent")
                if file not in files.sources:
                    raise _wrong(row, f"names {file}.csv, which is missing")
                self._modes[file] = mode or Mode(value.lower())
        return properties

    def _read_roles(self) -> dict[str, str]:
        """Return the roles of people as version 1.2 has them: of several, one that Headway has a use for, teaching first."""
        roles: dict[str, str] = {}
        for row in self._scan("roles"):
            user, role = row.text("userSourcedId"), row.text("role").lower()
            if self._is_gone(row) or _ended(row, self._today):
                continue
            if role == "teacher" or (role == "student" and roles.get(user) != "teacher") or user not in roles:
                roles[user] = role
        return roles

    def _read_enrollments(self) -> tuple[dict[str, str], int, bool]:
        """Return who is to own each class, the number of rows, and whether it is known of each whom it is about."""
        owners: dict[str, str] = {}
        primary: set[str] = set()
        rows, is_complete = 0, True
        for row in self._scan("enrollments"):
            rows += 1
            course, user = row.text("classSourcedId"), row.text("userSourcedId")
            is_known = row.text("role").lower() in {*_PARTS, *_KNOWN_ROLES}
            is_complete = is_complete and is_known and all(id_ and not is_rounded(id_) for id_ in (course, user))
            if row.text("role").lower() == "teacher" and not self._is_gone(row):
                self._teachers.add(user)
                is_primary = row.text("primary").lower() == "true"
                if course not in owners or (is_primary and course not in primary):
                    owners[course] = user
                primary |= {course} if is_primary else set()
        return owners, rows, is_complete

    def _read_users(self) -> int:
        """Note who is not active, and return the number of rows."""
        rows = 0
        for row in self._scan("users"):
            rows += 1
            if self._is_gone(row) or row.text("enabledUser").lower() == "false":
                self._gone_users.add(row.text("sourcedId"))
        return rows

    def _read_terms(self, report: Report) -> Iterator[tuple[str, tuple[Instant, Instant]]]:
        """Yield the first instant of each session, and the one after its last day, in UTC."""
        for row in self._rows("academicsessions", report):
            with refusing(report, row.line):
                key, start, end = row.require("sourcedId"), _day(row, "startDate"), _day(row, "endDate")
                if start is None or end is None or end < start:
                    raise Refused("startDate and endDate must be dates, and the end not before the start")
                yield key, (start * DAY, (end + 1) * DAY)

    def _role_of(self, row: Cells) -> str:
        return self._roles.get(row.text("sourcedId")) or row.text("role").lower()

    def _rows(self, name: str, report: Report) -> Iterator[Cells]:
        return self._sheets[name].rows(report) if name in self._sheets else iter(())

    def _scan(self, name: str) -> Iterator[Cells]:
        return self._sheets[name].rows() if name in self._sheets else iter(())

    def _count(self, name: str) -> int:
        return sum(1 for _ in self._scan(name))

    @staticmethod
    def _is_gone(row: Cells) -> bool:
        return row.text("status").lower() == "tobedeleted"


def _user(row: Cells, *, is_teacher: bool) -> RosterUser:
    key = row.require("sourcedId")
    given, family = row.text("preferredGivenName", "givenName"), row.text("preferredFamilyName", "familyName")
    return RosterUser(
        key=key,
        name=f"{given} {family}".strip() or None,
        email=row.text("email") or None,
        role=Role.INSTRUCTOR if is_teacher else Role.PARTICIPANT,
        line=row.line,
        external_id=key,
    )


def _ended(row: Cells, today: Day) -> bool:
    """Return whether the last day of a row is over. What is no date ends nothing."""
    try:
        day = _day(row, "endDate")
    except Refused:
        return False
    return day is not None and day < today


def _day(row: Cells, column: str) -> Day | None:
    """Return a date of OneRoster, such as 2026-09-01; also the one of a time. Raises Refused."""
    text = row.text(column)
    if not text:
        return None
    try:
        found = date.fromisoformat(text[:10])
    except ValueError:
        raise Refused(f"{column} is {shown(text)}: it must be a date such as 2026-09-01") from None
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise Refused(f"{column} must lie between the years {_FIRST_YEAR} and {_LAST_YEAR}")
    return found.toordinal() - _EPOCH


def _wrong(row: Cells, message: str) -> Invalid:
    return Invalid.field(f"{row.line.file}, line {row.line.number}", message)

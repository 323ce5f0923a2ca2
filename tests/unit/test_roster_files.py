"""Reading rosters: OneRoster in folders and zips, and one CSV file, as school offices and spreadsheets save them."""

import io
import zipfile
from pathlib import Path

import pytest

from headway.errors import Invalid
from headway.identity import Role
from headway.instants import DAY, Instant
from headway.rosters.model import Mode, Overview, Part, Report, RosterSource
from headway.rosters.reading import Reading, open_path, open_upload
from tests.roster_inputs import OneRosterFiles, zipped

NOW = 1_798_113_600_000
"""2026-12-24T12:00:00Z"""


def clock() -> Instant:
    return NOW


def opened(files: OneRosterFiles, tmp_path: Path, reading: Reading = Reading()) -> RosterSource:  # noqa: B008
    return open_path(files.write(tmp_path / "roster"), reading, clock)


def uploaded(content: bytes, reading: Reading = Reading()) -> RosterSource:  # noqa: B008
    return open_upload("roster.zip", content, reading, clock)


def report_of(roster: RosterSource) -> Report:
    """The report after all of a roster is read."""
    report = Report(roster.overview.source, roster.overview.mode, is_dry_run=True)
    for rows in (roster.users, roster.courses, roster.places):
        list(rows(report))
    return report


def faults(roster: RosterSource) -> list[tuple[str, int, str]]:
    return [(fault.file, fault.line, fault.reason) for fault in report_of(roster).not_taken]


def refused(error: pytest.ExceptionInfo[Invalid]) -> list[tuple[str, str]]:
    return [(each.field, each.message) for each in error.value.fields]


def test_a_class_has_the_dates_of_its_terms_and_belongs_to_its_primary_teacher(tmp_path: Path) -> None:
    files = OneRosterFiles(2)
    files.person("t-2", "Alan", "Turing", "teacher")
    files.tables["enrollments"].insert(0, files.enroll("t-2", role="teacher"))
    files.tables["enrollments"].pop()
    roster = opened(files, tmp_path)
    report = Report("", Mode.BULK, is_dry_run=True)

    (course,) = roster.courses(report)
    people = {each.key: each for each in roster.users(report)}
    places = list(roster.places(report))

    assert (course.key, course.title, course.subject) == ("class-1", "Algebra 7b", "Mathematics")
    assert (course.starts_at, course.ends_at) == (20_697 * DAY, 20_904 * DAY)
    assert roster.overview.owners == {"class-1": "t-1"}
    assert (roster.overview.source, roster.overview.mode) == ("School office", Mode.BULK)
    assert (people["s-1"].name, people["s-1"].role) == ("Learner 1 Example", Role.PARTICIPANT)
    assert people["t-2"].role is Role.INSTRUCTOR
    assert [(each.user, each.part) for each in places if each.part is Part.LEARNER] == [("s-1", "learner"), ("s-2", "learner")]
    assert report.not_taken == []


def test_version_1_2_has_roles_in_a_file_of_their_own(tmp_path: Path) -> None:
    files = OneRosterFiles(1, version="1.2")
    files.tables["roles"] = []
    for n, row in enumerate(files.tables["users"]):
        role = row.pop("role")
        files.tables["roles"].append(
            {"sourcedId": f"r-{n}", "userSourcedId": row["sourcedId"], "roleType": "primary", "role": role}
        )
    files.person("p-1", "Anne", "Parent", "")
    files.tables["roles"].append({"sourcedId": "r-p", "userSourcedId": "p-1", "roleType": "primary", "role": "parent"})
    roster = opened(files, tmp_path)
    report = Report("", Mode.BULK, is_dry_run=True)

    roles = {each.key: each.role for each in roster.users(report)}

    assert roles == {"t-1": Role.INSTRUCTOR, "s-1": Role.PARTICIPANT}
    assert report.left_out == {"people who are parent": 1}


def test_who_is_to_be_deleted_or_not_enabled_or_past_the_end_is_in_no_course(tmp_path: Path) -> None:
    files = OneRosterFiles(5, mode="delta")
    files.row("users", "s-1")["status"] = "tobedeleted"
    files.row("users", "s-2")["enabledUser"] = "false"
    files.row("enrollments", "e-class-1-s-3")["status"] = "tobedeleted"
    files.row("enrollments", "e-class-1-s-4")["endDate"] = "2026-12-23"
    files.row("enrollments", "e-class-1-s-5")["endDate"] = "2026-12-24"
    roster = opened(files, tmp_path)

    active = {each.user: each.is_active for each in roster.places(Report("", Mode.DELTA, is_dry_run=True))}

    assert active == {"t-1": True, "s-1": False, "s-2": False, "s-3": False, "s-4": False, "s-5": True}
    assert roster.overview.gone_users == {"s-1", "s-2"}


def test_rows_that_cannot_be_taken_name_file_line_and_reason(tmp_path: Path) -> None:
    files = OneRosterFiles(1)
    files.tables["users"].append({"sourcedId": "", "givenName": "No", "familyName": "Id", "role": "student"})
    files.person("x-1", "Eve", "Unknown", "wizard")
    files.enroll("", role="student")
    files.enroll("s-1", role="jester")
    files.tables["academicSessions"].append({"sourcedId": "odd", "startDate": "01/09/2026", "endDate": "2026-12-18"})
    files.tables["classes"].append({"sourcedId": "1.23457E+11", "title": "Rounded"})
    roster = opened(files, tmp_path)

    assert faults(roster) == [
        ("users.csv", 4, "sourcedId is missing"),
        ("users.csv", 5, "role is wizard, which OneRoster does not have"),
        ("academicSessions.csv", 5, "startDate is 01/09/2026: it must be a date such as 2026-09-01"),
        ("classes.csv", 3, "sourcedId is 1.23457E+11: a spreadsheet has rounded it, so save the column as text"),
        ("enrollments.csv", 4, "userSourcedId is missing"),
        ("enrollments.csv", 5, "role is jester, which OneRoster does not have"),
    ]
    assert not roster.overview.is_complete


@pytest.mark.parametrize(
    ("spoil", "field", "message"),
    [
        (lambda files: files.pop("manifest.csv"), "manifest.csv", "is missing"),
        (lambda files: files.pop("users.csv"), "manifest.csv, line ", "names users.csv, which is missing"),
        (
            lambda files: files.update({"manifest.csv": files["manifest.csv"].replace("1.1", "2.0")}),
            "manifest.csv, line 3",
            "is version 2.0 of OneRoster",
        ),
        (
            lambda files: files.update({"manifest.csv": files["manifest.csv"].replace("users,bulk", "users,everything")}),
            "manifest.csv, line ",
            "says everything of users",
        ),
        (
            lambda files: files.update({"users.csv": files["users.csv"].replace("givenName", "first")}),
            "users.csv, header",
            "has no column givenName",
        ),
        (lambda files: files.update({"enrollments.csv": ""}), "enrollments.csv", "has no header in its first line"),
        (lambda files: files.update({"users.csv": "a\0b"}), "users.csv", "is not text"),
    ],
)
def test_files_that_are_no_roster_are_refused_as_a_whole(spoil: object, field: str, message: str) -> None:
    texts = OneRosterFiles().texts()
    spoil(texts)  # type: ignore[operator]

    with pytest.raises(Invalid) as error:
        uploaded(zipped({name: text.encode() for name, text in texts.items()}))

    assert any(each.startswith(field) and said.startswith(message) for each, said in refused(error)), refused(error)


def test_without_a_manifest_the_mode_can_be_given(tmp_path: Path) -> None:
    folder = OneRosterFiles().write(tmp_path / "roster")
    (folder / "manifest.csv").unlink()

    roster = open_path(folder, Reading(mode=Mode.BULK, source="SIS"), clock)

    assert (roster.overview.mode, roster.overview.source) == (Mode.BULK, "SIS")


def encrypted(name: str) -> bytes:
    content = bytearray(zipped({name: b"a,b\n"}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    return bytes(content)


def damaged() -> bytes:
    content = bytearray(OneRosterFiles(50).zip())
    start = content.index(b"users.csv") + 40
    content[start : start + 20] = bytes(20)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "field", "message"),
    [
        (zipped({"school/users.csv": b"a"}), "roster.zip, school/users.csv", "is in a folder"),
        (zipped({"../users.csv": b"a"}), "roster.zip, ../users.csv", "is in a folder"),
        (zipped({"users.csv": b"a", "Users.CSV": b"b"}), "roster.zip, Users.CSV", "is in the zip twice"),
        (zipped({f"{n}.csv": b"a" for n in range(60)}), "roster.zip", "holds 60 files, more than 50"),
        (zipped({"users.csv": bytes(2_000_000)}), "roster.zip, users.csv", "is compressed more than 200 times"),
        (encrypted("users.csv"), "roster.zip, users.csv", "is encrypted"),
        (b"PK\x03\x04 and no more", "roster.zip", "is no zip that can be read"),
        (damaged(), "users.csv", "cannot be read: the zip is damaged"),
        (b"", "roster.zip", "is empty"),
    ],
)
def test_zips_are_bounded_and_what_is_wrong_is_named(content: bytes, field: str, message: str) -> None:
    with pytest.raises(Invalid) as error:
        report_of(uploaded(content))

    assert any(each == field and said.startswith(message) for each, said in refused(error)), refused(error)


def test_a_zip_says_how_large_its_files_may_become() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("users.csv", b"sourcedId\n" * 2_100_000)

    with pytest.raises(Invalid) as error:
        uploaded(content.getvalue())

    assert refused(error) == [("roster.zip, users.csv", "has more than 20000000 bytes")]


def test_what_the_finder_adds_to_a_zip_does_not_matter() -> None:
    files = {name: text.encode() for name, text in OneRosterFiles(1).texts().items()}

    roster = uploaded(zipped(files | {"__MACOSX/._users.csv": b"\0\0", "notes.txt": b"hello"}))

    assert len(list(roster.users(report_of(roster)))) == 2


PLAIN = "email,name,course,role\nada@example.org,Ada Lovelace,algebra,student\ngrace@example.org,Grace Hopper,algebra,teacher\n"
LATIN = "E-Mail;Name;Course;Role;;\nzoe@example.org;Zo\xeb;algebra;Student;;\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.replace(",", ";").encode(),
        PLAIN.replace(",", "\t").encode("utf-16"),
        b"sep=;\r\n" + PLAIN.replace(",", ";").replace("\n", "\r\n").encode(),
        PLAIN.replace("email,name,course,role", " E-Mail , NAME,Course ,ROLE,,").replace("student", "Student,,").encode(),
        PLAIN.replace("algebra", '"=""algebra"""').encode(),
        PLAIN.replace("student", "").encode(),
    ],
)
def test_a_csv_file_is_read_however_it_was_saved(content: bytes) -> None:
    roster = open_upload("people.csv", content, Reading(), clock)
    report = Report("", Mode.DELTA, is_dry_run=True)

    people = [(each.email, each.name, each.role) for each in roster.users(report)]
    places = [(each.user, each.course, each.part.value) for each in roster.places(report)]

    assert people == [
        ("ada@example.org", "Ada Lovelace", Role.PARTICIPANT),
        ("grace@example.org", "Grace Hopper", Role.INSTRUCTOR),
    ]
    assert places == [("ada@example.org", "algebra", "learner"), ("grace@example.org", "algebra", "teacher")]
    assert report.not_taken == []
    assert roster.overview == Overview(4, "csv", Mode.DELTA, brings_courses=False)


def test_latin_1_is_read() -> None:
    roster = open_upload("people.csv", LATIN.encode("latin-1"), Reading(), clock)

    (person,) = roster.users(report_of(roster))

    assert (person.email, person.name) == ("zoe@example.org", "Zo\xeb")


def test_the_course_of_all_rows_can_be_given() -> None:
    content = b"mail,first name,last name\nada@example.org,Ada,Lovelace\n"
    roster = open_upload("people.csv", content, Reading(course="algebra"), clock)

    (person,) = roster.users(report_of(roster))
    (place,) = roster.places(report_of(roster))

    assert (person.name, place.course) == ("Ada Lovelace", "algebra")


def test_faults_of_a_csv_file_are_named_once() -> None:
    content = (
        "email,name,course,role\n"
        "ada@example.org,Ada,algebra,student\n"
        "not an address,Eve,algebra,student\n"
        "bob@example.org,Bob,,student\n"
        "carol@example.org,Carol,algebra,queen\n"
        "dan@example.org,Dan,algebra,student,extra\n"
    )

    assert faults(open_upload("people.csv", content.encode(), Reading(), clock)) == [
        ("people.csv", 3, "email is not an address, which is no e-mail address"),
        ("people.csv", 4, "course is missing"),
        ("people.csv", 5, "role is queen: it must be student or teacher"),
        ("people.csv", 6, "has 5 cells, the header has 4"),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (
            '"ada@example.org,Ada,algebra,student',
            "opens a quotation mark that is not closed: nothing from here to line 4 can be read",
        ),
        ("ada,Ada,algebra,student", "email is ada, which is no e-mail address"),
        ("ada@example.org,A\0da,algebra,student", "name holds a NUL character"),
        ("ada@example.org,Ada,alg\0ebra,student", "course holds a NUL character"),
        (
            "ada@example.org,Ada,1.23457E+11,student",
            "course is 1.23457E+11: a spreadsheet has rounded it, so save the column as text",
        ),
    ],
)
def test_what_a_hostile_row_holds_is_named_and_nobody_is_missing_for_it(row: str, reason: str) -> None:
    text = f"email,name,course,role\nbob@example.org,Bob,algebra,student\n{row}\neve@example.org,Eve,algebra,student\n"

    roster = uploaded(text.encode(), Reading(mode=Mode.BULK))

    assert faults(roster) == [("roster.zip", 3, reason)]
    assert not roster.overview.is_complete


def test_a_row_within_quotation_marks_that_never_close_costs_no_more_memory_than_others() -> None:
    rows = "".join(f"learner-{number}@example.org,Learner,algebra,student\n" for number in range(20_000))

    roster = uploaded(f'email,name,course,role\nada@example.org,"Ada,algebra,student\n{rows}'.encode())

    ((_, line, reason),) = faults(roster)
    assert line == 2
    assert reason.startswith("opens a quotation mark that is not closed: nothing from here to line 2")
    report = Report("csv", Mode.DELTA, is_dry_run=True)
    assert 15_000 < len(list(roster.places(report))) < 20_000


def test_a_workbook_is_no_roster() -> None:
    with pytest.raises(Invalid) as refused:
        uploaded(zipped({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<workbook/>"}))

    (fault,) = refused.value.fields
    assert fault.message == "is a workbook of a spreadsheet: save its sheet as CSV (UTF-8)"

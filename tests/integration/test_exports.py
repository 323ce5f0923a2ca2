"""Exports of a course: every number is that of the pages and of the course room, whoever comes and goes meanwhile."""

import asyncio
import csv
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import update

from headway.accounts.tables import users
from headway.assessments.model import NewGrade
from headway.courses.model import NewAssessment
from headway.http.middleware import RequestMiddleware
from headway.http.streams import BREAK_OFF
from headway.identity import Caller, CourseRole, Role
from headway.instants import MINUTE, SECOND
from headway.reports import export_store, exports
from headway.reports.model import GridOrder
from tests.integration.course_edits import unchanged_course
from tests.integration.report_history import History
from tests.world import World

ZONE = "America/New_York"
HOSTILE = '=HYPERLINK("http://x.test";"Ada")'
WORK = "https://github.com/a/b"
Line = dict[str, Any]


class School:
    """A course with a history, names, work and grades, and its export."""

    def __init__(self, world: World, client: httpx.AsyncClient) -> None:
        self.world, self.client = world, client
        self.history = History(world, 11)

    async def build(self) -> "School":
        world, history = self.world, await self.history.build()
        tasks = (NewAssessment("Essay", due_at=world.clock() + MINUTE, max_grade=20), NewAssessment("Talk"))
        edit = world.services.course_editing.change
        history.course = await world.write(
            edit, history.staff, history.course.id, lambda tree: unchanged_course(tree, assessments=tasks)
        )
        await history.record(300, leavers=0)
        await self._hand_in()
        for user_id in history.learners[3:5]:
            await world.write(world.services.enrollments.leave, user_id, history.course.id)
        renamed = update(users).where(users.c.id == history.learners[0]).values(name=HOSTILE, external_id="@subject")
        async with world.database.write() as tx:
            await tx.run(renamed)
        self.headers = world.bearer(await world.find_user(history.staff.user_id))
        return self

    async def _hand_in(self) -> None:
        """Have most hand in, some of them twice or late; half of the newest works are graded."""
        assessments = self.world.services.assessments
        for number, user_id in enumerate(self.history.learners[:9]):
            for task in self.history.course.assessments[: 1 + number % 2]:
                for _ in range(1 + number % 3):
                    self.world.clock.advance(seconds=5)
                    caller = Caller(user_id, Role.PARTICIPANT)
                    work, _ = await self.world.write(assessments.submit, caller, task.id, WORK)
                if number % 2:
                    await self.world.write(assessments.grade, self.history.staff, work.id, NewGrade(number + 0.5))

    @property
    def path(self) -> str:
        return f"/api/v1/courses/{self.history.course.id}/export"

    async def get(self, path: str, **query: Any) -> httpx.Response:
        answer = await self.client.get(path, params=query, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer

    async def lines(self, **query: Any) -> list[Line]:
        answer = await self.get(self.path, format="ndjson", **query)
        assert answer.headers["content-type"] == "application/x-ndjson"
        return [json.loads(line) for line in answer.text.splitlines()]

    async def learners(self, **query: Any) -> dict[int, Line]:
        return {int(line["learnerId"]): line for line in await self.lines(**query) if line["type"] == "learner"}

    async def table(self, name: str, **query: Any) -> list[dict[str, str]]:
        answer = await self.get(self.path, format="csv", table=name, **query)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        return list(csv.DictReader(StringIO(answer.text, newline="")))

    async def room(self) -> dict[int, Line]:
        """Return what the course room lists of all learners."""
        found = (await self.get(f"/user-progress/course/{self.history.course.id}/all", limit=500)).json()
        return {row["userId"]: row for row in found["results"]}


class Visitor:
    """What a client that asked for a file sends: nothing, until it goes away."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self._has_asked = False

    async def __call__(self) -> Any:
        if not self._has_asked:
            self._has_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}


def scope(path: str, headers: dict[str, str], query: bytes) -> Any:
    fields = [(b"host", b"headway.test"), *((name.lower().encode(), value.encode()) for name, value in headers.items())]
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": fields,
        "client": ("127.0.0.1", 1),
        "server": ("headway.test", 80),
        "state": {},
    }


@pytest.fixture
async def school(world: World, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> School:
    # So few at once that an export has many parts.
    monkeypatch.setattr(exports, "_MOST_LEARNERS", 5)
    return await School(world, client).build()


async def test_progress_is_that_of_the_course_room(school: School) -> None:
    course, *_, end = await school.lines()
    exported, room = await school.learners(), await school.room()
    staff = (await school.get(school.path.replace("export", "enrollments"), limit=500)).json()["data"]

    assert (course["type"], course["id"]) == ("course", str(school.history.course.id))
    assert [unit["title"] for unit in course["units"]] == [unit.title for unit in school.history.course.units]
    assert end == {"type": "end", "learners": len(room)}
    assert list(exported) == sorted(room)
    assert sum(len(line["units"]) for line in exported.values()) > 30
    for user_id, line in exported.items():
        assert (line["name"], line["status"]) == (room[user_id]["name"], room[user_id]["enrollments"]["enrollmentStatus"])
        told = {
            row["courseContentId"]: (row["progressStatus"], float(row["progressPercent"]), row["activityDuration"])
            for row in room[user_id]["activityLogs"]
        }
        units = {
            int(each["unitId"]): (each["status"], each["progressPercent"], each["durationSeconds"]) for each in line["units"]
        }
        assert units == told
    for row in staff:
        line = exported[int(row["learnerId"])]
        names = ("standing", "completionPercentage", "studySeconds", "lastAccessed", "completedAt", "enrolledAt")
        own = ("status", "progressPercent", "studySeconds", "lastActivityAt", "completedAt", "enrolledAt")
        assert [line[name] for name in own] == [row[name] for name in names]


async def test_study_by_day_is_that_of_the_page_of_the_learner(school: School) -> None:
    world, history = school.world, school.history
    exported = await school.learners(timeZone=ZONE, include="days")
    shown: dict[int, dict[date, int]] = {}
    for user_id in history.learners:
        record = await world.read(world.services.learner_records.read, history.staff, history.course.id, user_id)
        shown[user_id] = record.study_by_day(ZoneInfo(ZONE))

    assert sum(map(len, shown.values())) > 20
    for user_id, line in exported.items():
        days = {date.fromisoformat(each["day"]): each["studySeconds"] for each in line["days"]}
        assert days == {day: length // SECOND for day, length in shown[user_id].items()}
        assert list(days) == sorted(days)
        assert "units" not in line
    told = [(int(row["learnerId"]), row["day"], int(row["studySeconds"])) for row in await school.table("days", timeZone=ZONE)]
    assert told == [(u, each["day"], each["studySeconds"]) for u, line in exported.items() for each in line["days"]]


async def test_grades_are_those_of_the_lists_of_submissions(school: School) -> None:
    exported, table = await school.learners(include="grades"), await school.table("grades")
    listed: dict[int, dict[str, Line]] = defaultdict(dict)
    for task in school.history.course.assessments:
        for row in (await school.get(f"/api/v1/assessments/{task.id}/submissions", limit=500)).json()["data"]:
            listed[int(row["learnerId"])][row["assessmentId"]] = row

    assert any(row["grade"] is not None for rows in listed.values() for row in rows.values())
    assert any(row["isLate"] for rows in listed.values() for row in rows.values())
    for user_id, line in exported.items():
        for each in line["grades"]:
            row = listed[user_id][each["assessmentId"]]
            assert {name: row[name] for name in ("assessmentId", "submittedAt", "gradedAt", "grade")} == each
        assert len(line["grades"]) == len(listed[user_id])
    assert {(int(row["learnerId"]), row["assessmentId"]) for row in table} == {
        (u, a) for u, rows in listed.items() for a in rows
    }
    for told in table:
        row = listed[int(told["learnerId"])][told["assessmentId"]]
        assert (told["late"], told["submittedAt"]) == (str(row["isLate"]).lower(), row["submittedAt"])
        assert (told["grade"] or None) == (None if row["grade"] is None else f"{row['grade']:g}")


async def test_the_wide_table_is_the_grid_and_the_long_one_the_lines(school: School) -> None:
    world, history = school.world, school.history
    exported, wide, long = await school.learners(), await school.table("learners"), await school.table("units")
    grid = await world.read(
        world.services.reports.grid, history.staff, history.course.id, GridOrder(with_left=True), after=None, limit=500
    )

    columns = [f"{unit.title} [unit {unit.id}]" for unit in grid.units]
    cells = {row.learner.user_id: row.cells for row in grid.rows}
    assert [int(row["learnerId"]) for row in wide] == list(exported)
    for row in wide:
        percents = [None if row[column] == "" else int(float(row[column])) for column in columns]
        assert percents == cells[int(row["learnerId"])]
        line = exported[int(row["learnerId"])]
        assert float(row["progressPercent"]) == line["progressPercent"]
        assert [row[name] for name in ("lastActivityAt", "completedAt")] == [
            line[name] or "" for name in ("lastActivityAt", "completedAt")
        ]
        for task in history.course.assessments:
            grades = {each["assessmentId"]: each["grade"] for each in line["grades"]}
            grade = grades.get(str(task.id))
            assert row[f"{task.title} [assessment {task.id}]"] == ("" if grade is None else f"{grade:g}")
    lines = [
        (str(user_id), each["unitId"], each["status"], each["progressPercent"], str(each["durationSeconds"]))
        for user_id, line in exported.items()
        for each in line["units"]
    ]
    assert lines == [
        (row["learnerId"], row["unitId"], row["status"], float(row["progressPercent"]), row["durationSeconds"]) for row in long
    ]


async def test_a_name_is_no_formula_in_a_table_and_itself_in_lines(school: School) -> None:
    first = school.history.learners[0]
    for name in ("learners", "units", "days", "grades"):
        row = next(row for row in await school.table(name) if row["learnerId"] == str(first))
        assert (row["name"], row["externalId"]) == (f"'{HOSTILE}", "'@subject")
    line = (await school.learners())[first]
    assert (line["name"], line["externalId"]) == (HOSTILE, "@subject")


async def test_who_is_enrolled_all_the_time_is_exported_once(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    world, history = school.world, school.history
    monkeypatch.setattr(exports, "_MOST_LEARNERS", 2)
    newest = await world.user()

    async def read(act: Callable[..., Any]) -> Any:
        # Between two parts somebody leaves, and somebody comes whose id is behind all others.
        async with world.database.read() as tx:
            made = await act(tx)
        if newest.id not in here:
            here.append(newest.id)
            await world.write(world.services.enrollments.enroll, newest.id, history.course.id)
            await world.write(world.services.enrollments.leave, history.learners[-1], history.course.id)
        return made

    here: list[int] = []
    course = await world.read(world.services.exports.begin, history.staff, history.course.id)
    parts = world.services.exports.learners(read, history.staff, course, (), ZoneInfo("UTC"), list)
    found = [each async for part in parts for each in part]
    assert [each.user_id for each in found] == [*history.learners, newest.id]
    assert found[-2].status == "DROPPED"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"format": "xlsx"}, "format"),
        ({"format": "ndjson", "table": "days"}, "table"),
        ({"include": "days"}, "include"),
        ({"format": "ndjson", "include": "days,"}, "include"),
        ({"timeZone": "../etc/passwd"}, "timeZone"),
        ({"timeZone": "Mars/Olympus"}, "timeZone"),
    ],
)
async def test_what_is_asked_wrongly_is_named(school: School, query: dict[str, str], field: str) -> None:
    answer = await school.client.get(school.path, params=query, headers=school.headers)

    assert (answer.status_code, [each["field"] for each in answer.json()["errors"]]) == (400, [field])


async def test_an_export_is_compressed_for_who_takes_it(school: School) -> None:
    plain = await school.client.get(school.path, headers=school.headers | {"Accept-Encoding": "identity"})
    packed = await school.client.get(school.path, headers=school.headers | {"Accept-Encoding": "gzip"})

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content


async def test_head_makes_no_rows(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_store, "list_learners", None)

    answer = await school.client.head(school.path, headers=school.headers)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-disposition"].endswith(f"course-{school.history.course.id}-learners.csv")


async def test_who_leaves_the_staff_in_the_middle_gets_no_more(school: School, app: RequestMiddleware) -> None:
    world, history = school.world, school.history
    other = await world.user(Role.INSTRUCTOR)
    await world.write(world.services.course_staff.set_role, None, history.course.id, other.id, CourseRole.INSTRUCTOR)
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) == 2:
            await world.write(world.services.course_staff.remove, None, history.course.id, other.id)

    await app(scope(school.path, world.bearer(other), b"format=ndjson"), Visitor(), send)

    types = [message["type"] for message in sent]
    assert types == ["http.response.start", "http.response.body", "http.response.body", BREAK_OFF]
    assert all(message.get("more_body", True) for message in sent[1:])
    last = json.loads(sent[2]["body"])
    assert (last["type"], last["code"]) == ("error", "FORBIDDEN")
    assert last["requestId"] == dict(sent[0]["headers"])[b"x-request-id"].decode()


async def test_who_goes_away_is_read_no_more_for(
    school: School, app: RequestMiddleware, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0
    list_learners = export_store.list_learners

    async def count(*given: Any, **named: Any) -> Any:
        nonlocal reads
        reads += 1
        return await list_learners(*given, **named)

    monkeypatch.setattr(exports, "_MOST_LEARNERS", 1)
    monkeypatch.setattr(export_store, "list_learners", count)
    receive = Visitor()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body" and reads == 2:
            receive.gone.set()

    await app(scope(school.path, school.headers, b""), receive, send)

    assert 2 <= reads < 5

"""An institution's day: courses and learners come in, what they did on other platforms is imported, and results go out.

Through the command line and a server of its own, on both databases, beside a receiver of webhooks that fails at first.
"""

import asyncio
import csv
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from headway.identity import Role
from tests.databases import SECRET_KEY
from tests.processes import HeadwayProcess, open_client, run_headway
from tests.unit.moodle_lines import SITE, statement
from tests.unit.openedx_lines import COURSE, PROBLEM, VIDEO, encode, server_line, video_line
from tests.world import World

LEARNERS = 500
FAILURES = 20
OPEN_EDX = "https://learn.north.example"
MOODLE_COURSE, QUIZ, PAGE = (
    f"{SITE}/{path}" for path in ("course/view.php?id=8", "mod/quiz/view.php?id=51", "mod/page/view.php?id=52")
)
COURSES: list[dict[str, Any]] = [
    {
        "title": "Cells", "owner": "owner@north.example", "externalId": COURSE, "source": OPEN_EDX, "published": True,
        "modules": [{"title": "All", "units": [
            {"title": "Film", "externalId": VIDEO, "completion": {"rule": "video", "threshold": 50}},
            {"title": "Questions", "externalId": PROBLEM, "completion": {"rule": "quiz", "threshold": 50}},
        ]}],
    },
    {
        "title": "Maps", "owner": "owner@north.example", "externalId": MOODLE_COURSE, "source": SITE, "published": True,
        "modules": [{"title": "All", "units": [
            {"title": "Text", "externalId": PAGE, "completion": {"rule": "viewed"}},
            {"title": "Quiz", "externalId": QUIZ, "completion": {"rule": "quiz", "threshold": 50}},
        ]}],
    },
]  # fmt: skip
UNITS = 4


class Receiver:
    """A receiver of webhooks that fails at first; `events` has each once, by its id."""

    def __init__(self) -> None:
        self.deliveries: Counter[str] = Counter()
        self.events: dict[str, dict[str, Any]] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(receiver.take(self.headers["webhook-id"], body))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self._server.server_port}/headway"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def take(self, message_id: str, body: bytes) -> int:
        with self._lock:
            self.deliveries[message_id] += 1
            if sum(self.deliveries.values()) <= FAILURES:
                return 503
            self.events[message_id] = json.loads(body)
            return 204

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def completions(self) -> Counter[tuple[str, str]]:
        """How often each completion of a unit arrived, by learner and unit, each delivery counted once."""
        data = [event["data"] for event in self.events.values() if event["type"] == "unit.completed"]
        return Counter((each["learnerExternalId"], each["unitExternalId"]) for each in data)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def open_edx_log(folder: Path) -> Path:
    """The day of all learners on Open edX: a film that is watched, and a question that is answered."""
    path = folder / "tracking.log"
    lines: list[dict[str, Any]] = []
    for n in range(LEARNERS):
        who = {"username": f"s{n}", "session": f"session-{n}", "context": {"user_id": n + 10, "course_id": COURSE}}
        answered = {"problem_id": PROBLEM, "grade": 3, "max_grade": 4}
        lines += [
            video_line("play_video", currentTime=0) | who | {"time": "2026-01-05T09:00:00Z"},
            video_line("pause_video", currentTime=150) | who | {"time": "2026-01-05T09:02:30Z"},
            server_line("problem_check", answered, **who, timestamp="2026-01-05T09:10:00Z"),
            server_line("edx.course.enrollment.activated", {"course_id": COURSE}, **who),
        ]
    path.write_bytes(b"\n".join(encode(line) for line in lines))
    return path


def moodle_log(folder: Path) -> Path:
    """The day of all learners on Moodle: a page that is read, and a quiz."""
    path = folder / "statements.json"
    course = {"id": MOODLE_COURSE, "definition": {"type": "https://w3id.org/xapi/cmi5/activitytype/course"}}
    records: list[dict[str, Any]] = []
    for n in range(LEARNERS):
        actor = {"name": f"Learner {n}", "account": {"homePage": SITE, "name": f"s{n}"}}
        for name, verb, unit, result in (
            ("mod_page\\course_module_viewed", "viewed", PAGE, {}),
            ("mod_quiz\\attempt_submitted", "completed", QUIZ, {"score": {"raw": 8, "max": 10}, "duration": "PT10M"}),
        ):
            made = statement(name, verb, id=f"{name}-{n}", actor=actor, object={"id": unit}, timestamp="2026-01-05T10:30:00Z")
            made["context"]["contextActivities"]["parent"] = [course]
            records.append(made | ({"result": result} if result else {}))
    path.write_text(json.dumps(records))
    return path


def headway(database_url: str, *arguments: str) -> Any:
    """Run a command, and return what it printed as JSON."""
    done = run_headway(*arguments, "--database", database_url, secret_key=SECRET_KEY)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def exported(client: httpx.AsyncClient, course_id: str, headers: dict[str, str]) -> str:
    answer = await client.get(f"/api/v1/courses/{course_id}/export", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.mark.timeout(300)
async def test_an_institutions_day(world: World, database_url: str, tmp_path: Path, receiver: Receiver) -> None:
    world.clock.now = time.time_ns() // 1_000_000
    admin = await world.user(Role.ADMIN, email="admin@north.example")
    await world.user(Role.INSTRUCTOR, email="owner@north.example")
    ids: list[str] = []
    for number, course in enumerate(COURSES):
        file = tmp_path / f"course-{number}.json"
        file.write_text(json.dumps(course))
        ids.append(headway(database_url, "course", "import", str(file))["id"])
    logs = [("openedx-tracking", open_edx_log(tmp_path)), ("moodle-log", moodle_log(tmp_path))]
    options = ("--source", "sis", "--create-users", "--enroll", "--json")
    environment = {"HEADWAY_WEBHOOK_ALLOW_HTTP": "true", "HEADWAY_WEBHOOK_ALLOW_PRIVATE_ADDRESSES": "true"}

    with HeadwayProcess(database_url, tmp_path, SECRET_KEY, **environment) as server:
        async with open_client(server.url, timeout=60) as client:
            bearer = world.bearer(admin)
            subscribed = await client.post("/api/v1/webhooks", json={"url": receiver.url}, headers=bearer)
            assert subscribed.status_code == 201, subscribed.text
            reports = [headway(database_url, "import", kind, str(path), *options) for kind, path in logs]
            results = [await exported(client, course_id, bearer) for course_id in ids]
            await wait_for(receiver, UNITS * LEARNERS)
            repeated = [headway(database_url, "import", kind, str(path), *options) for kind, path in logs]
            again = [await exported(client, course_id, bearer) for course_id in ids]

    assert [(each["new_users"], each["new_enrollments"]) for each in reports] == [(LEARNERS, LEARNERS), (0, LEARNERS)]
    assert [each["events"] for each in reports] == [4 * LEARNERS, 2 * LEARNERS]
    assert [(each["new_users"], each["new_enrollments"], each["events"]) for each in repeated] == [(0, 0, 0)] * 2
    assert again == results
    for text in results:
        rows = list(csv.DictReader(io.StringIO(text)))
        assert {row["externalId"] for row in rows} == {f"sis:s{n}" for n in range(LEARNERS)}
        assert {(row["status"], row["progressPercent"]) for row in rows} == {("COMPLETED", "100.00")}
    learners = [f"sis:s{n}" for n in range(LEARNERS)]
    assert receiver.completions() == Counter((each, unit) for each in learners for unit in (VIDEO, PROBLEM, PAGE, QUIZ))
    assert headway(database_url, "verify")["differences"] == []
    headway(database_url, "audit", "verify")


async def wait_for(receiver: Receiver, count: int, *, seconds: float = 120) -> None:
    give_up = time.monotonic() + seconds
    while receiver.completions().total() < count:
        assert time.monotonic() < give_up, f"{receiver.completions().total()} of {count} completions have arrived"
        await asyncio.sleep(0.2)

"""An institution's day: a roster comes in, a relay reports what learners do on other platforms, and results go out.

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
from tests.roster_inputs import OneRosterFiles
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
        with self._lock:
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


def roster(folder: Path) -> Path:
    """All learners, in both courses."""
    files = OneRosterFiles(0)
    files.tables["enrollments"] = []
    files.tables["classes"] = [
        {"sourcedId": course["externalId"], "title": course["title"], "courseSourcedId": "algebra", "schoolSourcedId": "org-1"}
        for course in COURSES
    ]
    for n in range(LEARNERS):
        files.person(f"s{n}", f"Learner {n}", "Example", "student")
        for course in COURSES:
            files.enroll(f"s{n}", course["externalId"])
    return files.write(folder / "roster")


def relayed() -> list[dict[str, Any]]:
    """What a relay reports: for each learner what completes the four units, by external ids alone."""
    film = {"video_segments": [[0, 150]], "video_duration_seconds": 200}
    score = {"score": 8, "max_score": 10}
    return [
        {"user": f"ext:s{n}", "event_id": f"relay-{n}-{unit}", "course_external_id": course, "unit_external_id": unit} | told
        for n in range(LEARNERS)
        for course, unit, told in (
            (COURSE, VIDEO, {"activity_type": "video_progress", "engagement_metrics": film}),
            (COURSE, PROBLEM, {"activity_type": "quiz_submit", "metadata": score}),
            (MOODLE_COURSE, PAGE, {"activity_type": "unit_view"}),
            (MOODLE_COURSE, QUIZ, {"activity_type": "quiz_submit", "metadata": score}),
        )
    ]


class Institution:
    """What the institution runs every day: all of it can be repeated."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.database_url = database_url
        self.roster = roster(folder)
        self.logs = [("openedx-tracking", open_edx_log(folder)), ("moodle-log", moodle_log(folder))]

    async def make_key(self) -> None:
        """Create the key under which everything else is asked."""
        scopes = ("events:write", "progress:read", "webhooks:write")
        key = await self.headway("key", "create", "--name", "Relay", *(word for scope in scopes for word in ("--scope", scope)))
        self.headers = {"Authorization": f"Bearer {key['key']}"}

    async def headway(self, *arguments: str) -> Any:
        """Run a command, and return what it printed as JSON."""
        done = await run_headway(*arguments, "--database", self.database_url, secret_key=SECRET_KEY)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    async def bring_in_the_roster(self) -> Any:
        return await self.headway("import", "roster", str(self.roster), "--json")

    async def import_logs(self) -> list[Any]:
        return [await self.headway("import", kind, str(path), "--json") for kind, path in self.logs]

    async def relay(self, client: httpx.AsyncClient) -> Counter[str]:
        """Report everything in batches, and return the number of verdicts of each kind."""
        items, found = relayed(), Counter[str]()
        for start in range(0, len(items), 500):
            answer = await client.post("/api/v1/events", json={"events": items[start : start + 500]}, headers=self.headers)
            assert answer.status_code == 200, answer.text
            found.update(result["status"] for result in answer.json()["data"]["results"])
        return found

    async def results(self, client: httpx.AsyncClient, course_ids: list[str]) -> list[str]:
        answers = [await client.get(f"/api/v1/courses/{each}/export", headers=self.headers) for each in course_ids]
        assert [answer.status_code for answer in answers] == [200, 200]
        return [answer.text for answer in answers]


@pytest.mark.timeout(300)
async def test_an_institutions_day(world: World, database_url: str, tmp_path: Path, receiver: Receiver) -> None:
    world.clock.now = time.time_ns() // 1_000_000
    await world.user(Role.INSTRUCTOR, email="owner@north.example")
    institution = Institution(database_url, tmp_path)
    await institution.make_key()
    ids: list[str] = []
    for number, course in enumerate(COURSES):
        file = tmp_path / f"course-{number}.json"
        file.write_text(json.dumps(course))
        ids.append((await institution.headway("course", "import", str(file)))["id"])
    environment = {"HEADWAY_WEBHOOK_ALLOW_HTTP": "true", "HEADWAY_WEBHOOK_ALLOW_PRIVATE_ADDRESSES": "true"}

    with HeadwayProcess(database_url, tmp_path, SECRET_KEY, **environment) as server:
        async with open_client(server.url, timeout=60) as client:
            subscribed = await client.post("/api/v1/webhooks", json={"url": receiver.url}, headers=institution.headers)
            assert subscribed.status_code == 201, subscribed.text
            enrolled = await institution.bring_in_the_roster()
            reported = await institution.relay(client)
            imported = await institution.import_logs()
            results = await institution.results(client, ids)
            repeated = (
                await institution.bring_in_the_roster(),
                await institution.relay(client),
                await institution.import_logs(),
            )
            again = await institution.results(client, ids)
            await wait_for_deliveries(client, subscribed.json()["data"]["id"], institution.headers)
            received = receiver.completions()

    assert enrolled["counts"]["enrollment"]["created"] == 2 * LEARNERS
    assert reported == {"accepted": UNITS * LEARNERS}
    assert [(each["events"], each["duplicates"]) for each in imported] == [(4 * LEARNERS, 0), (2 * LEARNERS, 0)]
    assert [each["not_taken"][0]["count"] for each in imported if each["not_taken"]] == [LEARNERS]
    for text in results:
        rows = list(csv.DictReader(io.StringIO(text)))
        assert {row["externalId"] for row in rows} == {f"s{n}" for n in range(LEARNERS)}
        assert {(row["status"], row["progressPercent"]) for row in rows} == {("COMPLETED", "100.00")}
    assert not repeated[0]["hasChanges"]
    assert repeated[1] == {"duplicate": UNITS * LEARNERS}
    assert [each["events"] for each in repeated[2]] == [0, 0]
    assert again == results
    assert received == Counter((f"s{n}", unit) for n in range(LEARNERS) for unit in (VIDEO, PROBLEM, PAGE, QUIZ))
    assert (await institution.headway("verify"))["differences"] == []
    await institution.headway("audit", "verify")


async def wait_for_deliveries(
    client: httpx.AsyncClient, webhook: str, headers: dict[str, str], *, seconds: float = 120
) -> None:
    """Wait until the webhook has everything."""
    give_up = time.monotonic() + seconds
    while (pending := (await client.get(f"/api/v1/webhooks/{webhook}", headers=headers)).json()["data"]["pending"]) > 0:
        assert time.monotonic() < give_up, f"{pending} deliveries wait"
        await asyncio.sleep(0.2)

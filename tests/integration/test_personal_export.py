"""Exports of everything that is known of a person: complete, of nobody else, and bounded."""

import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, or_, select, update

from headway.accounts.tables import users
from headway.assessments.model import NewGrade
from headway.audit.model import Action
from headway.audit.tables import audit_entries
from headway.db.types import metadata
from headway.errors import Forbidden, Overloaded
from headway.feed.tables import feed
from headway.identity import Caller, Role, Scope
from headway.learning.model import ActivityType, Event
from headway.privacy import export as personal_export
from headway.privacy.export_sections import NOT_TOLD, sections
from headway.settings import Settings
from tests.app_server import open_server
from tests.contract.rates import WITHOUT_RATE_LIMITS
from tests.contract.rights.conftest import School
from tests.contract.samples import SAMPLES
from tests.contract.test_fuzz import Fuzz
from tests.databases import SECRET_KEY
from tests.integration.archives import archive, files, record
from tests.integration.personal_archive import PersonalArchive
from tests.world import FakeClock, World

OWN, OF_LEARNER = "/api/v1/learner/me/export", "/api/v1/users/{learner_id}/export"
PLANTED = "PLANTED-BY-SOMEBODY-ELSE"
HOSTILE = '<img src=x onerror="alert(1)">\u202e{{ 7 * 7 }}</title><script>alert(2)</script>'
COUNTED_OTHERWISE = {"users", "feed", "invitations", "audit_entries", "archives", "disclosures"}


class Plot:
    """A school in which the `learner` did everything by all five contracts, and others left texts that are not hers."""

    def __init__(self, world: World, client: httpx.AsyncClient) -> None:
        self.world, self.client = world, client
        self.fuzz = Fuzz(School(world, client))

    @property
    def school(self) -> School:
        return self.fuzz.school

    async def build(self) -> "Plot":
        for name, sample in SAMPLES.items():
            if not self.school.ids:
                await self.fuzz.prepare()
                await self._plant()
            if not sample.is_final and sample.role in {"learner", "tutor"} and "submi" not in name:
                answer = await self.fuzz.send(name.partition(" ")[0], sample, (), None)
                assert answer.status_code < 300, f"{name} is {answer.status_code}: {answer.text}"
        await self._study_on()
        return self

    async def _plant(self) -> None:
        """Name others, and have them write about each other."""
        school, world, services = self.school, self.world, self.world.services
        peer, stranger, tutor = (school.people[name] for name in ("peer", "stranger", "other tutor"))
        async with world.database.write() as tx:
            for user in (stranger, tutor):
                await tx.run(
                    update(users).where(users.c.id == user.id).values(name=f"{PLANTED} name", external_id=f"x{user.id}")
                )
        course_id, assessment_id = int(school.ids["course"]), int(school.ids["assessment"])
        await world.write(services.messaging.send, peer.id, school.people["tutor"].id, f"{PLANTED} message")
        caller = Caller(peer.id, Role.PARTICIPANT)
        work, _ = await world.write(services.assessments.submit, caller, assessment_id, f"https://github.com/{PLANTED}/x")
        staff = Caller(school.people["tutor"].id, Role.INSTRUCTOR)
        await world.write(services.assessments.grade, staff, work.id, NewGrade(3, feedback=f"{PLANTED} feedback"))
        feedback = NewGrade(3, feedback="Well reasoned")
        await world.write(services.assessments.grade, staff, school.ids["submission"], feedback)
        await world.write(services.attention.add_note, staff, course_id, peer.id, f"{PLANTED} note")
        await world.write(services.attention.add_note, staff, course_id, int(school.ids["learner_id"]), "Reads slowly")
        body = {"action": "ACT", "target": {"type": "USER", "id": school.ids["peer_id"], "name": f"{PLANTED} target"}}
        assert (await school.ask("learner", "POST", "/api/v1/activities", body)).status_code == 201

    async def _study_on(self) -> None:
        """Leave rows in the tables that the samples do not reach."""
        school, world, learner_id = self.school, self.world, int(self.school.ids["learner_id"])
        assert (await school.ask("learner", "POST", "/api/v1/courses/{full}/enroll?waitlist=true")).status_code == 202
        event = {
            "activity_type": "unit_view",
            "course_id": int(school.ids["course"]),
            "session_id": "late",
            "duration_seconds": 9,
        }
        late = event | {
            "sent_at": "2026-01-01T09:00:00Z",
            "end_time": "2026-01-01T08:59:00Z",
            "start_time": "2026-01-01T08:58:00Z",
        }
        events = [event | {"event_id": f"more {number}"} for number in range(7)] + [late]
        answer = await school.ask("learner", "POST", "/api/courses/activity/batch", {"events": events})
        assert answer.json()["data"]["accepted"] == 8, answer.text
        await world.set_password(learner_id, "Corr3ct-Horse")
        async with world.database.write() as tx:
            await tx.run(update(users).where(users.c.id == learner_id).values(name=HOSTILE))
        await world.write(world.services.accounts.change, learner_id, email="ada@school.test")
        credentials = {"email": "ada@school.test", "password": "Corr3ct-Horse"}
        assert (await school.ask("nobody", "POST", "/api/v1/learner/auth/login", credentials)).status_code == 201
        wrong = credentials | {"password": "wrong"}
        assert (await school.ask("nobody", "POST", "/api/v1/learner/auth/login", wrong)).status_code == 401

    async def export(self, role: str = "learner", path: str = OWN, **headers: str) -> PersonalArchive:
        return PersonalArchive.of(await self.school.ask(role, "GET", path, **headers))

    async def stored(self, learner_id: int) -> dict[str, int]:
        """Count the rows of a person in plain SQL, by table."""
        counts = {}
        for name, table in metadata.tables.items():
            if "user_id" in table.c:
                found = await self.world.rows(select(func.count()).select_from(table).where(table.c.user_id == learner_id))
                counts[name] = found[0][0]
        return counts


@pytest.fixture
async def plot(settings: Settings) -> Any:
    unlimited: dict[str, Any] = WITHOUT_RATE_LIMITS
    settings = Settings(
        database_url=settings.database_url, secret_key=SECRET_KEY, postgres_pool_size=4, exports_per_hour=1000, **unlimited
    )
    async with open_server(settings, FakeClock()) as (client, world):
        yield await Plot(world, client).build()


async def test_an_export_has_all_rows_of_a_person_and_nothing_of_others(plot: Plot) -> None:
    learner_id = int(plot.school.ids["learner_id"])
    exported = await plot.export("admin", OF_LEARNER)
    counts = await plot.stored(learner_id)

    told = {table: section.name for section in sections() for table in section.tables if table not in COUNTED_OTHERWISE}
    assert {table: len(exported.sections[name]) for table, name in told.items()} == {table: counts[table] for table in told}
    filled = {table for table in told if counts[table]}
    assert filled >= {
        *("enrollments", "unit_progress", "study_days", "learner_activity_logs", "sessions", "submissions", "messages"),
        *("conversations", "tutorial_progress", "chapter_progress", "quiz_scores", "waiting_list", "course_notes"),
        *("client_clocks",),
    }
    assert counts.keys() - told.keys() - NOT_TOLD.keys() == set()
    (account,) = exported.sections["account"]
    assert (account["name"], account["email"]) == (HOSTILE, "ada@school.test")
    entries = await plot.world.rows(select(func.count()).select_from(feed).where(feed.c.topic == f"user:{learner_id}"))
    assert len(exported.sections["feed"]) == entries[0][0] > 0
    assert PLANTED not in exported.text
    readers = {each["readerName"] for each in exported.sections["disclosures"]}
    others = {
        name: user.name
        for name, user in plot.school.people.items()
        if name not in {"learner", "peer"} and user.name not in readers
    }
    assert readers
    assert [name for name, text in others.items() if text in exported.text] == []


async def test_an_export_has_the_entries_of_the_log_that_have_to_do_with_the_person(plot: Plot) -> None:
    learner_id = int(plot.school.ids["learner_id"])
    exported = await plot.export()
    log, name = audit_entries.c, str(learner_id)

    mine = or_(
        log.actor_id == name,
        log.recorded_by == learner_id,
        (log.target_type == "USER") & (log.target_id == name),
        (log.target_type == "ENROLLMENT") & log.target_id.like(f"%-{name}"),
    )
    expected = [row[0] for row in await plot.world.rows(select(log.seq).where(mine).order_by(log.seq))]
    entries = exported.sections["audit-log"]
    assert [each["seq"] for each in entries] == expected
    assert {each["action"] for each in entries} >= {"LOGIN", "LOGIN_FAILED", "CHANGE_EMAIL", "EXPORT_DATA", "ACT"}
    assert entries[-1]["action"] == "EXPORT_DATA"
    assert all(each["isActor"] or each["isTarget"] or "clientAddress" in each for each in entries)


async def test_an_export_has_texts_in_the_clear_and_no_secrets(plot: Plot) -> None:
    exported = await plot.export()
    stored = await plot.world.rows(select(users.c.password_hash, users.c.email_hash).where(users.c.name == HOSTILE))

    assert {each["message"] for each in exported.sections["messages"]} >= {"Hello"}
    assert all(each["peerName"] for each in exported.sections["messages"])
    assert all(each["courseTitle"] for each in exported.sections["enrollments"])
    assert not any(secret in exported.text for secret in (*stored[0], SECRET_KEY, "gAAAA", "Corr3ct-Horse"))


async def test_notes_of_staff_are_given_by_administrators_or_where_a_setting_says_so(plot: Plot) -> None:
    own, given = await plot.export(), await plot.export("admin", OF_LEARNER)

    assert "staff-notes" not in own.sections
    assert own.manifest["onRequest"] == ["staff-notes", "staff-dismissals"]
    assert "Reads slowly" not in own.text
    assert [each["text"] for each in given.sections["staff-notes"]] == ["Reads slowly"]
    assert given.manifest["onRequest"] == []
    plot.world.services.personal_exports._gives_staff_notes = True
    parts = plot.world.services.personal_exports.file(
        _reader(plot.world),
        Caller(int(plot.school.ids["learner_id"]), Role.PARTICIPANT),
        int(plot.school.ids["learner_id"]),
        str,
    )
    assert "Reads slowly" in PersonalArchive(b"".join([part async for part in parts])).text


async def test_the_page_of_an_export_shows_hostile_texts_as_texts(plot: Plot) -> None:
    exported = await plot.export(**{"Accept-Language": "de"})

    assert '<html lang="de">' in exported.page
    assert "<script" not in exported.page
    assert "<img" not in exported.page
    assert "&lt;img src=x onerror=" in exported.page
    assert 'http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;' in exported.page


def _reader(world: World) -> Any:
    async def read(act: Any, /) -> Any:
        async with world.database.read() as tx:
            return await act(tx)

    return read


async def test_everybody_has_their_own_data_and_administrators_anybodys(plot: Plot) -> None:
    school = plot.school
    own = {
        role: (await school.ask(role, "GET", OWN)).status_code for role in ("nobody", "stranger", "tutor", "admin", "system")
    }
    of_learner = {
        role: (await school.ask(role, "GET", OF_LEARNER)).status_code
        for role in ("nobody", "learner", "peer", "tutor", "system")
    }

    assert own == {"nobody": 401, "stranger": 200, "tutor": 200, "admin": 200, "system": 200}
    assert of_learner == {"nobody": 401, "learner": 200, "peer": 403, "tutor": 403, "system": 403}
    missing = await school.ask("admin", "GET", "/api/v1/users/999999/export")
    assert (missing.status_code, missing.json()["code"]) == (404, "USER_NOT_FOUND")
    logged = await plot.world.rows(select(func.count()).where(audit_entries.c.action == Action.EXPORT_DATA.value))
    assert logged == [(5,)]


async def test_no_api_key_exports_anything(world: World, client: httpx.AsyncClient) -> None:
    service = await world.user(Role.SYSTEM)
    _, secret = await world.write(world.services.api_keys.create, "All", list(Scope), user_id=service.id)
    bearer = {"Authorization": f"Bearer {secret}"}

    statuses = [(await client.get(path, headers=bearer)).status_code for path in (OWN, f"/api/v1/users/{service.id}/export")]

    assert statuses == [403, 403]


async def test_an_instructors_export_tells_nothing_of_learners(plot: Plot) -> None:
    exported = await plot.export("tutor")

    assert exported.sections["course-roles"]
    for name in ("learner", "stranger"):
        assert plot.school.people[name].name not in exported.text
    for hidden in ("ada@school.test", "invited@school.test", f"{PLANTED} feedback", f"{PLANTED} note", "Reads slowly"):
        assert hidden not in exported.text, hidden


async def test_of_somebody_who_was_erased_what_is_left_is_exported(plot: Plot) -> None:
    school, learner_id = plot.school, int(plot.school.ids["learner_id"])
    assert "Hello" in (await plot.export("peer")).text
    body = {"reason": "request", "confirmation": str(learner_id)}
    assert (await school.ask("admin", "POST", "/api/v1/users/{learner_id}/erasure", body)).status_code == 201

    left, of_peer = await plot.export("admin", OF_LEARNER), await plot.export("peer")

    (account,) = left.sections["account"]
    assert (account["email"], account["externalId"]) == (None, None)
    counts = await plot.stored(learner_id)
    assert len(left.sections["unit-progress"]) == counts["unit_progress"] > 0
    assert len(left.sections["events"]) == counts["learner_activity_logs"] > 0
    for gone in (HOSTILE, json.dumps(HOSTILE)[1:-1], "ada@school.test", "Hello", "Reads slowly"):
        assert gone not in left.text, gone
        assert gone not in of_peer.text, gone
    assert (await school.ask("learner", "GET", OWN)).status_code == 401


async def test_archived_events_are_told_and_a_missing_file_is_named(plot: Plot, tmp_path: Path) -> None:
    before = {each["eventId"]: each for each in (await plot.export()).sections["events"]}
    folder = tmp_path / "archives"
    await archive(plot.world, folder)
    moved = await plot.export("admin", OF_LEARNER)
    paths = files(folder)
    archived = {each["eventId"]: each for each in moved.sections["archived-events"]}

    assert len(paths) > 1
    assert moved.sections["events"] == []
    assert {name: _comparable(each) for name, each in archived.items()} == {
        name: _comparable(each) for name, each in before.items()
    }
    assert moved.manifest["missing"] == []
    for path in paths:
        path.unlink()
    missing = await plot.export("admin", OF_LEARNER)
    assert missing.sections["archived-events"] == []
    named = {each["file"] for each in missing.manifest["missing"]}
    assert named
    assert named <= {path.name for path in paths}
    assert {each["reason"] for each in missing.manifest["missing"]} == {"is missing"}
    assert all(name in missing.page for name in named)


def _comparable(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in {"courseTitle", "unitTitle"}}


async def test_memory_does_not_grow_with_what_is_exported(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files end after so many bytes, and the next one begins; the archive is never in memory as a whole."""
    course, filler = await world.course(), random.Random(5)
    few, many = [await world.learner(course) for _ in range(2)]
    for learner, groups in ((few, 5), (many, 20)):
        for group in range(groups):
            texts = [filler.randbytes(500).hex() for _ in range(200)]
            events = [
                Event(f"{group} {at}", ActivityType.SEARCH, course.id, metadata=f'{{"text":"{text}"}}')
                for at, text in enumerate(texts)
            ]
            await record(world, learner.id, *events)
    monkeypatch.setattr(personal_export, "_LONGEST_FILE", 1_000_000)
    exports = world.services.personal_exports

    peaks, largest = [], 0
    for learner in (few, few, many):
        tracemalloc.start()
        async for part in exports.file(_reader(world), None, learner.id, lambda _page: ""):
            largest = max(largest, len(part))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    parts = [part async for part in exports.file(_reader(world), None, many.id, lambda _page: "")]
    exported = PersonalArchive(b"".join(parts))

    assert len(exported.sections["events"]) == 4_000
    names = ["events-2.json", "events-3.json", "events-4.json", "events.json"]
    assert sorted(name for name in exported.files if name.startswith("events")) == names
    assert largest < 500_000
    # Three thousand events more are 4.7 MB more.
    assert peaks[2] - peaks[1] < 1_000_000, peaks


async def test_a_client_that_leaves_costs_nothing(world: World) -> None:
    learner = await world.user()
    exports = world.services.personal_exports
    caller = Caller(learner.id, Role.PARTICIPANT)
    for _ in range(6):
        parts = exports.file(_reader(world), caller, learner.id, lambda _page: "")
        await anext(parts)
        assert exports.running == 1
        await parts.aclose()
        assert exports.running == 0


async def test_exports_are_limited_at_once_and_by_the_hour(world: World, client: httpx.AsyncClient) -> None:
    learner, other = await world.user(), await world.user()
    exports = world.services.personal_exports
    begun = [exports.file(_reader(world), None, learner.id, lambda _page: "") for _ in range(5)]
    for each in begun[:4]:
        await anext(each)
    with pytest.raises(Overloaded):
        await anext(begun[4])
    for each in begun:
        await each.aclose()

    statuses = [(await client.get(OWN, headers=world.bearer(learner))).status_code for _ in range(11)]
    refused = await client.get(OWN, headers=world.bearer(learner))

    assert statuses == [200] * 10 + [429]
    assert (refused.json()["code"], int(refused.headers["Retry-After"]) > 3_000) == ("RATE_LIMITED", True)
    assert (await client.get(OWN, headers=world.bearer(other))).status_code == 200


async def test_an_export_breaks_off_when_the_right_to_it_ends(world: World) -> None:
    learner, admin = await world.user(), await world.user(Role.ADMIN)
    parts = world.services.personal_exports.file(_reader(world), Caller(admin.id, Role.ADMIN), learner.id, lambda _page: "")
    await anext(parts)
    await world.write(world.services.accounts.change, admin.id, role=Role.INSTRUCTOR)
    with pytest.raises(Forbidden):
        async for _ in parts:
            pass
    assert world.services.personal_exports.running == 0

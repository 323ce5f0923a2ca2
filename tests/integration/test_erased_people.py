"""Who was erased does not come back, and an erasure takes nothing of others: not their mails, filters, entries nor files."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, or_, select

from headway.accounts.model import NewUser, User
from headway.accounts.naming import find_user
from headway.accounts.own_address import asked_letter
from headway.attention.learners import SavedFilter
from headway.attention.tables import saved_filters
from headway.audit.model import Context, EntryDraft, Target, TargetType
from headway.audit.service import AuditLog
from headway.audit.tables import audit_entries
from headway.audit.verify import verify_log
from headway.courses import staff_store
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree
from headway.enrollments.model import Enrollment
from headway.enrollments.status import EnrollmentStatus, StatusChange
from headway.errors import Conflict, HeadwayError, OperatorError
from headway.identity import Caller, Client, Role, Scope
from headway.ids import uuid7
from headway.instants import DAY, SECOND
from headway.learning.model import ActivityType, Event, Outcome, Report
from headway.learning.tables import learner_activity_logs, uncounted_events
from headway.mail import store as mail_store
from headway.mail.model import Letter, MailKind
from headway.mail.tables import mails
from headway.messaging.model import Message
from headway.messaging.tables import messages
from headway.paging.service import Slice
from headway.privacy.erasure import ErasureRequest, Reason
from headway.privacy.receipts import Receipt
from headway.telemetry import Metrics
from tests.integration.archives import LATER, archive, archiving, record, verify
from tests.integration.concurrency import differences
from tests.integration.retentions import retention
from tests.world import NOON, World

HERE = Client("192.0.2.7", "a browser")


async def erase(world: World, user: User) -> Receipt:
    wanted = ErasureRequest(user.id, Reason.REQUEST, str(user.id))
    found = await world.read(world.services.erasure.prepare, None, wanted)
    made = await world.write(world.services.erasure.erase, wanted, found)
    return made.signed.receipt


async def person(world: World, name: str, **given: Any) -> User:
    return await world.write(world.services.accounts.add, NewUser(Role.PARTICIPANT, name, **given))


async def a_course(world: World) -> tuple[CourseTree, User]:
    course = await world.course((Completion(Rule.MANUAL),))
    return course, await world.learner(course)


def event(course: CourseTree, event_id: str, **given: Any) -> Event:
    return Event(event_id, ActivityType.UNIT_VIEW, course.id, unit_id=course.units[0].id, **given)


async def enrollment(world: World, user: User, course: CourseTree) -> Enrollment:
    found = await world.read(world.services.enrollments.find, user.id, course.id)
    assert found is not None
    return found


@pytest.fixture
async def relay(client: httpx.AsyncClient, world: World) -> Callable[..., Any]:
    """A service that reports events for learners, and tells what became of them."""
    _, key = await world.write(world.services.api_keys.create, "Relay", [Scope.EVENTS_WRITE])

    async def send(*items: dict[str, Any]) -> list[tuple[str, str | None]]:
        answer = await client.post("/api/v1/events", json={"events": items}, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200, answer.text
        return [(each["status"], each.get("code")) for each in answer.json()["data"]["results"]]

    return send


async def test_events_that_a_service_reports_late_are_not_stored(world: World, relay: Callable[..., Any]) -> None:
    course, learner = await a_course(world)
    await world.write(world.services.accounts.set_external_id, learner.id, "subject-5")
    other = await world.course()
    late = {"activity_type": "unit_view", "course_id": course.id, "metadata": {"note": "secret"}}
    late |= {"start_time": "2025-01-01T00:00:00Z", "duration_seconds": 10}
    await erase(world, learner)

    told = await relay(
        {"user": f"id:{learner.id}", **late},
        {"user": "ext:subject-5", **late},
        {"user": f"id:{learner.id}", **late, "course_id": other.id},
    )

    assert told == [("rejected", "USER_ERASED"), ("rejected", "USER_NOT_FOUND"), ("rejected", "USER_ERASED")]
    assert await world.rows(select(learner_activity_logs)) == []


@pytest.mark.parametrize("status", [EnrollmentStatus.DROPPED, EnrollmentStatus.CERTIFIED])
async def test_events_that_were_under_way_are_refused(world: World, status: EnrollmentStatus) -> None:
    course, learner = await a_course(world)
    if status is EnrollmentStatus.CERTIFIED:
        done = Event("done", ActivityType.UNIT_COMPLETE, course.id, unit_id=course.units[0].id)
        assert await record(world, learner.id, done) == [Outcome.ACCEPTED]
        owner = Caller((await world.user(Role.ADMIN)).id, Role.ADMIN)
        await world.write(world.services.enrollments.set_status, owner, course.id, learner.id, StatusChange(status))
    await erase(world, learner)

    before = event(course, "late", start_time=NOON - 60 * SECOND, duration_seconds=10)

    assert (await enrollment(world, learner, course)).status is status
    assert await record(world, learner.id, before) == [Outcome.REJECTED]
    assert await differences(world) == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_group_of_another_process_that_waits_for_an_erasure_is_refused(world: World, other: World) -> None:
    course, learner = await a_course(world)
    wanted = ErasureRequest(learner.id, Reason.REQUEST, str(learner.id))
    found = await world.read(world.services.erasure.prepare, None, wanted)
    report = Report(learner.id, NOON, (event(course, "theirs", metadata='{"note":"secret"}'),))

    async with world.database.write() as tx:
        await world.services.erasure.erase(tx, wanted, found)
        recording = asyncio.create_task(other.write(other.services.tracking.record, [report], NOON))
        await asyncio.sleep(0.3)
        assert not recording.done()
    ((verdict,),) = await recording

    assert verdict.outcome is Outcome.REJECTED
    assert await world.rows(select(learner_activity_logs)) == []


async def test_nobody_enrolls_who_was_erased(world: World) -> None:
    course, learner = await a_course(world)
    other = await world.course(capacity=1)
    await erase(world, learner)

    for each in (course, other):
        with pytest.raises(Conflict):
            await world.write(world.services.enrollments.enroll, learner.id, each.id)


async def test_texts_that_were_under_way_are_not_kept(world: World) -> None:
    course, learner = await a_course(world)
    peer = await world.learner(course)
    caller = Caller(learner.id, learner.role, name="Zaphodine", email="zq@example.org")
    log = AuditLog(world.database, world.clock, uuid7, Metrics(), find_user=find_user)
    await erase(world, learner)

    entry = await log.record(caller, EntryDraft("THINK", None, Target(TargetType.OTHER), Context("My secret"), {}), HERE)
    await world.write(world.services.messaging._store, [await _message(world, learner, peer)])
    await log.close()

    stored = await world.rows(select(messages.c.message))
    assert stored == [("",), ("",)]
    kept = await world.rows(select(audit_entries.c.content).where(audit_entries.c.id == entry.id))
    assert kept == [("",)]
    assert (await world.read(verify_log, kept_head=None)).faults == []


@pytest.mark.parametrize(("name", "external_id"), [("Ed", "1"), ("e", "or"), ("Will", "course")])
async def test_a_short_name_takes_nothing_of_others(world: World, name: str, external_id: str) -> None:
    course, _ = await a_course(world)
    tutor = await owner_of(world, course)
    erased = await person(world, name, email="ed@example.org", external_id=external_id)
    values = {"course": "Course 1: how will Ed be edited or not", "days": "1", "token": "1"}
    for to in ("fred@example.org", "ED@example.org"):
        await world.write(mail_store.insert_letters, [(uuid7(), Letter(MailKind.COURSE_INVITATION, to, None, values))], NOON)
        await fail_to_sign_in(world, to)
    for title, query in (("Edited or willing", "q=fred&status=ENROLLED"), ("Of Ed", "q=quest")):
        await world.write(world.services.learner_lists.save, tutor, course.id, SavedFilter(title, query))

    receipt = await erase(world, erased)

    assert receipt.erased["mails"] == 1
    ((recipient,),) = await world.rows(select(mails.c.recipient))
    assert await world.decrypt(recipient) == ["fred@example.org"]
    assert ("Edited or willing",) in await world.rows(select(saved_filters.c.name))
    failed = await world.rows(
        select(audit_entries.c.content == "").where(
            audit_entries.c.action == "LOGIN_FAILED", audit_entries.c.actor_id.is_(None)
        )
    )
    assert sorted(map(bool, (each for (each,) in failed))) == [False]


async def test_a_filter_for_a_part_of_the_name_is_deleted(world: World) -> None:
    course, _ = await a_course(world)
    tutor = await owner_of(world, course)
    erased = await person(world, "Zaphodine Quillfeather", email="zq@example.org", external_id="subject-4711")
    saved = [("One", "q=quillf"), ("Watch Quillfeather", ""), ("Two", "q=subject-4711"), ("Three", "q=other"), ("Mine", "q=")]
    for title, query in saved:
        await world.write(world.services.learner_lists.save, tutor, course.id, SavedFilter(title, query))

    await erase(world, erased)

    assert await world.rows(select(saved_filters.c.name).order_by(saved_filters.c.name)) == [("Mine",), ("Three",)]


async def test_what_was_asked_for_a_new_address_is_deleted(world: World) -> None:
    erased = await person(world, "Zaphodine Quillfeather", email="zq@example.org")
    letter = asked_letter(erased, None, "new@example.org", None)
    await world.write(mail_store.insert_letters, [(uuid7(), letter)], NOON)

    await erase(world, erased)

    assert await world.rows(select(mails.c.id)) == []


async def test_ids_and_targets_that_clients_made_up_are_replaced(world: World) -> None:
    course, learner = await a_course(world)
    other = await world.user()
    await world.write(world.services.accounts.change, learner.id, name="Zaphodine Quillfeather", email="zq@example.org")
    log = AuditLog(world.database, world.clock, uuid7, Metrics(), find_user=find_user)
    own, theirs = Caller(learner.id, learner.role), Caller(other.id, other.role)
    for caller, action, target in (
        (own, "SEE zq@example.org", Target(TargetType.FILE, "photo of Zaphodine Quillfeather")),
        (theirs, "SEE", Target(TargetType.OTHER, "letter to ZQ@example.org")),
        (theirs, "SEE", Target(TargetType.OTHER, "letter to fzq@example.org")),
    ):
        await log.record(caller, EntryDraft(action, None, target, Context(), {}), HERE)
    await log.close()
    known = uuid7()
    late = event(course, "zq@example.org-9", start_time=NOON - 60 * SECOND, duration_seconds=10)
    assert (
        await record(world, learner.id, event(course, "zq@example.org-1"), event(course, known), late) == [Outcome.ACCEPTED] * 3
    )

    receipt = await erase(world, learner)

    ids = {event_id for (event_id,) in await world.rows(select(learner_activity_logs.c.event_id))}
    assert (len(ids), known in ids, [each for each in ids if "@" in each]) == (3, True, [])
    named = select(audit_entries.c.action, audit_entries.c.target_id).where(
        or_(audit_entries.c.target_type == "FILE", audit_entries.c.target_type == "OTHER")
    )
    assert await world.rows(named.order_by(audit_entries.c.seq)) == [
        ("ERASED", str(learner.id)),
        ("SEE", str(learner.id)),
        ("SEE", "letter to fzq@example.org"),
    ]
    assert receipt.erased["auditEntriesChanged"] >= 2
    assert (await world.read(verify_log, kept_head=None)).faults == []
    assert await differences(world) == []


async def test_events_outside_of_the_times_of_their_units_stay_tied_to_their_evidence(world: World) -> None:
    course, learner = await a_course(world)
    async with world.database.write() as tx:
        unit = course.units[0].id
        assert await record_in(world, tx, learner, event(course, "zq-1")) == [Outcome.ACCEPTED]
        values = {"user_id": learner.id, "course_id": course.id, "unit_id": unit, "occurred_at": NOON, "metadata": "{}"}
        await tx.run(insert(uncounted_events).values(**values, event_id="zq-1"))

    await erase(world, learner)

    in_table = await world.rows(select(learner_activity_logs.c.event_id))
    assert in_table == await world.rows(select(uncounted_events.c.event_id)) != [("zq-1",)]


async def test_nobody_is_erased_whose_events_are_being_archived(world: World, tmp_path: Path) -> None:
    course, learner = await a_course(world)
    events = [event(course, f"e{i}", metadata='{"note":"secret"}') for i in range(4)]
    await record(world, learner.id, *events)

    def stop(moved: int, _written: int) -> None:
        if moved:
            raise OperatorError("The power is gone.")

    world.clock.now = LATER
    with pytest.raises(OperatorError):
        await archiving(world, stop).run(LATER - DAY, tmp_path)
    with pytest.raises(Conflict, match="are being archived"):
        await erase(world, learner)
    await archive(world, tmp_path)
    receipt = await erase(world, learner)

    assert receipt.left == {"archivedEvents": 4}
    assert (await verify(world)).differences == []


async def test_an_archive_that_is_written_during_an_erasure_is_thrown_away(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    course, learner = await a_course(world)
    await record(world, learner.id, *(event(course, f"e{i}", metadata='{"note":"secret"}') for i in range(4)))
    world.clock.now = LATER
    slow = archiving(world)
    write: Callable[..., Any] = slow._write

    async def write_slowly(*arguments: Any) -> Any:
        written = await write(*arguments)
        await erase(world, learner)
        return written

    monkeypatch.setattr(slow, "_write", write_slowly)
    with pytest.raises(OperatorError, match="Run this again"):
        await slow.run(LATER - DAY, tmp_path)

    assert list(tmp_path.glob("*.parquet")) == []
    assert len(await archive(world, tmp_path)) == 1
    assert (await verify(world)).differences == []


async def owner_of(world: World, course: CourseTree) -> Caller:
    (member,) = await world.read(staff_store.list_members, course.id, Slice(1))
    return Caller(member.user_id, Role.INSTRUCTOR)


async def record_in(world: World, tx: Any, learner: User, *events: Event) -> list[Outcome]:
    (verdicts,) = await world.services.tracking.record(tx, [Report(learner.id, NOON, events)], NOON)
    return [verdict.outcome for verdict in verdicts]


async def fail_to_sign_in(world: World, email: str) -> None:
    with pytest.raises(HeadwayError):
        await world.services.sign_in.sign_in(email=email, password="wrong", client=HERE)


async def _message(world: World, sender: User, receiver: User) -> Message:
    return Message(uuid7(), sender.id, receiver.id, "My secret", False, world.clock())


@pytest.mark.parametrize("erases_first", [True, False])
async def test_erasure_and_retention_in_either_order_leave_the_same(world: World, erases_first: bool) -> None:
    course, learner = await a_course(world)
    peer = await world.learner(course)
    await record(world, learner.id, event(course, "old", metadata='{"note":"secret"}', duration_seconds=30))
    await world.write(world.services.messaging.send, learner.id, peer.id, "My secret")
    log = AuditLog(world.database, world.clock, uuid7, Metrics(), find_user=find_user)
    caller = Caller(learner.id, learner.role, name="Zaphodine")
    await log.record(caller, EntryDraft("THINK", None, Target(TargetType.FILE), Context("My secret"), {}), HERE)
    await log.close()
    world.clock.now = LATER

    if erases_first:
        await erase(world, learner)
    await retention(world).apply()
    if not erases_first:
        await erase(world, learner)
    await retention(world).apply()

    assert await world.rows(select(learner_activity_logs)) == []
    assert await world.rows(select(messages)) == []
    assert set(await world.rows(select(audit_entries.c.content).where(audit_entries.c.action == "THINK"))) == {("",)}
    assert (await world.read(verify_log, kept_head=None)).faults == []
    assert await differences(world) == []


async def test_an_erased_account_is_nobody_on_every_way_in(client: httpx.AsyncClient, world: World) -> None:
    course, learner = await a_course(world)
    bearer = world.bearer(learner)
    admin = world.bearer(await world.user(Role.ADMIN))
    assert (await client.get("/api/v1/learner/me", headers=bearer)).status_code == 200
    request = {"reason": "request", "confirmation": str(learner.id)}

    assert (await client.post(f"/api/v1/users/{learner.id}/erasure", json=request, headers=admin)).status_code == 201

    seen = {"activity_type": "unit_view", "course_id": course.id}
    ways = [
        client.get("/api/v1/learner/me", headers=bearer),
        client.get("/api/v1/learner/me/export", headers=bearer),
        client.post("/api/courses/activity/track", json=seen, headers=bearer),
        client.post("/api/v1/activities", json={"action": "A", "target": {"type": "OTHER"}}, headers=bearer),
        client.put(f"/api/v1/courses/{course.id}/staff/{learner.id}", json={"role": "instructor"}, headers=admin),
    ]
    statuses = [(await way).status_code for way in ways]
    enrolling = {"items": [{"user": f"id:{learner.id}"}]}
    enrolled = await client.post(f"/api/v1/courses/{course.id}/enrollments", json=enrolling, headers=admin)

    assert statuses[:4] == [401] * 4
    assert statuses[4] in {400, 403, 404, 409}
    assert enrolled.json()["data"][0]["status"] == "rejected", enrolled.text
    assert (await enrollment(world, learner, course)).status is EnrollmentStatus.DROPPED

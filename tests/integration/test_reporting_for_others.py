"""Events that services report for learners: whose they are, what becomes of each, who is created, and what the log says."""

from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import func, select

from headway.accounts.model import User
from headway.accounts.tables import users
from headway.audit.tables import audit_entries
from headway.courses.completion import Completion, Rule
from headway.enrollments.tables import enrollments
from headway.identity import Role, Scope
from headway.learning.tables import learner_activity_logs
from headway.services import make_checks
from headway.settings import Settings
from headway.verify import Verify
from tests.app_server import open_server
from tests.world import FakeClock, World

EVENTS = "/api/v1/events"


class Relay:
    """A service with an API key that reports for a class."""

    def __init__(self, client: httpx.AsyncClient, world: World, key: str) -> None:
        self.client, self.world = client, world
        self.headers = {"Authorization": f"Bearer {key}"}

    async def send(self, *items: Any) -> Any:
        answer = await self.client.post(EVENTS, json={"events": items}, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def verdicts(self, *items: Any) -> list[tuple[str, str | None]]:
        return [(each["status"], each.get("code")) for each in (await self.send(*items))["results"]]

    async def stored(self) -> list[Any]:
        columns = learner_activity_logs.c.user_id, learner_activity_logs.c.event_id
        return sorted(await self.world.rows(select(*columns)))

    async def entries(self, action: str) -> list[Any]:
        columns = audit_entries.c.actor_id, audit_entries.c.target_id
        return await self.world.rows(select(*columns).where(audit_entries.c.action == action).order_by(audit_entries.c.seq))


async def relay_of(client: httpx.AsyncClient, world: World) -> Relay:
    _, key = await world.write(world.services.api_keys.create, "Relay", [Scope.EVENTS_WRITE])
    return Relay(client, world, key)


@pytest.fixture
async def relay(client: httpx.AsyncClient, world: World) -> Relay:
    return await relay_of(client, world)


def event(user: str, course_id: int, **fields: Any) -> dict[str, Any]:
    return {"user": user, "activity_type": "unit_view", "course_id": course_id, **fields}


async def assert_verified(world: World) -> None:
    assert (await Verify(world.database, make_checks()).run()).differences == []


async def test_each_event_is_recorded_for_the_user_whom_it_names(relay: Relay) -> None:
    world = relay.world
    course = await world.course((Completion(Rule.VIEWED), Completion(Rule.TIME, 60)))
    ada = await world.learner(course)
    bob = await world.user(email="bob@example.org", external_id="urn:bob")
    await world.write(world.services.enrollments.enroll, bob.id, course.id)
    viewed = course.units[0].id

    items = [
        event(f"id:{ada.id}", course.id, event_id="one", unit_id=viewed),
        event("ext:urn:bob", course.id, event_id="one", unit_id=viewed),
        event("email:BOB@example.org", course.id, event_id="two", duration_seconds=30),
        event("urn:bob", course.id, activity_type="heartbeat", is_active=True),
        event(f"id:{ada.id}", course.id, event_id="one", unit_id=viewed),
    ]
    first, again = await relay.send(*items), await relay.send(*items)

    assert [each["status"] for each in first["results"]] == ["accepted"] * 4 + ["duplicate"]
    assert [each["status"] for each in again["results"]] == ["duplicate"] * 3 + ["accepted", "duplicate"]
    assert (first["accepted"], first["duplicates"], first["rejected"]) == (4, 1, 0)
    assert [each["eventId"] for each in first["results"]] == ["one", "one", "two", None, "one"]
    assert await relay.stored() == sorted([(ada.id, "one"), (bob.id, "one"), (bob.id, "two")])


async def test_what_is_wrong_with_an_item_costs_its_neighbours_nothing(relay: Relay) -> None:
    world = relay.world
    course = await world.course()
    ada, stranger = await world.learner(course), await world.user()
    twin = await world.user(external_id=str(ada.id))
    good = event(f"id:{ada.id}", course.id, event_id="good")
    await relay.send(good)

    sent = await relay.send(
        event(f"id:{ada.id}", course.id, event_id="new"),
        event("id:999999", course.id, event_id="a"),
        event("ext:nobody", course.id, event_id="b"),
        event("email:nobody@example.org", course.id),
        event(f"{ada.id}", course.id),
        event(f"id:{stranger.id}", course.id),
        event(f"id:{ada.id}", 999_999),
        event(f"id:{ada.id}", course.id, unit_id=999_999),
        {"activity_type": "unit_view", "course_id": course.id, "event_id": "c"},
        event("", course.id),
        event(f"id:{ada.id}", course.id, activity_type="unit_veiw", course_external_id=5),
        {**good, "activity_type": "search"},
        event(f"id:{twin.id}", course.id, duration_seconds=-1),
        5,
    )

    assert [(each["status"], each.get("code")) for each in sent["results"]] == [
        ("accepted", None),
        ("rejected", "USER_NOT_FOUND"),
        ("rejected", "USER_NOT_FOUND"),
        ("rejected", "USER_NOT_FOUND"),
        ("rejected", "AMBIGUOUS_USER"),
        ("rejected", "NOT_ENROLLED"),
        ("rejected", "VALIDATION_ERROR"),
        ("rejected", "VALIDATION_ERROR"),
        ("rejected", "VALIDATION_ERROR"),
        ("rejected", "VALIDATION_ERROR"),
        ("rejected", "VALIDATION_ERROR"),
        ("conflict", "EVENT_ID_REUSED"),
        ("rejected", "VALIDATION_ERROR"),
        ("rejected", "VALIDATION_ERROR"),
    ]
    fields = [[error["field"] for error in each.get("errors", [])] for each in sent["results"]]
    assert fields[1:6] == [["user"]] * 4 + [["course_id"]]
    assert fields[6:10] == [["course_id"], ["unit_id"], ["user"], ["user"]]
    assert "activity_type" in fields[10]
    assert [each["eventId"] for each in sent["results"][1:3]] == ["a", "b"]
    assert await relay.stored() == [(ada.id, "good"), (ada.id, "new")]


@pytest.mark.parametrize("role", [Role.PARTICIPANT, Role.INSTRUCTOR, Role.ADMIN])
async def test_only_services_report_for_others(world: World, client: httpx.AsyncClient, role: Role) -> None:
    course = await world.course()
    ada = await world.learner(course)
    body = {"events": [event(f"id:{ada.id}", course.id)]}

    refused = await client.post(EVENTS, json=body, headers=world.bearer(await world.user(role)))
    with_token = await client.post(EVENTS, json=body, headers=world.bearer(await world.user(Role.SYSTEM)))

    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
    assert with_token.status_code == 200


@pytest.mark.parametrize("body", [b"", b"5", b"{}", b'{"events": []}', b'{"events": 5}', b'{"events": [', b"[]"])
async def test_a_body_that_is_no_batch_is_refused_as_a_whole(relay: Relay, body: bytes) -> None:
    answer = await relay.client.post(EVENTS, content=body, headers=relay.headers | {"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


async def test_a_batch_has_at_most_as_many_items_as_the_learners_own(relay: Relay) -> None:
    answer = await relay.client.post(EVENTS, json={"events": [event("id:1", 1)] * 501}, headers=relay.headers)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "events")


async def test_the_log_has_one_entry_for_a_course_and_a_day_however_much_is_reported(relay: Relay, clock: FakeClock) -> None:
    world = relay.world
    first, second = await world.course(), await world.course()
    ada = await world.learner(first)
    await world.write(world.services.enrollments.enroll, ada.id, second.id)
    name = f"id:{ada.id}"

    await relay.send(event("id:999999", first.id), event(name, 999_999))
    assert await relay.entries("REPORT_EVENTS") == []
    await relay.send(event(name, first.id), event(name, first.id), event(name, second.id))
    await relay.send(event(name, first.id), event(name, second.id))
    clock.advance(seconds=86_400)
    await relay.send(event(name, first.id))

    found = await relay.entries("REPORT_EVENTS")
    assert [target for _, target in found] == [str(first.id), str(second.id), str(first.id)]
    assert len({actor for actor, _ in found}) == 1


@pytest.fixture
def creating(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, create_reported_learners=True)


async def count(world: World, table: Any) -> int:
    return int((await world.rows(select(func.count()).select_from(table)))[0][0])


async def test_users_and_enrollments_are_created_on_first_sight_where_the_setting_says_so(
    creating: Settings, clock: FakeClock
) -> None:
    async with open_server(creating, clock) as (client, world):
        relay = await relay_of(client, world)
        course = await world.course((Completion(Rule.VIEWED),), capacity=3)
        known = await world.user()
        unit_id = course.units[0].id
        items = [
            event("ext:urn:new", course.id, event_id="1", unit_id=unit_id),
            event("email:New@Example.org", course.id, event_id="2"),
            event(f"id:{known.id}", course.id, event_id="3"),
            event("id:999999", course.id, event_id="4"),
            event("bare", course.id, event_id="5"),
            event("email:none", course.id, event_id="6"),
            event("ext:too-late", course.id, event_id="7"),
        ]

        first = await relay.verdicts(*items)
        people = await count(world, users)
        again = await relay.verdicts(*items)

        assert first == [
            ("accepted", None),
            ("accepted", None),
            ("accepted", None),
            ("rejected", "USER_NOT_FOUND"),
            ("rejected", "USER_NOT_FOUND"),
            ("rejected", "VALIDATION_ERROR"),
            ("rejected", "COURSE_FULL"),
        ]
        assert again == [("duplicate", None)] * 3 + first[3:]
        assert await count(world, users) == people
        assert await count(world, enrollments) == 3
        created = await world.rows(
            select(users.c.name, users.c.external_id, users.c.role).where(users.c.external_id.is_not(None))
        )
        assert ("urn:new", "urn:new", "PARTICIPANT") in created
        assert len(await relay.entries("ENROLL_LEARNER")) == 3
        assert len(await relay.entries("REPORT_EVENTS")) == 1
        await assert_verified(world)


async def test_courses_are_named_by_their_external_ids_also_by_who_is_new(creating: Settings, clock: FakeClock) -> None:
    async with open_server(creating, clock) as (client, world):
        relay = await relay_of(client, world)
        full = await world.course(external_id="urn:full", capacity=1)
        await world.learner(full)
        await world.course(external_id="urn:course")

        def named(course: str, event_id: str) -> dict[str, Any]:
            return {"user": "ext:urn:new", "activity_type": "x.y", "course_external_id": course, "event_id": event_id}

        items = named("urn:course", "1"), named("urn:full", "2"), named("urn:none", "3"), named("urn:course", "\u00eb")
        expected = [("accepted", None), ("rejected", "COURSE_FULL"), ("rejected", "VALIDATION_ERROR"), ("accepted", None)]
        assert await relay.verdicts(*items) == expected
        assert [event_id for _, event_id in await relay.stored()] == ["1", "\u00eb"]
        await assert_verified(world)


async def test_who_left_is_not_enrolled_again(creating: Settings, clock: FakeClock) -> None:
    async with open_server(creating, clock) as (client, world):
        relay, course = await relay_of(client, world), await world.course()
        ada = await world.learner(course)
        await world.write(world.services.enrollments.leave, ada.id, course.id)
        clock.advance(seconds=40 * 86_400)

        assert await relay.verdicts(event(f"id:{ada.id}", course.id)) == [("rejected", "NOT_ENROLLED")]


async def test_nobody_is_created_without_the_setting(relay: Relay) -> None:
    course = await relay.world.course()
    people = await count(relay.world, users)

    assert await relay.verdicts(event("ext:urn:new", course.id)) == [("rejected", "USER_NOT_FOUND")]
    assert await count(relay.world, users) == people


async def test_what_a_service_reports_is_what_the_learner_would_have_sent(relay: Relay) -> None:
    world = relay.world
    course = await world.course()
    ada, bob = await world.learner(course), await world.learner(course)
    unit = course.units[2].id
    sent = [
        {"activity_type": "unit_view", "course_id": course.id, "unit_id": unit, "event_id": "1", "duration_seconds": 45},
        {"activity_type": "x.page_print", "course_id": course.id, "unit_id": course.units[1].id, "event_id": "2"},
        {"activity_type": "heartbeat", "course_id": course.id, "unit_id": unit, "is_active": True},
    ]

    own = await relay.client.post("/api/courses/activity/batch", json={"events": sent}, headers=world.bearer(ada))
    assert own.json()["data"]["accepted"] == 3
    assert (await relay.send(*({**each, "user": f"id:{bob.id}"} for each in sent)))["accepted"] == 3

    async def shown(user: User) -> Any:
        answer = await relay.client.get(f"/user-progress/{course.id}/{user.id}?include=why", headers=world.bearer(user))
        return [
            {name: value for name, value in unit.items() if name not in {"progressId", "userId"}}
            for unit in answer.json()["results"]["activityLogs"]
        ]

    assert await shown(ada) == await shown(bob)
    await assert_verified(world)

"""Units with times, and hidden ones, as the contracts show them: to learners, to staff, and as time passes."""

from typing import Any

import httpx
import pytest

from headway.identity import Role
from headway.instants import MINUTE, iso
from tests.integration.concurrency import differences
from tests.world import NOON, FakeClock, World

# Tokens live for an hour.
OPENS, CLOSES = NOON + 10 * MINUTE, NOON + 30 * MINUTE
UNITS = [
    {"title": "Now", "closesAt": iso(CLOSES)},
    {"title": "Later", "opensAt": iso(OPENS), "closesAt": iso(CLOSES), "completion": {"rule": "viewed"}},
    {"title": "Secret", "hidden": True},
]


class Room:
    """A course that was made over HTTP, its tutor, and a learner."""

    def __init__(self, world: World, client: httpx.AsyncClient) -> None:
        self.world, self.client = world, client

    async def open(self, **fields: Any) -> "Room":
        tutor, learner = await self.world.user(Role.INSTRUCTOR), await self.world.user()
        self.learner_id = learner.id
        self.tutor, self.learner = self.world.bearer(tutor), self.world.bearer(learner)
        body = {
            "title": "Course",
            "modules": [{"title": "One", "units": UNITS}, {"title": "Two", "units": [UNITS[2]]}],
            **fields,
        }
        self.course = (await self.send("POST", "/api/v1/courses", body, self.tutor, status=201))["data"]
        await self.send("POST", f"/api/v1/courses/{self.course['id']}/enroll", None, self.learner, status=201)
        self.units = [unit["id"] for module in self.course["modules"] for unit in module["units"]]
        return self

    async def send(self, method: str, path: str, body: Any, headers: dict[str, str], *, status: int = 200) -> Any:
        answer = await self.client.request(method, path, json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def change(self, **of_unit: dict[str, Any]) -> None:
        """Change fields of the units of the first module, by their titles."""
        found = await self.send("GET", f"/api/v1/courses/{self.course['id']}", None, self.tutor)
        modules = found["data"]["modules"]
        for unit in modules[0]["units"]:
            unit.update(of_unit.get(unit["title"], {}))
        await self.send("PATCH", f"/api/v1/courses/{self.course['id']}", {"modules": modules}, self.tutor)

    async def view(self, unit: int, event_id: str) -> None:
        event = {"activity_type": "unit_view", "course_id": int(self.course["id"]), "unit_id": int(self.units[unit])}
        await self.send("POST", "/api/courses/activity/track", {**event, "event_id": event_id}, self.learner, status=201)

    async def declare(self, unit: int, *, status: int) -> Any:
        body = {"courseId": int(self.course["id"]), "courseContentId": int(self.units[unit]), "progressStatus": "COMPLETED"}
        return await self.send("POST", "/user-progress/update", body, self.learner, status=status)

    async def progress(self, headers: dict[str, str], include: str = "") -> Any:
        path = f"/user-progress/{self.course['id']}/{self.learner_id}{include and f'?include={include}'}"
        return (await self.send("GET", path, None, headers))["results"]

    async def statuses(self, headers: dict[str, str]) -> list[str]:
        rows = (await self.progress(headers, "all"))["activityLogs"]
        return [row["progressStatus"] for row in sorted(rows, key=lambda row: row["courseContentId"])]


@pytest.fixture
async def room(world: World, client: httpx.AsyncClient) -> Room:
    return await Room(world, client).open()


async def test_staff_see_hidden_units_marked_and_learners_neither_them_nor_modules_of_nothing_else(room: Room) -> None:
    path = f"/api/v1/courses/{room.course['id']}"
    shown = [(await room.send("GET", path, None, who))["data"]["modules"] for who in (room.tutor, room.learner, {})]

    staff, learner, anybody = shown
    assert [[unit["title"] for unit in module["units"]] for module in staff] == [["Now", "Later", "Secret"], ["Secret"]]
    assert [unit["hidden"] for unit in staff[0]["units"]] == [False, False, True]
    assert staff == room.course["modules"]
    assert learner == anybody == [{**staff[0], "units": staff[0]["units"][:2]}]
    assert learner[0]["units"][1]["opensAt"] == "2026-01-01T12:10:00.000Z"
    assert (learner[0]["units"][0]["opensAt"], learner[0]["units"][0]["closesAt"]) == (None, "2026-01-01T12:30:00.000Z")


async def test_a_course_that_was_read_can_be_sent_back_as_it_is(room: Room) -> None:
    await room.change()

    stored = (await room.send("GET", f"/api/v1/courses/{room.course['id']}", None, room.tutor))["data"]
    assert stored["modules"] == room.course["modules"]


@pytest.mark.parametrize(
    ("unit", "field"),
    [
        ({"opensAt": "soon"}, "modules[0].units[0].opensAt"),
        ({"closesAt": "2026-01-01T25:00:00Z"}, "modules[0].units[0].closesAt"),
        ({"opensAt": iso(CLOSES), "closesAt": iso(CLOSES)}, "modules[0].units[0].closesAt"),
        ({"hidden": "yes"}, "modules[0].units[0].hidden"),
    ],
)
async def test_times_that_are_not_valid_are_named(room: Room, unit: dict[str, Any], field: str) -> None:
    body = {"title": "Course", "modules": [{"title": "One", "units": [{"title": "Unit", **unit}]}]}

    refused = await room.send("POST", "/api/v1/courses", body, room.tutor, status=400)

    assert [error["field"] for error in refused["errors"]] == [field]


async def test_the_status_changes_as_units_open_and_close_also_where_it_was_cached(room: Room, clock: FakeClock) -> None:
    for now, learner in ((NOON, ["NOT_STARTED", "LOCKED"]), (OPENS, ["NOT_STARTED"] * 2), (CLOSES, ["LOCKED"] * 2)):
        clock.now = now
        for _ in range(2):
            assert await room.statuses(room.learner) == learner
            assert await room.statuses(room.tutor) == [*learner, "NOT_STARTED", "NOT_STARTED"]


async def test_an_etag_changes_when_a_unit_opens(room: Room, clock: FakeClock) -> None:
    path = f"/user-progress/{room.course['id']}/{room.learner_id}?include=all"
    first = await room.client.get(path, headers=room.learner)
    known = {**room.learner, "If-None-Match": first.headers["ETag"]}
    assert (await room.client.get(path, headers=known)).status_code == 304

    clock.now = OPENS

    assert (await room.client.get(path, headers=known)).status_code == 200


async def test_why_tells_when_a_unit_opens_and_has_closed(room: Room, clock: FakeClock) -> None:
    first, later, secret, _ = (await room.progress(room.tutor, "why"))["why"]["contents"]
    assert (first["progressStatus"], first["locked"], first["closesAt"]) == ("NOT_STARTED", None, iso(CLOSES))
    assert (later["progressStatus"], later["locked"], later["opensAt"]) == ("LOCKED", "not open", iso(OPENS))
    assert later["missing"] == "its opening: it opens at 2026-01-01T12:10:00.000Z; then viewing the unit"
    assert (secret["isHidden"], secret["countedPercent"]) == (True, None)

    clock.now = CLOSES
    why = (await room.progress(room.learner, "why"))["why"]

    assert [each["missing"] for each in why["contents"]] == ["another time: it closed at 2026-01-01T12:30:00.000Z"] * 2
    assert (why["requiredContents"], why["calculation"]) == (2, "0.00 / 2 = 0.00")


async def test_events_outside_of_the_times_are_accepted_and_complete_nothing_until_the_times_include_them(room: Room) -> None:
    await room.view(1, "early")
    rows = (await room.progress(room.learner))["activityLogs"]
    assert [(row["progressStatus"], row["progressPercent"]) for row in rows] == [("NOT_STARTED", "0.00")]
    assert (await room.progress(room.learner, "why"))["why"]["contents"][1]["progressStatus"] == "LOCKED"

    await room.change(Later={"opensAt": None})

    rows = (await room.progress(room.learner))["activityLogs"]
    assert [(row["progressStatus"], row["progressPercent"]) for row in rows] == [("COMPLETED", "100.00")]
    (progress,) = (await room.send("GET", "/api/v1/learner/me/progress", None, room.learner))["data"]
    assert progress["completionPercentage"] == 50
    assert await differences(room.world) == []


async def test_declarations_are_refused_while_a_unit_is_not_open(room: Room, clock: FakeClock) -> None:
    refused = await room.declare(1, status=409)
    assert refused["message"] == "This unit opens at 2026-01-01T12:10:00.000Z."
    path, body = f"/api/v1/learner/me/progress/{room.course['id']}", {"moduleId": room.course["modules"][0]["id"]}
    refused = await room.send("PATCH", path, body, room.learner, status=409)
    assert (refused["code"], refused["message"]) == ("MODULE_LOCKED", "The unit 'Later' opens at 2026-01-01T12:10:00.000Z.")

    clock.now = OPENS
    await room.declare(1, status=200)
    clock.now = CLOSES
    assert (await room.declare(0, status=409))["message"] == "This unit closed at 2026-01-01T12:30:00.000Z."


async def test_progress_in_a_hidden_unit_is_shown_to_staff_alone(room: Room, clock: FakeClock) -> None:
    await room.view(0, "one")
    await room.view(2, "two")
    await room.declare(2, status=404)
    body = {"courseId": int(room.course["id"]), "userIds": [room.learner_id]}
    activities = f"/user-progress/{room.course['id']}/{room.learner_id}/activities"

    for _ in range(2):
        for who, shown in ((room.learner, 1), (room.tutor, 2)):
            clock.advance(seconds=1)
            assert len((await room.progress(who))["activityLogs"]) == shown
            assert len((await room.send("GET", activities, None, who))["results"]) == shown
            (row,) = (await room.send("POST", "/user-progress/bulk", body, who))["results"]
            assert len(row["activityLogs"]) == shown
            assert len((await room.progress(who, "why"))["why"]["contents"]) == (2 if who is room.learner else 4)


async def test_in_a_sequence_hidden_and_closed_units_lock_nothing_and_those_that_open_later_do(
    world: World, client: httpx.AsyncClient, clock: FakeClock
) -> None:
    units = [UNITS[2], {"title": "A", "closesAt": iso(OPENS)}, {"title": "B", "opensAt": iso(CLOSES)}, {"title": "C"}]
    room = await Room(world, client).open(modules=[{"title": "One", "units": units}], sequential=True)
    assert await room.statuses(room.learner) == ["NOT_STARTED", "LOCKED", "LOCKED"]

    clock.now = OPENS
    assert await room.statuses(room.learner) == ["LOCKED", "LOCKED", "LOCKED"]
    clock.now = CLOSES
    assert await room.statuses(room.learner) == ["LOCKED", "NOT_STARTED", "LOCKED"]
    await room.declare(2, status=200)

    assert (await room.statuses(room.learner))[2] == "NOT_STARTED"

"""Types of events with a namespace: stored, counted, and understood where progress is explained and recomputed."""

from typing import Any

import httpx
import pytest
from sqlalchemy import select

from headway.courses.completion import Completion, Rule
from headway.learning.tables import learner_activity_logs
from headway.services import make_checks
from headway.verify import Verify
from tests.world import World


@pytest.mark.parametrize("kind", ["x.page_print", "moodle.core.course-viewed", "a.b", f"x.{'y' * 98}"])
async def test_an_open_type_is_stored_and_views_its_unit(world: World, client: httpx.AsyncClient, kind: str) -> None:
    course = await world.course((Completion(Rule.VIEWED), Completion(Rule.MANUAL)))
    ada = await world.learner(course)
    for number, unit in enumerate(course.units[:2]):
        body = {"activity_type": kind, "course_id": course.id, "unit_id": unit.id, "event_id": f"e{number}"}
        answer = await client.post("/api/courses/activity/track", json=body, headers=world.bearer(ada))
        assert answer.status_code == 201
        again = await client.post("/api/courses/activity/track", json=body, headers=world.bearer(ada))
        assert again.status_code == 200

    rows = await world.rows(select(learner_activity_logs.c.activity_type))
    assert rows == [(kind,)] * 2
    why = await client.get(f"/user-progress/{course.id}/{ada.id}?include=why", headers=world.bearer(ada))
    statuses = {each["courseContentId"]: each["progressStatus"] for each in why.json()["results"]["activityLogs"]}
    assert statuses == {course.units[0].id: "COMPLETED", course.units[1].id: "IN_PROGRESS"}
    assert (await Verify(world.database, make_checks()).run()).differences == []


@pytest.mark.parametrize(
    "kind", ["unit_veiw", "x.", ".x", "X.y", "x..y", "x.Y", "x y.z", f"x.{'y' * 99}", "x.y\n", "", "é.x", "1.x", 5, None]
)
async def test_a_word_without_a_namespace_that_is_not_known_is_refused(
    world: World, client: httpx.AsyncClient, kind: Any
) -> None:
    course = await world.course()
    ada = await world.learner(course)
    body = {"activity_type": kind, "course_id": course.id}

    single = await client.post("/api/courses/activity/track", json=body, headers=world.bearer(ada))
    batch = await client.post("/api/courses/activity/batch", json={"events": [body]}, headers=world.bearer(ada))

    assert [single.status_code, batch.status_code] == [400, 400]
    assert single.json()["errors"][0]["field"] == "activity_type"
    assert batch.json()["data"]["results"][0]["errors"][0]["field"] == "activity_type"

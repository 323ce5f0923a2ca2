import httpx

from tests.world import World


async def test_an_event_is_accepted_once(client: httpx.AsyncClient, world: World) -> None:
    course = await world.course()
    learner = await world.learner(course)
    event = {"event_id": "e1", "activity_type": "unit_view", "course_id": course.id, "unit_id": course.units[1].id}

    first = await client.post("/api/courses/activity/track", json=event, headers=world.bearer(learner))
    second = await client.post("/api/courses/activity/track", json=event, headers=world.bearer(learner))

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["data"]["status"] == "duplicate"

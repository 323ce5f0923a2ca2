"""What operators can count of activity tracking."""

from typing import Any

import httpx

from tests.contract.scene import Names


async def send(client: httpx.AsyncClient, names: Names, path: str, body: Any) -> None:
    headers = {"Authorization": f"Bearer {names['token_of_learner']}"}
    await client.post(f"/api/courses/activity/{path}", json=body, headers=headers)


async def metric_values(client: httpx.AsyncClient, metric: str) -> dict[str, float]:
    """Give a metric's values by their labels, as they are in Prometheus' text."""
    lines = [line for line in (await client.get("/metrics")).text.splitlines() if line.startswith(metric)]
    return {labels.removeprefix(metric): float(value) for labels, _, value in (line.rpartition(" ") for line in lines)}


async def test_requests_are_counted_by_route_and_status(client: httpx.AsyncClient, names: Names) -> None:
    event = {"event_id": "e", "activity_type": "search", "course_id": names["course"]}
    for _ in range(2):
        await send(client, names, "track", event)
    await send(client, names, "batch", {"events": []})

    requests = await metric_values(client, "api_requests_total")

    assert requests['{endpoint="/api/courses/activity/track",status="201"}'] == 1
    assert requests['{endpoint="/api/courses/activity/track",status="200"}'] == 1
    assert requests['{endpoint="/api/courses/activity/batch",status="400"}'] == 1


async def test_no_path_that_a_client_makes_up_becomes_a_label(client: httpx.AsyncClient, names: Names) -> None:
    for number in range(5):
        await send(client, names, f"made-up-{number}", {})
        await client.get(f"/made-up-{number}")

    requests = await metric_values(client, "api_requests_total")

    assert "made-up" not in str(requests)
    assert sum(value for labels, value in requests.items() if 'status="404"' in labels) == 10


async def test_observations_are_counted_by_what_became_of_them(client: httpx.AsyncClient, names: Names) -> None:
    event = {"event_id": "e", "activity_type": "search", "course_id": names["course"]}
    beat = {"activity_type": "heartbeat", "course_id": names["course"], "is_active": True}

    await send(
        client, names, "batch", {"events": [event, beat, event, {**event, "session_id": "s"}, 5, {**event, "unit_id": 999}]}
    )

    assert await metric_values(client, "headway_observations_total") == {
        '{outcome="accepted"}': 2,
        '{outcome="duplicate"}': 1,
        '{outcome="conflict"}': 1,
        '{outcome="rejected"}': 2,
    }


async def test_rejections_are_counted_by_the_field_at_fault_wherever_they_are_found(
    client: httpx.AsyncClient, names: Names
) -> None:
    search = {"activity_type": "search", "course_id": names["course"]}
    await send(client, names, "track", {**search, "unit_id": 999_999})
    await send(client, names, "track", {**search, "unit_id": "x", "duration_seconds": 0})
    await send(client, names, "batch", {"events": [search, {**search, "unit_id": 999_999}, {**search, "unit_id": 0}]})
    await send(client, names, "heartbeat", {"course_id": names["course"], "unit_id": 999_999, "is_active": True})

    assert await metric_values(client, "headway_rejections_total") == {
        f'{{field="{field}",reason="VALIDATION_ERROR"}}': count for field, count in (("unit_id", 5), ("duration_seconds", 1))
    }

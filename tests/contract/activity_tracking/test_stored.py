"""What is in the database after a request, beyond what its response tells."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import Table, func, select

from headway.accounts.tables import users
from headway.enrollments.tables import enrollments
from headway.learning.tables import learner_activity_logs, study_days, unit_progress
from tests.contract.scene import Names
from tests.world import NOON, World

JAN_20_AT_14 = 1_705_759_200_000
BLANK: dict[str, Any] = {column.name: None for column in learner_activity_logs.c}


async def send(client: httpx.AsyncClient, names: Names, path: str, body: dict[str, Any]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {names['token_of_learner']}"}
    return await client.post(f"/api/courses/activity/{path}", json=body, headers=headers)


async def stored(world: World, table: Table = learner_activity_logs) -> list[dict[str, Any]]:
    names = [column.name for column in table.c]
    return [dict(zip(names, row, strict=True)) for row in await world.rows(select(*table.c).order_by(*table.primary_key))]


async def test_an_event_is_stored_with_all_that_it_says(client: httpx.AsyncClient, world: World, names: Names) -> None:
    await send(
        client,
        names,
        "track",
        {
            "event_id": 'e-1 "{,}\\',
            "activity_type": "unit_view",
            "course_id": names["course"],
            "unit_id": names["unit"],
            "duration_seconds": 299.5,
            "engagement_metrics": {
                "scroll_depth": 85,
                "video_watch_percentage": 90.25,
                "interaction_count": 5,
                "video_segments": [[30.25, 60], [-0.0, 12.0]],
                "video_duration_seconds": 60,
            },
            "start_time": "2024-01-20T14:00:00.001Z",
            "end_time": "2024-01-20T19:35:00.002+05:30",
            "session_id": "NULL",
            "sent_at": "2026-01-01T11:59:59.500Z",
            "metadata": {"b": [1, 2.5, None, "é😀\u2028"], "a": "\\u0000"},
        },
    )

    assert await stored(world) == [
        {
            "user_id": names["learner"],
            "event_id": 'e-1 "{,}\\',
            "activity_type": "unit_view",
            "course_id": names["course"],
            "module_id": names["module"],
            "unit_id": names["unit"],
            "duration_seconds": 299.5,
            "scroll_depth": 85.0,
            "video_watch_percentage": 90.25,
            "interaction_count": 5,
            "start_time": JAN_20_AT_14 + 1,
            "end_time": JAN_20_AT_14 + 300_002,
            "session_id": "NULL",
            "metadata": '{"a":"\\\\u0000","b":[1,2.5,null,"é😀\u2028"]}',
            "sent_at": NOON - 500,
            "received_at": NOON,
            "occurred_at": JAN_20_AT_14 + 300_002,
            "claimed_ms": 299_500,
            "is_shifted": False,
            "clock_offset_ms": None,
            "video_segments": "[[30.25,60],[0,12]]",
            "video_duration_seconds": 60.0,
        }
    ]


async def test_an_event_that_says_little_is_stored_without_the_rest(
    client: httpx.AsyncClient, world: World, names: Names
) -> None:
    await send(client, names, "track", {"event_id": "e", "activity_type": "course_view", "course_id": names["course"]})

    (row,) = await stored(world)
    given = {"user_id": names["learner"], "event_id": "e", "activity_type": "course_view", "course_id": names["course"]}
    assert row == {**BLANK, **given, "received_at": NOON, "occurred_at": NOON, "claimed_ms": 0, "is_shifted": False}


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1900-01-01T00:00:00.000Z", -2_208_988_800_000),
        ("1969-12-31T23:59:59.999Z", -1),
        ("1970-01-01T00:00:00.000Z", 0),
        ("1970-01-01T00:00:00.001Z", 1),
        ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
        ("2242-03-16T12:56:31.999Z", 8_589_934_591_999),
        ("5138-11-16T09:46:39.999Z", 99_999_999_999_999),
        ("9998-12-31T23:59:59.999Z", 253_370_764_799_999),
    ],
)
async def test_a_time_is_stored_to_the_millisecond(
    client: httpx.AsyncClient, world: World, names: Names, text: str, instant: int
) -> None:
    event = {"activity_type": "search", "course_id": names["course"], "end_time": text, "sent_at": text}

    await send(client, names, "track", event)

    (row,) = await stored(world)
    assert (row["end_time"], row["sent_at"]) == (instant, instant)


async def test_minus_zero_is_stored_as_zero(client: httpx.AsyncClient, world: World, names: Names) -> None:
    metrics = {"scroll_depth": -0.0, "video_watch_percentage": -0.0}
    quiz = {"activity_type": "quiz_submit", "course_id": names["course"], "unit_id": names["quiz"]}

    await send(client, names, "track", {**quiz, "engagement_metrics": metrics, "metadata": {"score": -0.0, "max_score": 8}})

    (row,) = await stored(world)
    (progress,) = await stored(world, unit_progress)
    assert (str(row["scroll_depth"]), str(row["video_watch_percentage"])) == ("0.0", "0.0")
    assert "-" not in progress["metadata"]


async def test_fields_that_are_not_known_are_not_stored(client: httpx.AsyncClient, world: World, names: Names) -> None:
    people = await stored(world, users)

    await send(
        client,
        names,
        "track",
        {
            "event_id": "e",
            "activity_type": "search",
            "course_id": names["course"],
            "user_id": names["classmate"],
            "role": "ADMIN",
            "received_at": 5,
            "claimed_ms": 10**6,
            "is_shifted": True,
            "extra": "a secret",
        },
    )

    (row,) = await stored(world)
    assert (row["user_id"], row["received_at"], row["claimed_ms"], row["is_shifted"]) == (names["learner"], NOON, 0, False)
    assert "a secret" not in str(row)
    assert await stored(world, users) == people


async def test_a_heartbeat_leaves_no_row_of_its_own(client: httpx.AsyncClient, world: World, names: Names) -> None:
    beat = {"course_id": names["course"], "unit_id": names["unit"], "is_active": True, "event_id": "beat"}

    await send(client, names, "heartbeat", beat)
    await send(client, names, "batch", {"events": [{**beat, "activity_type": "heartbeat"}]})

    assert await stored(world) == []
    (progress,) = await stored(world, unit_progress)
    assert (progress["unit_id"], progress["study_ms"]) == (names["unit"], 30_000)


async def test_an_inactive_heartbeat_changes_nothing(client: httpx.AsyncClient, world: World, names: Names) -> None:
    before = await stored(world, enrollments)

    answer = await send(
        client, names, "heartbeat", {"course_id": names["course"], "unit_id": names["unit"], "is_active": False}
    )

    assert answer.status_code == 200
    assert await stored(world, enrollments) == before
    assert await stored(world, unit_progress) == await stored(world, study_days) == []


@pytest.mark.parametrize(
    "refused",
    [
        {"activity_type": "sleep"},
        {"unit_id": 999_999},
        {"course_id": 999_999},
        {"end_time": "2024-01-20T13:00:00Z", "start_time": "2024-01-20T14:00:00Z"},
        {"metadata": {"a": "\0"}},
    ],
    ids=str,
)
async def test_nothing_of_a_refused_event_is_stored(
    client: httpx.AsyncClient, world: World, names: Names, refused: dict[str, Any]
) -> None:
    before = await stored(world, enrollments)
    event = {"activity_type": "search", "course_id": names["course"], "unit_id": names["unit"], "duration_seconds": 60}

    answer = await send(client, names, "track", {**event, **refused})

    assert answer.status_code == 400
    assert await stored(world) == await stored(world, unit_progress) == await stored(world, study_days) == []
    assert await stored(world, enrollments) == before


async def test_an_event_that_comes_many_times_at_once_is_stored_once(
    client: httpx.AsyncClient, world: World, names: Names
) -> None:
    event = {"event_id": "e", "activity_type": "search", "course_id": names["course"]}
    sendings = [event, {**event, "session_id": "other"}] * 10

    answers = await asyncio.gather(*(send(client, names, "track", each) for each in sendings))

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 9 + [201] + [409] * 10
    assert len(await stored(world)) == 1


async def test_a_batch_of_500_is_stored_whole(client: httpx.AsyncClient, world: World, names: Names) -> None:
    events = [{"activity_type": "search", "course_id": names["course"]} for _ in range(500)]

    await send(client, names, "batch", {"events": events})

    assert await world.rows(select(func.count(learner_activity_logs.c.event_id.distinct()))) == [(500,)]

"""Clients that send batches one after the other, and keep account of what was acknowledged."""

import random
from collections import Counter
from typing import Any

import httpx

from headway.courses.model import CourseTree
from headway.ids import uuid7
from tests.processes import open_client


def batch(course: CourseTree, size: int) -> list[dict[str, Any]]:
    return [
        {
            "event_id": uuid7(),
            "activity_type": "unit_view",
            "course_id": course.id,
            "unit_id": random.choice(course.units).id,
            "duration_seconds": 30,
            "start_time": f"2026-01-01T{i % 24:02d}:00:00Z",
            "end_time": f"2026-01-01T{i % 24:02d}:00:30Z",
        }
        for i in range(size)
    ]


def heartbeat(course: CourseTree) -> dict[str, Any]:
    second = random.randrange(60)
    return {
        "activity_type": "heartbeat",
        "course_id": course.id,
        "is_active": True,
        "unit_id": course.units[0].id,
        "timestamp": f"2026-01-02T12:00:{second:02d}Z",
    }


class Writer:
    """Sends batches one after the other and keeps account of what was acknowledged and what was not."""

    def __init__(self, course: CourseTree, headers: dict[str, str]) -> None:
        self._course, self._headers = course, headers
        self.acknowledged: Counter[str] = Counter()
        self.unanswered: list[list[dict[str, Any]]] = []

    async def send(self, client: httpx.AsyncClient, events: list[dict[str, Any]]) -> None:
        try:
            answer = await client.post("/api/courses/activity/batch", json={"events": events}, headers=self._headers)
        except httpx.HTTPError:
            self.unanswered.append(events)
            raise
        assert answer.status_code == 200, answer.text
        *of_events, of_heartbeat = answer.json()["data"]["results"]
        assert of_heartbeat["status"] == "accepted"
        for result in of_events:
            assert result["status"] in {"accepted", "duplicate"}
            self.acknowledged[result["event_id"]] += result["status"] == "accepted"

    async def write_until_it_breaks(self, url: str) -> None:
        async with open_client(url, timeout=20) as client:
            while True:
                try:
                    events = batch(self._course, random.randint(1, 20))
                    await self.send(client, [*events, heartbeat(self._course)])
                except httpx.HTTPError:
                    return

    async def repeat_unanswered(self, url: str) -> None:
        repeated, self.unanswered = self.unanswered, []
        async with open_client(url, timeout=20) as client:
            for events in repeated:
                await self.send(client, events)

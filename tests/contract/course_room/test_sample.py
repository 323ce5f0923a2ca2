"""The sample of the contract's document comes out field for field, on both databases."""

from datetime import UTC, datetime

import httpx
import msgspec
import pytest

from headway.courses.completion import Completion, Rule
from headway.instants import from_datetime
from headway.settings import Settings
from tests.world import FakeClock, World

MANUAL = Completion(Rule.MANUAL)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, display_timezone="Asia/Kolkata")


def at(text: str) -> int:
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


async def test_the_sample_comes_out_field_for_field(world: World, client: httpx.AsyncClient, clock: FakeClock) -> None:
    clock.now = at("2025-10-13T17:50:51.683")
    learner = await world.user()
    course, *others = [await world.course((MANUAL, MANUAL)) for _ in range(3)]
    for other in others:
        await world.write(world.services.enrollments.enroll, learner.id, other.id)
    await world.write(world.services.enrollments.enroll, learner.id, course.id)
    headers = world.bearer(learner)
    assert learner.id == course.id == course.units[0].id == 1
    await client.post("/user-progress/update", headers=headers, json=declared(others[0].id, others[0].units[0].id))
    clock.now = at("2025-10-15T17:46:05.730")
    headers = world.bearer(learner)
    answer = await client.post("/user-progress/update", headers=headers, json=declared(course.id, course.units[0].id))
    assert answer.json() == {
        "success": True,
        "message": "Progress updated successfully",
        "results": {
            "progressId": 2,
            "userId": 1,
            "courseId": 1,
            "courseContentId": 1,
            "progressStatus": "COMPLETED",
            "activityDuration": 0,
            "progressPercent": "0.00",
            "user_course_content_progress_updated_at": "2025-10-15T17:46:05.730Z",
        },
    }
    clock.now = at("2025-10-15T17:46:06.101")
    seen = {"activity_type": "course_view", "course_id": course.id}
    assert (await client.post("/api/courses/activity/track", headers=headers, json=seen)).status_code == 201

    answer = await client.get(f"/user-progress/{course.id}/{learner.id}", headers=headers)

    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "message": "User progress retrieved successfully",
        "results": {
            "enrollments": {
                "v_created_date": "13-Oct-2025",
                "v_created_time": "23:20:51",
                "v_updated_date": "15-Oct-2025",
                "v_updated_time": "23:16:06",
                "enrollmentId": 3,
                "userId": 1,
                "courseId": 1,
                "enrollmentStatus": "IN_PROGRESS",
                "enrollmentDate": "2025-10-13T17:50:51.683Z",
                "completionDate": None,
                "certificateUrl": None,
                "metadata": {},
                "enrollment_created_at": "2025-10-13T17:50:51.683Z",
                "enrollment_updated_at": "2025-10-15T17:46:06.101Z",
            },
            "activityLogs": [
                {
                    "v_created_date": "15-Oct-2025",
                    "v_created_time": "23:16:05",
                    "v_updated_date": "15-Oct-2025",
                    "v_updated_time": "23:16:05",
                    "progressId": 2,
                    "userId": 1,
                    "courseId": 1,
                    "courseContentId": 1,
                    "progressStatus": "COMPLETED",
                    "activityDuration": 0,
                    "progressPercent": "0.00",
                    "metadata": {},
                    "user_course_content_progress_created_at": "2025-10-15T17:46:05.730Z",
                    "user_course_content_progress_updated_at": "2025-10-15T17:46:05.730Z",
                }
            ],
        },
    }


def declared(course_id: int, unit_id: int) -> dict[str, object]:
    return {
        "courseId": course_id,
        "courseContentId": unit_id,
        "progressStatus": "COMPLETED",
        "activityDuration": 0,
        "progressPercent": 0,
        "metadata": {},
    }

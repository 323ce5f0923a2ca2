"""A valid request of every route that takes a body, with every field that the route declares.

Text in braces stands for an id of the `School`, and is an integer after `#`.
"""

from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from headway.contracts.learner import roster_wire
from headway.http.observations import wire as tracking
from tests.contract.fuzz_values import Place, look


class Sample(NamedTuple):
    """Who sends what to a route, and what then shows it."""

    role: str
    path: str
    body: dict[str, Any]
    reads: tuple[tuple[str, str], ...] = ()
    """Who reads what of it: a role and a path each."""
    is_final: bool = False
    """A success cannot be repeated: the next request needs another school."""
    items: Any = None
    """The struct of an item of a list of which the route declares nothing."""
    others: "tuple[Sample, ...]" = ()
    """More requests of the route, with fields that exclude those of this one."""

    def having(self, place: Place) -> "Sample":
        """Return the one of this and the others whose body has a place. Raises LookupError."""
        for sample in (self, *self.others):
            with suppress(LookupError):
                look(sample.body, place)
                return sample
        raise LookupError(place)


_ROOM = "/user-progress"
_API = "/api/v1"
_TUTORIALS = "/v1/tutorials/progress"
_ACTIVITY = "/api/courses/activity"
_FAR = "9990-01-01T00:00:00Z"
_ENROLLMENTS_READS = (("tutor", f"{_API}/courses/{{course}}/enrollments"),)
_MOMENT = "2026-01-01T11:00:00Z"
_LATER = "2026-01-01T11:01:00Z"

_PROGRESS_READS = (
    ("learner", f"{_ROOM}/{{course}}/{{learner_id}}?include=why"),
    ("learner", f"{_ROOM}/{{course}}/{{learner_id}}/activities"),
    ("tutor", f"{_ROOM}/course/{{course}}/all"),
    ("learner", f"{_API}/learner/me/progress"),
)
_COURSE_READS = (
    ("tutor", f"{_API}/courses/{{course}}"),
    ("tutor", f"{_ROOM}/{{course}}/{{learner_id}}?include=all"),
    ("tutor", f"{_API}/assessments/{{assessment}}"),
)

_NAMES = {
    "course_external_id": "{course_external_id}",
    "module_external_id": "chapter@1",
    "unit_external_id": "https://example.org/units/1",
}
_EVENT = {
    "activity_type": "unit_view",
    "course_id": "#{course}",
    "module_id": "#{module}",
    "unit_id": "#{unit}",
    "duration_seconds": 60,
    "engagement_metrics": {
        "scroll_depth": 50,
        "video_watch_percentage": 50,
        "interaction_count": 1,
        "video_segments": [[0, 30]],
        "video_duration_seconds": 60,
    },
    "start_time": _MOMENT,
    "end_time": _LATER,
    "event_id": "one-{unique}",
    "session_id": "tab",
    "sent_at": _LATER,
    "metadata": {"score": 1, "max_score": 2},
    **_NAMES,
}
_COURSE = {
    "title": "Course",
    "slug": "course-{unique}",
    "description": "Long",
    "subject": "physics",
    "level": "beginner",
    "kind": "course",
    "capacity": 10,
    "startsAt": _MOMENT,
    "endsAt": "9990-01-01T00:00:00Z",
    "enrollFrom": _MOMENT,
    "enrollUntil": "9990-01-01T00:00:00Z",
    "accessDays": 30,
    "sequential": False,
    "prerequisites": ["{course}"],
    "published": True,
    "externalId": "course-v1:X+{unique}+2026",
    "source": "openedx",
    "modules": [
        {
            "id": None,
            "title": "First",
            "slug": "first",
            "externalId": "chapter@1",
            "source": "openedx",
            "units": [
                {
                    "id": None,
                    "title": "One",
                    "slug": "one",
                    "externalId": "https://example.org/units/1",
                    "source": "openedx",
                    "kind": "video",
                    "required": True,
                    "completion": {"rule": "time", "threshold": 60},
                    "opensAt": _MOMENT,
                    "closesAt": "9990-01-01T00:00:00Z",
                    "hidden": False,
                }
            ],
        }
    ],
    "assessments": [{"id": None, "title": "Task", "description": "Five pages", "dueAt": _LATER, "maxGrade": 10}],
}
_CHANGE = {
    **_COURSE,
    "slug": "changed-{unique}",
    "externalId": "{course_external_id}",
    "prerequisites": ["{basics}"],
    "modules": [{**_COURSE["modules"][0], "id": "{module}", "units": [{**_COURSE["modules"][0]["units"][0], "id": "{unit}"}]}],  # type: ignore[index]
    "assessments": [{**_COURSE["assessments"][0], "id": "{assessment}"}],  # type: ignore[index]
}
_ENTRY = {
    "action": "ACT",
    "target": {"type": "COURSE", "id": "{course}", "model": "Course", "name": "Course"},
    "actor": {"name": "PARTICIPANT", "email": "a@b.cd", "userId": "{learner_id}", "role": "PARTICIPANT"},
    "context": {"description": "Long", "source": "web", "additionalInfo": {"a": 1}},
    "metadata": {"a": 1},
}

_WEBHOOK = {
    "url": "https://hooks.example.org/in?key=one",
    "events": ["unit.completed", "course.completed"],
    "courseId": "{course}",
    "description": "To the warehouse",
}

SAMPLES = {
    f"POST {_ACTIVITY}/track": Sample("learner", f"{_ACTIVITY}/track", _EVENT, _PROGRESS_READS),
    f"POST {_ACTIVITY}/heartbeat": Sample(
        "learner",
        f"{_ACTIVITY}/heartbeat",
        {
            "course_id": "#{course}",
            "is_active": True,
            "module_id": "#{module}",
            "unit_id": "#{unit}",
            "timestamp": _LATER,
            "active_seconds": 30,
            "sent_at": _LATER,
            "event_id": "two-{unique}",
            "session_id": "tab",
            **_NAMES,
        },
        _PROGRESS_READS,
    ),
    f"POST {_ACTIVITY}/batch": Sample(
        "learner", f"{_ACTIVITY}/batch", {"events": [_EVENT]}, _PROGRESS_READS, items=tracking.TrackBody
    ),
    f"POST {_ROOM}/update": Sample(
        "learner",
        f"{_ROOM}/update",
        {
            "courseId": "#{course}",
            "courseContentId": "#{unit}",
            "progressStatus": "IN_PROGRESS",
            "activityDuration": 60,
            "progressPercent": 50,
            "metadata": {"a": 1},
            "userId": "#{learner_id}",
        },
        _PROGRESS_READS,
    ),
    f"POST {_ROOM}/bulk": Sample("tutor", f"{_ROOM}/bulk", {"courseId": "#{course}", "userIds": ["#{learner_id}"]}),
    f"POST {_API}/activities": Sample("learner", f"{_API}/activities", _ENTRY, (("admin", f"{_API}/activities"),)),
    f"POST {_TUTORIALS}/{{tutorial_id}}/chapter": Sample(
        "learner",
        f"{_TUTORIALS}/intro/chapter",
        {
            "userId": "{learner_id}",
            "chapterId": "one",
            "watchTime": 1.5,
            "completed": True,
            "lastPosition": 2,
            "totalChapters": 3,
        },
        (("learner", f"{_TUTORIALS}/intro"),),
    ),
    f"POST {_TUTORIALS}/{{tutorial_id}}/quiz": Sample(
        "learner",
        f"{_TUTORIALS}/intro/quiz",
        {"userId": "{learner_id}", "quizId": "one", "score": 1, "maxScore": 2, "passed": True},
        (("learner", f"{_TUTORIALS}/intro"), ("learner", f"{_API}/learner/me")),
    ),
    f"POST {_TUTORIALS}/{{tutorial_id}}/complete": Sample(
        "learner", f"{_TUTORIALS}/done/complete", {"userId": "{learner_id}"}, (("learner", f"{_TUTORIALS}/done"),)
    ),
    f"PATCH {_TUTORIALS}/{{tutorial_id}}/chapters": Sample(
        "admin",
        f"{_TUTORIALS}/intro/chapters",
        {"totalChapters": 3, "retiredChapters": ["gone"]},
        (("learner", f"{_TUTORIALS}/intro"),),
    ),
    f"POST {_API}/learner/auth/register": Sample(
        "nobody",
        f"{_API}/learner/auth/register",
        {
            "name": "N",
            "email": "new-{unique}@school.test",
            "password": "Corr3ct-Horse",
            "interests": ["physics"],
            "invitation": "{registration_token}",
        },
    ),
    f"POST {_API}/learner/auth/login": Sample(
        "nobody", f"{_API}/learner/auth/login", {"email": "{known_email}", "password": "Corr3ct-Horse"}
    ),
    f"POST {_API}/learner/auth/refresh": Sample("nobody", f"{_API}/learner/auth/refresh", {"refreshToken": "{refresh_token}"}),
    f"POST {_API}/learner/auth/password": Sample(
        "known",
        f"{_API}/learner/auth/password",
        {"currentPassword": "Corr3ct-Horse", "newPassword": "Corr3ct-Horse-2"},
        is_final=True,
    ),
    f"PATCH {_API}/learner/me": Sample(
        "learner",
        f"{_API}/learner/me",
        {"name": "Ada", "interests": ["physics"], "learningGoals": ["pass"]},
        (("learner", f"{_API}/learner/me"), ("peer", f"{_API}/learner/peers"), ("tutor", f"{_ROOM}/course/{{course}}/all")),
    ),
    f"POST {_API}/courses": Sample("tutor", f"{_API}/courses", _COURSE, (("tutor", f"{_API}/courses/{{made}}"),)),
    f"PATCH {_API}/courses/{{course_id}}": Sample("tutor", f"{_API}/courses/{{course}}", _CHANGE, _COURSE_READS, is_final=True),
    f"PATCH {_API}/courses/{{course_id}}/enrollments/{{user_id}}": Sample(
        "tutor",
        f"{_API}/courses/{{course}}/enrollments/{{done_id}}",
        {"status": "CERTIFIED", "certificateUrl": "https://school.test/1"},
        (("tutor", f"{_API}/courses/{{course}}/enrollments"), ("tutor", f"{_ROOM}/course/{{course}}/all")),
        is_final=True,
        others=(
            Sample("tutor", f"{_API}/courses/{{course}}/enrollments/{{learner_id}}", {"expiresAt": _FAR}, _ENROLLMENTS_READS),
            Sample("tutor", f"{_API}/courses/{{course}}/enrollments/{{learner_id}}", {"extendDays": 5}, _ENROLLMENTS_READS),
        ),
    ),
    f"POST {_API}/courses/{{course_id}}/enrollments": Sample(
        "tutor",
        f"{_API}/courses/{{course}}/enrollments",
        {"items": [{"user": "email:new-{unique}@school.test", "expiresAt": _FAR, "waitlist": True, "invite": True}]},
        (*_ENROLLMENTS_READS, ("tutor", f"{_API}/courses/{{course}}/invitations")),
        items=roster_wire.EnrollmentItem,
    ),
    f"PATCH {_API}/courses/{{course_id}}/waitlist/{{user_id}}": Sample(
        "tutor",
        f"{_API}/courses/{{full}}/waitlist/{{waiting_id}}",
        {"position": 1},
        (("tutor", f"{_API}/courses/{{full}}/waitlist"), ("waiting", f"{_API}/courses/{{full}}/waitlist/me")),
    ),
    f"POST {_API}/courses/{{course_id}}/enrollments/{{user_id}}/resets": Sample(
        "tutor",
        f"{_API}/courses/{{course}}/enrollments/{{done_id}}/resets",
        {"moduleId": "{module}", "unitId": "{unit}", "keepStudyTime": False, "reason": "The film had no sound."},
        (("done", f"{_API}/learner/me/progress/{{course}}/resets"),),
        is_final=True,
    ),
    f"POST {_API}/courses/{{course_id}}/enrollments/{{user_id}}/attempts": Sample(
        "tutor",
        f"{_API}/courses/{{course}}/enrollments/{{done_id}}/attempts",
        {"keepStudyTime": True, "reason": "Due every year."},
        (("done", f"{_API}/learner/me/progress/{{course}}/attempts"),),
        is_final=True,
    ),
    f"POST {_API}/courses/{{course_id}}/waitlist/{{user_id}}/admit": Sample(
        "tutor",
        f"{_API}/courses/{{full}}/waitlist/{{waiting_id}}/admit",
        {"addSeat": True},
        (("tutor", f"{_API}/courses/{{full}}/waitlist"), ("tutor", f"{_API}/courses/{{full}}")),
        is_final=True,
    ),
    f"PUT {_API}/courses/{{course_id}}/staff/{{user_id}}": Sample(
        "tutor",
        f"{_API}/courses/{{course}}/staff/{{other_tutor_id}}",
        {"role": "instructor"},
        (("tutor", f"{_API}/courses/{{course}}/staff"),),
    ),
    f"PATCH {_API}/learner/me/progress/{{course_id}}": Sample(
        "learner", f"{_API}/learner/me/progress/{{course}}", {"moduleId": "{module}"}, _PROGRESS_READS
    ),
    f"POST {_API}/assessments/{{assessment_id}}/submit": Sample(
        "learner",
        f"{_API}/assessments/{{assessment}}/submit",
        {"submissionUrl": "https://github.com/ada/engine"},
        (("learner", f"{_API}/assessments/{{assessment}}"), ("tutor", f"{_API}/assessments/{{assessment}}/submissions")),
    ),
    f"PATCH {_API}/submissions/{{submission_id}}": Sample(
        "tutor",
        f"{_API}/submissions/{{submission}}",
        {"grade": 9, "feedback": "Good"},
        (("learner", f"{_API}/assessments/{{assessment}}"), ("tutor", f"{_API}/assessments/{{assessment}}/submissions")),
    ),
    f"POST {_API}/learner/messages": Sample(
        "learner",
        f"{_API}/learner/messages",
        {"receiverId": "{peer_id}", "message": "Hello"},
        (("peer", f"{_API}/learner/messages?limit=5"), ("peer", f"{_API}/learner/conversations")),
    ),
    f"PATCH {_API}/learner/messages/{{message_id}}": Sample(
        "peer", f"{_API}/learner/messages/{{message}}", {"isRead": True}, (("peer", f"{_API}/learner/messages"),)
    ),
    f"POST {_API}/webhooks": Sample(
        "admin", f"{_API}/webhooks", _WEBHOOK, (("admin", f"{_API}/webhooks"), ("admin", f"{_API}/webhooks/{{made}}"))
    ),
    f"PATCH {_API}/webhooks/{{webhook_id}}": Sample(
        "admin",
        f"{_API}/webhooks/{{webhook}}",
        {**_WEBHOOK, "enabled": False},
        (("admin", f"{_API}/webhooks/{{webhook}}"), ("admin", f"{_API}/webhooks/{{webhook}}/deliveries")),
    ),
    f"PATCH {_API}/learner/conversations/{{user_id}}": Sample(
        "peer", f"{_API}/learner/conversations/{{learner_id}}", {"isRead": True}, (("peer", f"{_API}/learner/conversations"),)
    ),
    # The rest of an item is that of a batch, and decoded as it is there.
    f"POST {_API}/events": Sample(
        "system",
        f"{_API}/events",
        {"events": [{"user": "id:{learner_id}", "activity_type": "x.page_print", "course_id": "#{course}"}]},
        _PROGRESS_READS,
        items=msgspec.defstruct("Named", [("user", str)]),
    ),
    f"POST {_API}/learner/auth/password/forgot": Sample(
        "nobody", f"{_API}/learner/auth/password/forgot", {"email": "{known_email}"}, ()
    ),
    f"POST {_API}/learner/auth/password/reset": Sample(
        "nobody", f"{_API}/learner/auth/password/reset", {"token": "{reset_token}", "newPassword": "Corr3ct-Horse"}, (), True
    ),
    f"POST {_API}/learner/auth/verification": Sample(
        "nobody", f"{_API}/learner/auth/verification", {"email": "{known_email}"}, ()
    ),
    f"POST {_API}/learner/auth/verification/confirm": Sample(
        "nobody", f"{_API}/learner/auth/verification/confirm", {"token": "{registration_token}"}, (), True
    ),
    f"POST {_API}/learner/auth/email": Sample(
        "known",
        f"{_API}/learner/auth/email",
        {"newEmail": "other-{unique}@school.test", "currentPassword": "Corr3ct-Horse"},
        (("known", f"{_API}/learner/me"),),
    ),
    f"POST {_API}/learner/auth/email/confirm": Sample(
        "nobody", f"{_API}/learner/auth/email/confirm", {"token": "{address_token}"}, (), True
    ),
    f"POST {_API}/users": Sample(
        "admin",
        f"{_API}/users",
        {
            "name": "Grace",
            "email": "grace-{unique}@school.test",
            "role": "INSTRUCTOR",
            "externalId": "{unique}",
            "invite": True,
        },
        (),
    ),
    f"POST {_API}/users/{{user_id}}/erasure": Sample(
        "admin",
        f"{_API}/users/{{done_id}}/erasure",
        {"reason": "request", "confirmation": "{done_id}"},
        (("admin", f"{_API}/erasures?limit=5"), ("admin", f"{_API}/erasures/key"), ("admin", f"{_API}/erasures/{{made}}")),
        is_final=True,
    ),
    f"POST {_API}/keys": Sample(
        "admin",
        f"{_API}/keys",
        {"name": "Relay", "scopes": ["events:write"], "userId": None},
        (("admin", f"{_API}/keys?limit=5"),),
    ),
}

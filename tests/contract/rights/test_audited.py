"""Every write that needs a right has an entry in the audit log, in its own transaction; learners' own work has none."""

from typing import Any, NamedTuple

import pytest
from sqlalchemy import Select, func, select, text

from headway.audit.tables import audit_entries
from tests.contract.rights.conftest import School
from tests.contract.rights.test_rights import MATRIX, PREFIX, stored

SAFE = {"GET", "HEAD", "OPTIONS"}
LEARNER, ROOM, TRACKING, TUTORIALS = PREFIX, "/user-progress", "/api/courses/activity", "/v1/tutorials/progress"


class Deed(NamedTuple):
    """A write that needs a right, who does it, and the action that is recorded."""

    route: str
    action: str
    path: str
    body: Any = None
    role: str = "tutor"
    before: tuple[str, str, Any] | None = None
    """A request of the same caller that makes it possible."""


CHAPTER = {"userId": "{learner_id}", "totalChapters": 1, "chapterId": "a", "watchTime": 1, "completed": True}
QUIZ = {"userId": "{learner_id}", "quizId": "q", "score": 9, "maxScore": 10, "passed": True}
WEBHOOK = f"{LEARNER}/webhooks/{{webhook_id}}"
_ENABLED = ("PATCH", f"{LEARNER}/webhooks/{{webhook}}", {"enabled": True})
_COMPLETED = (
    "POST",
    f"{ROOM}/update",
    {"userId": "{learner_id}", "courseId": "{course}", "courseContentId": "{unit}", "status": "COMPLETED"},
)
_REPORTED = ("POST", f"{TUTORIALS}/t/chapter", CHAPTER)

PRIVILEGED = [
    Deed(f"POST {LEARNER}/courses", "CREATE_COURSE", f"{LEARNER}/courses", {"title": "New", "modules": []}),
    Deed(
        f"PATCH {LEARNER}/courses/{{course_id}}",
        "CHANGE_COURSE",
        f"{LEARNER}/courses/{{course}}",
        {"modules": [], "title": "T"},
    ),
    Deed(
        f"PATCH {LEARNER}/courses/{{course_id}}/enrollments/{{user_id}}",
        "CHANGE_ENROLLMENT",
        f"{LEARNER}/courses/{{course}}/enrollments/{{learner_id}}",
        {"status": "DROPPED"},
    ),
    Deed(
        f"DELETE {LEARNER}/courses/{{course_id}}/enrollments/{{user_id}}",
        "CHANGE_ENROLLMENT",
        f"{LEARNER}/courses/{{course}}/enrollments/{{learner_id}}",
    ),
    *(
        Deed(
            f"POST {LEARNER}/courses/{{course_id}}/enrollments/{{user_id}}/{what}",
            "RESET_PROGRESS",
            f"{LEARNER}/courses/{{course}}/enrollments/{{learner_id}}/{what}",
            {"reason": "Yearly"},
            "admin",
            _COMPLETED,
        )
        for what in ("resets", "attempts")
    ),
    Deed(
        f"POST {LEARNER}/courses/{{course_id}}/enrollments",
        "ENROLL_LEARNER",
        f"{LEARNER}/courses/{{course}}/enrollments",
        {"items": [{"user": "id:{stranger_id}"}]},
    ),
    Deed(
        f"DELETE {LEARNER}/courses/{{course_id}}/invitations/{{invitation_id}}",
        "WITHDRAW_INVITATION",
        f"{LEARNER}/courses/{{course}}/invitations/{{invitation}}",
    ),
    Deed(
        f"PATCH {LEARNER}/courses/{{course_id}}/waitlist/{{user_id}}",
        "CHANGE_ENROLLMENT",
        f"{LEARNER}/courses/{{full}}/waitlist/{{stranger_id}}",
        {"position": 1},
    ),
    Deed(
        f"DELETE {LEARNER}/courses/{{course_id}}/waitlist/{{user_id}}",
        "CHANGE_ENROLLMENT",
        f"{LEARNER}/courses/{{full}}/waitlist/{{peer_id}}",
    ),
    Deed(
        f"POST {LEARNER}/courses/{{course_id}}/waitlist/{{user_id}}/admit",
        "ENROLL_LEARNER",
        f"{LEARNER}/courses/{{full}}/waitlist/{{peer_id}}/admit",
        {"addSeat": True},
    ),
    Deed(
        f"PUT {LEARNER}/courses/{{course_id}}/staff/{{user_id}}",
        "CHANGE_COURSE_ROLE",
        f"{LEARNER}/courses/{{course}}/staff/{{other_tutor_id}}",
        {"role": "owner"},
    ),
    Deed(
        f"DELETE {LEARNER}/courses/{{course_id}}/staff/{{user_id}}",
        "CHANGE_COURSE_ROLE",
        f"{LEARNER}/courses/{{course}}/staff/{{other_tutor_id}}",
        before=("PUT", f"{LEARNER}/courses/{{course}}/staff/{{other_tutor_id}}", {"role": "instructor"}),
    ),
    Deed(
        f"PATCH {LEARNER}/submissions/{{submission_id}}",
        "GRADE_SUBMISSION",
        f"{LEARNER}/submissions/{{submission}}",
        {"grade": 9},
    ),
    Deed(
        f"POST {LEARNER}/events",
        "REPORT_EVENTS",
        f"{LEARNER}/events",
        {"events": [{"user": "id:{learner_id}", "activity_type": "x.page_print", "course_id": "{course}"}]},
        "system",
    ),
    Deed(
        f"POST {LEARNER}/keys",
        "CREATE_API_KEY",
        f"{LEARNER}/keys",
        {"name": "Relay", "scopes": ["events:write"], "userId": "{system_id}"},
        "admin",
    ),
    Deed(
        f"POST {LEARNER}/users",
        "CREATE_USER",
        f"{LEARNER}/users",
        {"name": "New", "email": "new@school.test", "invite": False},
        "admin",
    ),
    Deed(
        f"POST {LEARNER}/users/{{user_id}}/erasure",
        "ERASE_USER",
        f"{LEARNER}/users/{{learner_id}}/erasure",
        {"reason": "request", "confirmation": "{learner_id}"},
        "admin",
    ),
    Deed(f"DELETE {LEARNER}/keys/{{key_id}}", "REVOKE_API_KEY", f"{LEARNER}/keys/{{key}}", role="admin"),
    Deed(
        f"POST {ROOM}/update",
        "UPDATE_PROGRESS",
        f"{ROOM}/update",
        {"userId": "{learner_id}", "courseId": "{course}", "courseContentId": "{unit}", "status": "COMPLETED"},
        "admin",
    ),
    Deed(f"POST {TUTORIALS}/{{tutorial_id}}/chapter", "UPDATE_PROGRESS", f"{TUTORIALS}/t/chapter", CHAPTER, "admin"),
    Deed(f"POST {TUTORIALS}/{{tutorial_id}}/quiz", "UPDATE_PROGRESS", f"{TUTORIALS}/t/quiz", QUIZ, "system"),
    Deed(
        f"POST {TUTORIALS}/{{tutorial_id}}/complete",
        "UPDATE_PROGRESS",
        f"{TUTORIALS}/t/complete",
        {"userId": "{learner_id}"},
        "system",
        _REPORTED,
    ),
    Deed(
        f"PATCH {TUTORIALS}/{{tutorial_id}}/chapters",
        "CHANGE_TUTORIAL",
        f"{TUTORIALS}/t/chapters",
        {"totalChapters": 2},
        "system",
    ),
    Deed(
        f"DELETE {TUTORIALS}/{{tutorial_id}}",
        "RESET_PROGRESS",
        f"{TUTORIALS}/t?userId={{learner_id}}",
        role="admin",
        before=_REPORTED,
    ),
    Deed(f"POST {LEARNER}/webhooks", "CREATE_WEBHOOK", f"{LEARNER}/webhooks", {"url": "https://h.example.org/"}, "admin"),
    Deed(f"PATCH {WEBHOOK}", "CHANGE_WEBHOOK", f"{LEARNER}/webhooks/{{webhook}}", {"description": "New"}, "admin"),
    Deed(f"DELETE {WEBHOOK}", "DELETE_WEBHOOK", f"{LEARNER}/webhooks/{{webhook}}", role="admin"),
    Deed(f"POST {WEBHOOK}/secret", "CHANGE_WEBHOOK", f"{LEARNER}/webhooks/{{webhook}}/secret", role="admin"),
    Deed(f"POST {WEBHOOK}/test", "CHANGE_WEBHOOK", f"{LEARNER}/webhooks/{{webhook}}/test", role="admin", before=_ENABLED),
    Deed(
        f"POST {WEBHOOK}/deliveries/{{delivery_id}}/redeliver",
        "CHANGE_WEBHOOK",
        f"{LEARNER}/webhooks/{{webhook}}/deliveries/{{delivery}}/redeliver",
        role="admin",
        before=_ENABLED,
    ),
    Deed(
        "POST /api/v1/activities",
        "ANYTHING",
        "/api/v1/activities",
        {"action": "ANYTHING", "target": {"type": "OTHER"}, "actor": {"name": "Ada", "email": "ada@example.org"}},
        "admin",
    ),
]
"""Every write that staff, administrators and service accounts do, or that they do for somebody else."""

OWN_WORK: dict[str, tuple[str, Any]] = {
    f"PATCH {LEARNER}/learner/me": (f"{LEARNER}/learner/me", {"name": "Ada"}),
    f"POST {LEARNER}/courses/{{course_id}}/enroll": (f"{LEARNER}/courses/{{open}}/enroll", None),
    f"DELETE {LEARNER}/courses/{{course_id}}/enroll": (f"{LEARNER}/courses/{{course}}/enroll", None),
    f"PATCH {LEARNER}/learner/me/progress/{{course_id}}": (
        f"{LEARNER}/learner/me/progress/{{course}}",
        {"moduleId": "{second_module}"},
    ),
    f"POST {LEARNER}/assessments/{{assessment_id}}/submit": (
        f"{LEARNER}/assessments/{{assessment}}/submit",
        {"submissionUrl": "https://github.com/ada/again"},
    ),
    f"POST {LEARNER}/learner/messages": (f"{LEARNER}/learner/messages", {"receiverId": "{peer_id}", "message": "Hello"}),
    f"PATCH {LEARNER}/learner/conversations/{{user_id}}": (
        f"{LEARNER}/learner/conversations/{{peer_id}}",
        {"isRead": True},
    ),
    f"POST {TRACKING}/track": (f"{TRACKING}/track", {"activity_type": "course_view", "course_id": "{course}"}),
    f"POST {TRACKING}/heartbeat": (
        f"{TRACKING}/heartbeat",
        {"course_id": "{course}", "timestamp": "2026-01-01T12:00:00Z", "is_active": True},
    ),
    f"POST {TRACKING}/batch": (
        f"{TRACKING}/batch",
        {"events": [{"activity_type": "course_view", "course_id": "{course}"}]},
    ),
    f"POST {ROOM}/update": (f"{ROOM}/update", {"courseId": "{course}", "courseContentId": "{unit}", "status": "COMPLETED"}),
    f"POST {TUTORIALS}/{{tutorial_id}}/chapter": (f"{TUTORIALS}/t/chapter", {**CHAPTER, "userId": None}),
    f"POST {TUTORIALS}/{{tutorial_id}}/quiz": (f"{TUTORIALS}/t/quiz", {**QUIZ, "userId": None}),
}
"""What learners do for themselves, which is recorded nowhere else: their work would wait for the one chain of the log."""

OWN_OTHERS = {
    # Signing in, refused tokens and passwords are recorded; tests/contract/activity_log/test_own_entries.py shows it.
    *(f"POST {LEARNER}/learner/auth/{verb}" for verb in ("register", "login", "refresh", "logout", "password")),
    # Links that prove an address or choose a password; test_forgotten_passwords.py and test_proven_addresses.py show it.
    *(f"POST {LEARNER}/learner/auth/{verb}" for verb in ("password/forgot", "password/reset", "email", "email/confirm")),
    *(f"POST {LEARNER}/learner/auth/{verb}" for verb in ("verification", "verification/confirm")),
    f"PATCH {LEARNER}/learner/messages/{{message_id}}",
    f"POST {TUTORIALS}/{{tutorial_id}}/complete",
    f"DELETE {TUTORIALS}/{{tutorial_id}}",
}
READS = {f"POST {ROOM}/bulk"}
ELSEWHERE = {
    # Its body is a file, and it has an entry for each change: see test_roster_import.py.
    f"POST {LEARNER}/rosters",
    # They take an address and a mail server: see test_forgotten_passwords.py and test_proven_addresses.py.
    *(f"POST {LEARNER}/users/{{user_id}}/{what}" for what in ("invite", "password-link")),
    f"POST {LEARNER}/courses/{{course_id}}/invitations/{{invitation_id}}/resend",
    # What it undoes has an id of its own: see test_resets.py.
    f"POST {LEARNER}/courses/{{course_id}}/enrollments/{{user_id}}/resets/{{reset_id}}/undo",
}
"""What has an entry, too, and is tested where there is more to say about it."""

actions: Select[Any] = select(audit_entries.c.action, audit_entries.c.actor_id).order_by(audit_entries.c.seq)


def numbered(school: School, value: Any) -> Any:
    """Fill in ids; those of courses and units are numbers in contracts whose names are not camel case."""
    filled = school.filled(value)
    if isinstance(filled, dict):
        return {
            name: int(each) if name in {"course_id", "courseId", "courseContentId"} else numbered(school, each)
            for name, each in filled.items()
            if each is not None
        }
    return [numbered(school, each) for each in filled] if isinstance(filled, list) else filled


async def request(school: School, role: str, method: str, path: str, body: Any) -> Any:
    body = numbered(school, body)
    if path.startswith(ROOM) and "userId" in (body or {}):
        body["userId"] = int(body["userId"])
    return await school.ask(role, method, path, body)


async def prepare(school: School, deed: Deed) -> None:
    if deed.before is not None:
        assert (await request(school, deed.role, *deed.before)).is_success


async def test_every_write_of_the_server_is_either_privileged_or_ones_own(school: School) -> None:
    described = (await school.client.get("/openapi.json")).json()["paths"]
    writes = {
        f"{method.upper()} {path}"
        for path, operations in described.items()
        for method in operations
        if method.upper() not in SAFE
    }

    assert writes == {deed.route for deed in PRIVILEGED} | set(OWN_WORK) | OWN_OTHERS | READS | ELSEWHERE


def test_what_is_refused_to_learners_and_allowed_to_others_is_privileged() -> None:
    writes = [access for access in MATRIX if access.route.partition(" ")[0] not in SAFE]
    for_staff = {
        access.route.replace(" ", f" {PREFIX}", 1)
        for access in writes
        if access.expected("learner") in {403, 404}
        and any(access.expected(role) < 300 for role in ("tutor", "admin", "system"))
    }

    assert for_staff
    assert for_staff - {deed.route for deed in PRIVILEGED} == set()


@pytest.mark.parametrize("deed", PRIVILEGED, ids=lambda deed: deed.route)
async def test_a_privileged_write_has_one_entry_of_who_did_it(school: School, deed: Deed) -> None:
    await prepare(school, deed)
    before = await school.world.rows(actions)

    answer = await request(school, deed.role, deed.route.partition(" ")[0], deed.path, deed.body)

    assert answer.is_success, answer.text
    added = (await school.world.rows(actions))[len(before) :]
    assert [action for action, _ in added] == [deed.action]
    if deed.action != "ANYTHING":
        assert added[0][1] == school.ids[f"{deed.role}_id"]


@pytest.mark.parametrize("deed", PRIVILEGED, ids=lambda deed: deed.route)
async def test_a_privileged_write_that_cannot_be_recorded_does_not_happen(school: School, deed: Deed) -> None:
    await prepare(school, deed)
    before = await stored(school)
    await break_log(school)

    answer = await request(school, deed.role, deed.route.partition(" ")[0], deed.path, deed.body)

    assert answer.status_code == 500
    assert await stored(school) == before


@pytest.mark.parametrize("route", OWN_WORK)
async def test_what_learners_do_for_themselves_does_not_touch_the_log(school: School, route: str) -> None:
    path, body = OWN_WORK[route]
    school.ids["open"] = str((await school.world.course()).id)
    await break_log(school)

    answer = await request(school, "learner", route.partition(" ")[0], path, body)

    assert answer.is_success, answer.text


async def break_log(school: School) -> None:
    """Take the log away, so that nothing can be written to it."""
    async with school.world.database.write() as tx:
        await tx.all(text("ALTER TABLE audit_entries RENAME TO taken_away"))


async def test_the_log_says_which_units_were_retired(school: School) -> None:
    count = (await school.world.rows(select(func.count()).select_from(audit_entries)))[0][0]
    change = {"modules": [], "published": False, "startsAt": "2027-01-01T00:00:00Z", "accessDays": 5}

    assert (await school.ask("tutor", "PATCH", f"{PREFIX}/courses/{{course}}", change)).is_success

    listed = (await school.ask("admin", "GET", "/api/v1/activities?action=CHANGE_COURSE")).json()["data"]
    (entry,) = listed
    ids = school.ids
    assert entry["target"] == {"type": "COURSE", "id": ids["course"], "model": "Course", "name": "Course"}
    assert entry["metadata"]["fields"] == ["accessDays", "published", "startsAt"]
    assert ids["unit"] in entry["metadata"]["units"]["retired"]
    assert entry["metadata"]["modules"] == {"added": [], "retired": [ids["module"], ids["second_module"]]}
    assert (await school.world.rows(select(func.count()).select_from(audit_entries)))[0][0] == count + 1

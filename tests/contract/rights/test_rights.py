"""Who may do what: every route of the contract, asked by everybody, about what is theirs and what is not."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from sqlalchemy import select

from headway.db.types import metadata
from tests.contract.rights.conftest import ROLES, School
from tests.contract.server import described_routes

PREFIX = "/api/v1"
BOOKKEEPING = {"rate_limits", "revisions", "account_changes", "sessions", "idempotency_keys", "audit_entries", "audit_head"}
BOOKKEEPING |= {"disclosures"}


class Access(NamedTuple):
    """A way to request a route, and the status that each role gets; `else_` for those not named."""

    route: str
    statuses: dict[str, int]
    path: str = ""
    body: Any = None
    nobody: int = 401
    else_: int = 403

    def __str__(self) -> str:
        return f"{self.route} {self.path}".strip()

    def expected(self, role: str) -> int:
        return self.nobody if role == "nobody" else self.statuses.get(role, self.else_)


STAFF = {"tutor": 200, "admin": 200, "system": 200}
ENROLLED = {"learner": 200, "peer": 200}
NEW_COURSE = {"title": "New", "modules": []}
SEEN_BY_STAFF = {"other tutor": 200, "admin": 200, "system": 200}

MATRIX = [
    Access(
        "POST /learner/auth/register",
        {},
        body={"name": "N", "email": "none", "password": "Corr3ct-Horse"},
        nobody=400,
        else_=400,
    ),
    Access("POST /learner/auth/login", {}, body={"email": "x@example.org", "password": "wrong"}, else_=401),
    Access("POST /learner/auth/refresh", {}, body={"refreshToken": "x"}, else_=401),
    Access("POST /learner/auth/logout", {}, else_=409),
    Access("POST /learner/auth/password", {}, body={"currentPassword": "x", "newPassword": "Corr3ct-Horse"}, else_=400),
    Access("POST /learner/auth/password/forgot", {}, body={"email": "x@example.org"}, nobody=409, else_=409),
    Access(
        "POST /learner/auth/password/reset",
        {},
        body={"token": "1-" + "a" * 43, "newPassword": "Corr3ct-Horse"},
        nobody=400,
        else_=400,
    ),
    Access("POST /users", {"admin": 201}, body={"name": "N", "email": "new@school.test", "invite": False}),
    Access("POST /users/{user_id}/invite", {"admin": 409}, "/users/{learner_id}/invite"),
    Access("POST /users/{user_id}/password-link", {"admin": 409}, "/users/{learner_id}/password-link"),
    Access("POST /learner/auth/verification", {}, body={"email": "x@example.org"}, nobody=409, else_=409),
    Access("POST /learner/auth/verification/confirm", {}, body={"token": "1-" + "a" * 43}, nobody=400, else_=400),
    Access("POST /learner/auth/email", {}, body={"newEmail": "x@example.org", "currentPassword": "x"}, else_=409),
    Access("POST /learner/auth/email/confirm", {}, body={"token": "1-" + "a" * 43}, nobody=400, else_=400),
    Access(
        "POST /courses/{course_id}/invitations/{invitation_id}/resend",
        {"tutor": 404, "admin": 404, "system": 404},
        "/courses/{course}/invitations/999/resend",
    ),
    Access("GET /learner/me", {}, else_=200),
    Access("PATCH /learner/me", {}, body={"name": "Me"}, else_=200),
    Access("GET /courses", {}, nobody=200, else_=200),
    Access("POST /courses", {"tutor": 201, "other tutor": 201, "admin": 201}, body=NEW_COURSE),
    Access("GET /courses/{course_id}", {}, "/courses/{course}", nobody=200, else_=200),
    Access("GET /courses/{course_id}", SEEN_BY_STAFF, "/courses/{hidden}", nobody=404, else_=404),
    Access("PATCH /courses/{course_id}", STAFF, "/courses/{course}", {"description": "Changed"}),
    Access("PATCH /courses/{course_id}", SEEN_BY_STAFF, "/courses/{hidden}", {"description": "Changed"}, else_=404),
    Access("POST /courses/{course_id}/enroll", {"learner": 409, "peer": 409}, "/courses/{course}/enroll", else_=201),
    Access("POST /courses/{course_id}/enroll", {}, "/courses/{hidden}/enroll", else_=404),
    Access("DELETE /courses/{course_id}/enroll", {"learner": 204, "peer": 204}, "/courses/{course}/enroll", else_=404),
    Access("GET /courses/{course_id}/enrollments", STAFF, "/courses/{course}/enrollments"),
    Access("GET /courses/{course_id}/enrollments", SEEN_BY_STAFF, "/courses/{hidden}/enrollments", else_=404),
    Access("GET /courses/{course_id}/export", STAFF, "/courses/{course}/export"),
    Access("GET /courses/{course_id}/export", STAFF, "/courses/{course}/export?format=ndjson"),
    Access("GET /courses/{course_id}/export", SEEN_BY_STAFF, "/courses/{hidden}/export", else_=404),
    Access(
        "PATCH /courses/{course_id}/enrollments/{user_id}",
        STAFF,
        "/courses/{course}/enrollments/{learner_id}",
        {"status": "EXPIRED"},
    ),
    *(
        Access(
            f"POST /courses/{{course_id}}/enrollments/{{user_id}}/{what}",
            {"tutor": 409, "admin": 409, "system": 409},
            f"/courses/{{course}}/enrollments/{{learner_id}}/{what}",
        )
        for what in ("resets", "attempts")
    ),
    Access(
        "POST /courses/{course_id}/enrollments/{user_id}/resets/{reset_id}/undo",
        {"tutor": 404, "admin": 404, "system": 404},
        "/courses/{course}/enrollments/{learner_id}/resets/1/undo",
    ),
    *(
        Access(
            f"GET /courses/{{course_id}}/enrollments/{{user_id}}/{what}",
            STAFF | {"learner": 200},
            f"/courses/{{course}}/enrollments/{{learner_id}}/{what}",
        )
        for what in ("resets", "attempts")
    ),
    *(
        Access(f"GET /learner/me/progress/{{course_id}}/{what}", ENROLLED, f"/learner/me/progress/{{course}}/{what}", else_=404)
        for what in ("resets", "attempts")
    ),
    Access(
        "POST /courses/{course_id}/enrollments",
        STAFF,
        "/courses/{course}/enrollments",
        {"items": [{"user": "id:{stranger_id}"}, {"user": "email:new@school.test"}]},
    ),
    Access(
        "POST /courses/{course_id}/enrollments",
        {"other tutor": 409, "admin": 409, "system": 409},
        "/courses/{hidden}/enrollments",
        {"items": [{"user": "id:{stranger_id}"}]},
        else_=404,
    ),
    Access(
        "PATCH /courses/{course_id}/enrollments/{user_id}",
        STAFF,
        "/courses/{course}/enrollments/{learner_id}",
        {"expiresAt": "2026-02-01T00:00:00Z"},
    ),
    Access(
        "DELETE /courses/{course_id}/enrollments/{user_id}",
        {"tutor": 204, "admin": 204, "system": 204},
        "/courses/{course}/enrollments/{learner_id}",
    ),
    Access("GET /courses/{course_id}/invitations", STAFF, "/courses/{course}/invitations"),
    Access("GET /courses/{course_id}/invitations", SEEN_BY_STAFF, "/courses/{hidden}/invitations", else_=404),
    Access(
        "DELETE /courses/{course_id}/invitations/{invitation_id}",
        {"tutor": 404, "admin": 404, "system": 404},
        "/courses/{course}/invitations/999",
    ),
    Access("GET /courses/{course_id}/waitlist", STAFF, "/courses/{full}/waitlist"),
    Access("GET /courses/{course_id}/waitlist", SEEN_BY_STAFF, "/courses/{hidden}/waitlist", else_=404),
    Access("GET /courses/{course_id}/waitlist/me", {"peer": 200, "stranger": 200}, "/courses/{full}/waitlist/me", else_=404),
    Access("PATCH /courses/{course_id}/waitlist/{user_id}", STAFF, "/courses/{full}/waitlist/{stranger_id}", {"position": 1}),
    Access(
        "DELETE /courses/{course_id}/waitlist/{user_id}",
        {"tutor": 404, "admin": 404, "system": 404},
        "/courses/{full}/waitlist/{learner_id}",
    ),
    Access(
        "POST /courses/{course_id}/waitlist/{user_id}/admit",
        {"tutor": 404, "admin": 404, "system": 404},
        "/courses/{full}/waitlist/{learner_id}/admit",
        {"addSeat": True},
    ),
    Access("GET /courses/{course_id}/staff", STAFF, "/courses/{course}/staff"),
    Access("GET /courses/{course_id}/staff", SEEN_BY_STAFF, "/courses/{hidden}/staff", else_=404),
    Access(
        "PUT /courses/{course_id}/staff/{user_id}",
        STAFF,
        "/courses/{course}/staff/{other_tutor_id}",
        {"role": "instructor"},
    ),
    Access(
        "PUT /courses/{course_id}/staff/{user_id}",
        {"other tutor": 409, "admin": 409, "system": 409},
        "/courses/{hidden}/staff/{other_tutor_id}",
        {"role": "instructor"},
        else_=404,
    ),
    Access(
        "DELETE /courses/{course_id}/staff/{user_id}",
        {"tutor": 404, "admin": 404, "system": 404},
        "/courses/{course}/staff/{other_tutor_id}",
    ),
    Access("GET /learner/me/progress", {}, else_=200),
    Access("PATCH /learner/me/progress/{course_id}", ENROLLED, "/learner/me/progress/{course}", {"moduleId": "{module}"}),
    Access("GET /learner/feed", {}, else_=200),
    Access("GET /learner/feed", STAFF, "/learner/feed?topic=course:{course}"),
    Access("GET /learner/feed", {"learner": 200}, "/learner/feed?topic=user:{learner_id}"),
    Access("GET /assessments/{assessment_id}", STAFF | ENROLLED, "/assessments/{assessment}"),
    Access(
        "POST /assessments/{assessment_id}/submit",
        {"learner": 201, "peer": 201},
        "/assessments/{assessment}/submit",
        {"submissionUrl": "https://github.com/a/b"},
    ),
    Access("GET /assessments/{assessment_id}/submissions", STAFF, "/assessments/{assessment}/submissions"),
    Access("PATCH /submissions/{submission_id}", STAFF, "/submissions/{submission}", {"grade": 9}),
    Access("POST /rosters", {"admin": 400, "system": 400}),
    Access("GET /learner/peers", {}, else_=200),
    Access(
        "POST /learner/messages",
        {"learner": 201, "tutor": 201},
        body={"receiverId": "{peer_id}", "message": "Hello"},
    ),
    Access("POST /learner/messages", {"learner": 201, "peer": 201}, body={"receiverId": "{tutor_id}", "message": "Hello"}),
    Access("GET /learner/messages", {}, else_=200),
    Access("GET /learner/messages", {}, "/learner/messages?with={learner_id}", else_=200),
    Access(
        "PATCH /learner/messages/{message_id}",
        {"peer": 200, "learner": 403},
        "/learner/messages/{message}",
        {"isRead": True},
        else_=404,
    ),
    Access("POST /webhooks", {"admin": 201}, body={"url": "https://hooks.example.org/other"}),
    Access("GET /webhooks", {"admin": 200}),
    Access("GET /webhooks/{webhook_id}", {"admin": 200}, "/webhooks/{webhook}"),
    Access("PATCH /webhooks/{webhook_id}", {"admin": 200}, "/webhooks/{webhook}", {"description": "Changed"}),
    Access("DELETE /webhooks/{webhook_id}", {"admin": 204}, "/webhooks/{webhook}"),
    Access("POST /webhooks/{webhook_id}/secret", {"admin": 201}, "/webhooks/{webhook}/secret"),
    Access("POST /webhooks/{webhook_id}/test", {"admin": 409}, "/webhooks/{webhook}/test"),
    Access("GET /webhooks/{webhook_id}/deliveries", {"admin": 200}, "/webhooks/{webhook}/deliveries"),
    Access(
        "POST /webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
        {"admin": 409},
        "/webhooks/{webhook}/deliveries/{delivery}/redeliver",
    ),
    Access("GET /learner/conversations", {}, else_=200),
    Access(
        "POST /events",
        {"system": 200},
        body={"events": [{"user": "id:{learner_id}", "activity_type": "search", "course_id": 1, "session_id": "s"}]},
    ),
    Access("GET /learner/me/export", {}, else_=200),
    Access("GET /users/{user_id}/export", {"admin": 200, "learner": 200}, "/users/{learner_id}/export"),
    Access("GET /users/{user_id}/export", {"admin": 404}, "/users/999999/export"),
    Access("GET /keys", {"admin": 200}),
    Access("GET /disclosures", {"admin": 200}),
    Access("GET /learner/me/disclosures", {}, else_=200),
    Access(
        "POST /users/{user_id}/erasure",
        {"admin": 201},
        "/users/{learner_id}/erasure",
        body={"reason": "request", "confirmation": "{learner_id}"},
    ),
    Access("GET /erasures", {"admin": 200}),
    Access("GET /erasures/{erasure_id}", {"admin": 404}, "/erasures/1"),
    Access("GET /erasures/key", {"admin": 404}),
    Access("POST /keys", {"admin": 201}, body={"name": "Relay", "scopes": ["events:write"]}),
    Access("POST /keys", {"admin": 409}, body={"name": "Relay", "scopes": ["events:write"], "userId": "{learner_id}"}),
    Access("DELETE /keys/{key_id}", {"admin": 204}, "/keys/{key}"),
    Access("PATCH /learner/conversations/{user_id}", {}, "/learner/conversations/{learner_id}", {"isRead": True}, else_=200),
]


async def stored(school: School) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that is stored, but for what is kept about requests themselves."""
    tables = [table for table in metadata.sorted_tables if table.name not in BOOKKEEPING]
    return {table.name: sorted(await school.world.rows(select(table)), key=str) for table in tables}


async def assert_rights(
    school: School, prefix: str, access: Access, *, is_refusal: Callable[[Any], bool], is_write: bool
) -> None:
    """Have everybody ask: the refused are told so in the contract's envelope and change nothing, the others what they write."""
    method, route = access.route.split(" ")
    body: Any = json.loads(school.filled(access.body)) if access.body else None
    allowed = [role for role in ROLES if access.expected(role) < 400]
    before = await stored(school)

    async def ask(role: str) -> None:
        answer = await school.ask(role, method, prefix + (access.path or route), body)
        assert (role, answer.status_code) == (role, access.expected(role))
        assert is_refusal(answer.json()) is (role not in allowed)

    for role in set(ROLES) - set(allowed):
        await ask(role)
    assert await stored(school) == before

    for role in allowed:
        await ask(role)
    assert (await stored(school) != before) is (bool(allowed) and is_write)


@pytest.mark.parametrize("access", MATRIX, ids=str)
async def test_everybody_gets_what_is_theirs_and_is_refused_what_is_not(school: School, access: Access) -> None:
    method, route = access.route.split(" ")
    path = PREFIX + (access.path or route)
    refused_first = sorted(ROLES, key=lambda role: access.expected(role) < 400)
    before = await stored(school)

    for role in refused_first:
        answer = await school.ask(role, method, path, access.body)

        assert (role, answer.status_code) == (role, access.expected(role))
        if answer.status_code >= 400:
            assert answer.json()["status"] == "error"
            assert set(answer.json()) >= {"code", "message", "timestamp"}
            assert await stored(school) == before
        elif method == "GET":
            assert await stored(school) == before


async def routes_under(school: School, tag: str, prefix: str) -> set[str]:
    """Give the routes of a contract, as the document has them."""
    return {f"{method} {path.removeprefix(prefix)}" for method, path in await described_routes(school.client, tag)}


async def test_every_route_of_the_contract_is_asked(school: School) -> None:
    assert {access.route for access in MATRIX} == await routes_under(school, "Learner", PREFIX)


async def test_lists_hold_what_is_the_callers_own(school: School) -> None:
    async def listed(role: str, path: str) -> list[Any]:
        return list((await school.ask(role, "GET", PREFIX + path)).json()["data"])

    message = school.ids["message"]
    for role in ROLES[1:]:
        is_between = role in {"learner", "peer"}
        assert [each["id"] for each in await listed(role, "/learner/messages")] == ([message] if is_between else [])
        with_learner = await listed(role, "/learner/messages?with={learner_id}")
        assert [each["id"] for each in with_learner] == ([message] if role == "peer" else [])
        assert len(await listed(role, "/learner/conversations")) == is_between
        assert [each["courseId"] for each in await listed(role, "/learner/me/progress")] == (
            [school.ids["course"]] if is_between else []
        )
        peers = [each["userId"] for each in await listed(role, "/learner/peers")]
        other = {"learner": "peer_id", "peer": "learner_id"}.get(role)
        assert peers == ([school.ids[other]] if other else [])


async def test_marking_a_conversation_marks_ones_own_alone(school: School) -> None:
    for role in ("stranger", "learner", "tutor", "admin"):
        marked = await school.ask(role, "PATCH", f"{PREFIX}/learner/conversations/{{learner_id}}", {"isRead": True})
        assert marked.json()["data"]["marked"] == 0

    marked = await school.ask("peer", "PATCH", f"{PREFIX}/learner/conversations/{{learner_id}}", {"isRead": True})
    assert marked.json()["data"]["marked"] == 1


PRIVILEGED = {
    "id": "1",
    "userId": "1",
    "role": "ADMIN",
    "points": 1000,
    "totalStudyHours": 1000,
    "email": "root@example.org",
    "tokenVersion": 9,
    "grade": 10,
    "learnerId": "1",
    "status": "completed",
    "isRead": True,
    "senderId": "1",
    "gradedAt": "2020-01-01T00:00:00Z",
}


async def test_registering_makes_a_learner_whatever_the_body_says(school: School) -> None:
    body = PRIVILEGED | {"name": "N", "email": "n@example.org", "password": "Corr3ct-Horse", "external_id": "root"}
    made = (await school.ask("nobody", "POST", f"{PREFIX}/learner/auth/register", body)).json()["data"]

    assert (made["role"], made["email"]) == ("PARTICIPANT", "n@example.org")
    stored_user = await school.world.find_user(int(made["id"]))
    assert (stored_user.role, stored_user.external_id, stored_user.token_version) == ("PARTICIPANT", None, 1)


async def test_privileged_fields_of_a_profile_change_nothing(school: School) -> None:
    before = (await school.ask("learner", "GET", f"{PREFIX}/learner/me")).json()["data"]

    after = (await school.ask("learner", "PATCH", f"{PREFIX}/learner/me", PRIVILEGED | {"name": "Ada"})).json()["data"]

    assert after == before | {"name": "Ada"}
    assert (await school.ask("learner", "POST", f"{PREFIX}/courses", NEW_COURSE)).status_code == 403


async def test_privileged_fields_of_a_submission_and_a_message_change_nothing(school: School) -> None:
    body = PRIVILEGED | {"submissionUrl": "https://github.com/a/b", "feedback": "Great"}
    made = (await school.ask("peer", "POST", f"{PREFIX}/assessments/{{assessment}}/submit", body)).json()["data"]
    assert (made["learnerId"], made["grade"], made["feedback"], made["gradedAt"]) == (school.ids["peer_id"], None, None, None)

    sent = (
        await school.ask(
            "peer", "POST", f"{PREFIX}/learner/messages", PRIVILEGED | {"receiverId": "{learner_id}", "message": "Hi"}
        )
    ).json()["data"]
    assert (sent["senderId"], sent["isRead"]) == (school.ids["peer_id"], False)

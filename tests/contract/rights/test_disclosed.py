"""Whoever is shown somebody else's record is in the disclosure log, on every route and page: or it is said here why not."""

from typing import Any

import pytest
from sqlalchemy import select

from headway.disclosures.tables import disclosures
from tests.contract.rights.conftest import School
from tests.contract.rights.test_rights import PREFIX
from tests.pages.test_rights import PAGES
from tests.pages.visitor import Visitor

ROOM, LOG, TUTORIALS = "/user-progress", "/api/v1/activities", "/v1/tutorials/progress"

CONTRACTS = ("/api/", "/v1/", ROOM)

SHOWN: dict[str, tuple[str, str, str, str]] = {
    f"GET {PREFIX}/courses/{{course_id}}/enrollments": ("tutor", "/courses/{course}/enrollments", "LEARNERS", "0"),
    f"GET {PREFIX}/courses/{{course_id}}/export": ("tutor", "/courses/{course}/export", "EXPORT", "0"),
    **{
        f"GET {PREFIX}/courses/{{course_id}}/enrollments/{{user_id}}/{what}": (
            "tutor",
            f"/courses/{{course}}/enrollments/{{learner_id}}/{what}",
            "PROGRESS",
            "{learner_id}",
        )
        for what in ("resets", "attempts")
    },
    f"GET {PREFIX}/users/{{user_id}}/export": ("admin", "/users/{learner_id}/export", "EXPORT", "{learner_id}"),
    f"GET {PREFIX}/courses/{{course_id}}/invitations": ("tutor", "/courses/{course}/invitations", "LEARNERS", "0"),
    f"GET {PREFIX}/courses/{{course_id}}/waitlist": ("tutor", "/courses/{full}/waitlist", "LEARNERS", "0"),
    f"GET {PREFIX}/assessments/{{assessment_id}}/submissions": (
        "tutor",
        "/assessments/{assessment}/submissions",
        "SUBMISSION",
        "0",
    ),
    f"GET {PREFIX}/learner/feed": ("tutor", "/learner/feed?topic=course:{course}", "LIVE", "0"),
    f"GET {ROOM}/{{course_id}}/{{user_id}}": ("tutor", f"{ROOM}/{{course}}/{{learner_id}}", "PROGRESS", "{learner_id}"),
    f"GET {ROOM}/{{course_id}}/{{user_id}}/activities": (
        "tutor",
        f"{ROOM}/{{course}}/{{learner_id}}/activities",
        "PROGRESS",
        "{learner_id}",
    ),
    f"GET {ROOM}/course/{{course_id}}/all": ("tutor", f"{ROOM}/course/{{course}}/all", "LEARNERS", "0"),
    f"POST {ROOM}/bulk": ("tutor", f"{ROOM}/bulk", "PROGRESS", "{learner_id}"),
    f"GET {TUTORIALS}/{{tutorial_id}}": ("admin", f"{TUTORIALS}/t?userId={{learner_id}}", "TUTORIAL", "{learner_id}"),
    f"GET {LOG}": ("admin", f"{LOG}?actorId=id:{{learner_id}}", "AUDIT_LOG", "{learner_id}"),
    f"GET {LOG}/{{activity_id}}": ("admin", f"{LOG}/{{activity}}", "AUDIT_LOG", "0"),
}
"""Routes that show records of others: who asks, for what, and which kind of record of whom that is."""

OTHERS = {
    "one's own": {
        f"GET {PREFIX}/learner/me",
        f"GET {PREFIX}/learner/me/progress",
        f"GET {PREFIX}/learner/me/disclosures",
        f"GET {PREFIX}/learner/me/export",
        f"GET {PREFIX}/learner/me/progress/{{course_id}}/resets",
        f"GET {PREFIX}/learner/me/progress/{{course_id}}/attempts",
        f"GET {PREFIX}/learner/messages",
        f"GET {PREFIX}/learner/conversations",
        f"GET {PREFIX}/courses/{{course_id}}/waitlist/me",
        f"GET {PREFIX}/assessments/{{assessment_id}}",
    },
    "names of people in the same courses, as a class knows them": {f"GET {PREFIX}/learner/peers"},
    "nobody's": {f"GET {PREFIX}/courses", f"GET {PREFIX}/courses/{{course_id}}"},
    "staff, who are no learners": {f"GET {PREFIX}/courses/{{course_id}}/staff"},
    "figures of a course, of which none is of one learner": {f"GET {ROOM}/course/{{course_id}}/analytics"},
    "settings of the installation": {f"GET {PREFIX}/keys", f"GET {PREFIX}/webhooks", f"GET {PREFIX}/webhooks/{{webhook_id}}"},
    "what was sent to a webhook, of which each day is in the log": {f"GET {PREFIX}/webhooks/{{webhook_id}}/deliveries"},
    "receipts, which hold nothing personal": {
        f"GET {PREFIX}/erasures",
        f"GET {PREFIX}/erasures/key",
        f"GET {PREFIX}/erasures/{{erasure_id}}",
    },
    "the log itself": {f"GET {PREFIX}/disclosures"},
}

ROWS = select(
    disclosures.c.kind, disclosures.c.learner_id, disclosures.c.reader_id, disclosures.c.channel, disclosures.c.times
).order_by(disclosures.c.id)


async def test_every_route_that_reads_is_among_them(school: School) -> None:
    described = (await school.client.get("/openapi.json")).json()["paths"]
    reads = {f"GET {path}" for path, operations in described.items() if "get" in operations and path.startswith(CONTRACTS)}

    assert reads | {f"POST {ROOM}/bulk"} == set(SHOWN).union(*OTHERS.values())


@pytest.mark.parametrize("route", SHOWN)
async def test_a_route_that_shows_a_record_is_in_the_log(school: School, route: str) -> None:
    role, path, kind, learner = SHOWN[route]
    method = route.partition(" ")[0]
    bulk = {"courseId": int(school.ids["course"]), "userIds": [int(school.ids["learner_id"])]}
    body = bulk if method == "POST" else None
    listed = (await school.ask("system", "GET", LOG)).json()["data"]
    school.ids["activity"] = listed[0]["_id"]
    before = await rows(school)

    for _ in range(2):
        body = (
            {"courseId": int(school.ids["course"]), "userIds": [int(school.ids["learner_id"])]}
            if route.startswith("POST")
            else None
        )
        answer = await school.ask(
            role, route.partition(" ")[0], path if path.startswith(CONTRACTS) else f"{PREFIX}{path}", body
        )
        assert answer.status_code == 200, answer.text

    added = [row for row in await rows(school) if row not in before]
    reader = int(school.ids[f"{role}_id"])
    assert [row[:4] for row in added] == [(kind, int(school.filled(learner)), reader, "API")]


async def test_nothing_is_noted_of_ones_own_record(school: School) -> None:
    before = await rows(school)

    for path in (f"{PREFIX}/learner/me", f"{ROOM}/{{course}}/{{learner_id}}", f"{TUTORIALS}/t", LOG):
        assert (await school.ask("learner", "GET", path)).status_code == 200

    assert await rows(school) == before


SAY_NOTHING = {
    "/app/learning/{hidden}": "a course without its learners",
    "/app/courses/{course}": "figures, of which none is of one learner, and learners by the count",
    "/app/courses/{course}/overview/funnel.csv": "figures, of which none is of one learner",
    "/app/courses/{course}/units": "figures, of which none is of one learner",
    "/app/courses/{course}/units.csv": "figures, of which none is of one learner",
    "/app/courses/{course}/assessments": "figures, of which none is of one learner",
    "/app/courses/{course}/assessments.csv": "figures, of which none is of one learner",
    "/app/courses/new": "a form",
    "/app/admin/health": "the server",
    "/app/admin/settings": "the server",
    "/app/admin/doctor": "the server",
    "/app/admin/erasures": "receipts, which hold nothing personal",
    "/app/admin/courses": "courses",
    "/app/admin/courses.csv": "courses",
    "/app/admin/webhooks": "the server",
    "/app/admin/webhooks/{webhook}": "what was sent, of which each day is in the log",
    "/app/admin/keys": "the server",
    "/app/admin/roster": "a form",
    "/app/admin/disclosures": "the log itself",
    "/app/admin/disclosures.csv": "the log itself",
}
"""Pages for staff or administrators that show no record of a learner, and why."""


async def test_every_page_for_staff_that_shows_a_record_is_in_the_log(school: School) -> None:
    silent = set()
    for path, roles in PAGES.items():
        if "learner" in roles or not roles:
            continue
        role = "tutor" if "tutor" in roles else "admin"
        # The next day, on which the server has noted nothing yet.
        school.world.clock.advance(seconds=86_400)
        visitor = Visitor(school.client, school.world, school.people[role])
        before = len(await rows(school))
        answer = await visitor.client.get(school.filled(path), follow_redirects=False)
        assert answer.status_code == 200 or path in SAY_NOTHING, path
        added = (await rows(school))[before:]
        assert {(row[2], row[3]) for row in added} <= {(int(school.ids[f"{role}_id"]), "PAGE")}
        if not added:
            silent.add(path)

    assert silent == set(SAY_NOTHING)


async def rows(school: School) -> list[Any]:
    return [tuple(row) for row in await school.world.rows(ROWS)]

"""Who may see which page. Each page is here: a learner, staff of another course and a signed-out visitor get nothing of it."""

import re

import httpx

from headway.app import create_app
from headway.http.middleware import RequestMiddleware
from headway.settings import Settings
from headway.web.page_routes import PageEndpoint
from tests.app_server import litestar_of
from tests.contract.rights.conftest import ROLES, School
from tests.pages.conftest import BOTH_DATABASES, Visit

pytestmark = BOTH_DATABASES

EVERYBODY = set(ROLES)
SIGNED_IN = EVERYBODY - {"nobody"}
STAFF = {"tutor", "admin", "system"}
PAGES: dict[str, set[str]] = {
    "/app": SIGNED_IN,
    "/app/sign-in": EVERYBODY,
    "/app/account": SIGNED_IN,
    "/app/account/data": SIGNED_IN,
    "/app/forgot-password": EVERYBODY,
    "/app/reset-password": EVERYBODY,
    "/app/verification": EVERYBODY,
    "/app/confirm-registration": EVERYBODY,
    "/app/confirm-address": EVERYBODY,
    "/app/oidc/start": set(),
    "/app/oidc/callback": set(),
    "/app/courses": SIGNED_IN,
    "/app/register": EVERYBODY,
    "/app/learning": SIGNED_IN,
    "/app/learning/{course}": SIGNED_IN,
    "/app/learning/{hidden}": {"other tutor", "admin", "system"},
    "/app/learning/{course}/units/{unit}": {"learner", "peer", *STAFF},
    "/app/learning/{course}/assessments/{assessment}": {"learner", "peer", *STAFF},
    "/app/learning/{hidden}/assessments/{assessment}": set(),
    "/app/messages": SIGNED_IN,
    "/app/messages/{peer_id}": {"learner", "tutor"},
    "/app/certificates": SIGNED_IN,
    "/app/courses/{course}": STAFF,
    "/app/courses/{course}/overview/funnel.csv": STAFF,
    "/app/courses/{course}/funnel/0": STAFF,
    "/app/courses/{course}/units": STAFF,
    "/app/courses/{course}/units.csv": STAFF,
    "/app/courses/{course}/units/{unit}": STAFF,
    "/app/courses/{course}/units/{unit}/stuck.csv": STAFF,
    "/app/courses/{course}/grid": STAFF,
    "/app/courses/{course}/grid.csv": STAFF,
    "/app/courses/{course}/export/learners.csv": STAFF,
    "/app/courses/{course}/export/everything.ndjson": STAFF,
    "/app/catalogue": SIGNED_IN,
    "/app/courses/{course}/learners/{learner_id}": STAFF,
    "/app/courses/{course}/learners/{learner_id}/reset": STAFF,
    "/app/courses/{course}/learners/{learner_id}/study.csv": STAFF,
    "/app/courses/{course}/learners/{learner_id}/units.csv": STAFF,
    "/app/courses/{course}/learners": STAFF,
    "/app/courses/{course}/learners.csv": STAFF,
    "/app/courses/{course}/attention": STAFF,
    "/app/courses/{course}/attention/count": STAFF,
    "/app/courses/new": {"tutor", "other tutor", "admin"},
    "/app/courses/{course}/assessments": STAFF,
    "/app/courses/{course}/assessments.csv": STAFF,
    "/app/courses/{course}/assessments/{assessment}": STAFF,
    "/app/courses/{course}/live": STAFF,
    "/app/courses/{course}/settings": STAFF,
    "/app/courses/{course}/settings/enrollments.csv": STAFF,
    "/app/admin/health": {"admin"},
    "/app/admin/doctor": {"admin"},
    "/app/admin/settings": {"admin"},
    "/app/admin/users": {"admin"},
    "/app/admin/users.csv": {"admin"},
    "/app/admin/users/{learner_id}": {"admin"},
    "/app/admin/users/{learner_id}/erase": {"admin"},
    "/app/admin/erasures": {"admin"},
    "/app/admin/erasures/{course}": set(),
    "/app/admin/erasures/{course}/receipt.json": set(),
    "/app/admin/courses": {"admin"},
    "/app/admin/courses.csv": {"admin"},
    "/app/admin/webhooks": {"admin"},
    "/app/admin/webhooks/{webhook}": {"admin"},
    "/app/admin/keys": {"admin"},
    "/app/admin/roster": {"admin"},
    "/app/admin/log": {"admin"},
    "/app/admin/disclosures": {"admin"},
    "/app/admin/disclosures.csv": {"admin"},
    "/app/admin/log.csv": {"admin"},
}
"""By path, in which `{course}` and others stand for ids of the school: who may see it."""
_OTHERS = {"/"}
"""Pages that only lead to others."""
_PARAMETER = re.compile(r"\{([a-z_]+)(?::str)?\}")


async def test_a_page_is_shown_to_those_who_may_see_it_alone(school: School, visit: Visit) -> None:
    seen: dict[str, dict[str, str]] = {path: {} for path in PAGES}
    for role in ROLES:
        visitor = visit(role)
        for path, by_role in seen.items():
            by_role[role] = _outcome(await visitor.client.get(school.filled(path), follow_redirects=False))

    shown = {path: {role for role, what in by_role.items() if what == "shown"} for path, by_role in seen.items()}
    assert shown == PAGES
    assert {what for by_role in seen.values() for what in by_role.values()} == {"shown", "sign in", "403", "404"}


async def test_what_a_page_of_staff_does_is_for_those_who_may_see_it_alone(
    school: School, visit: Visit, app: RequestMiddleware
) -> None:
    actions = [path for path in _declared(app, "POST") if path.startswith(("/app/courses/", "/app/admin/"))]
    ids = {"course_id": "course", "user_id": "learner_id", "unit_id": "unit", "assessment_id": "assessment"}
    refused = {}
    for role in ROLES:
        visitor = visit(role)
        for action in actions:
            path = _PARAMETER.sub(lambda match: school.ids.get(ids.get(match[1], ""), "1"), action)
            headers = {"Origin": "http://headway.test"}
            response = await visitor.client.post(path, data={"name": "x"}, headers=headers, follow_redirects=False)
            # Every tutor makes courses.
            may = role in (STAFF if action.startswith("/app/courses/") else {"admin"}) or (
                action == "/app/courses/new" and role == "other tutor"
            )
            if not may and (outcome := _outcome(response)) not in {"sign in", "403", "404"}:
                refused[role, action] = outcome

    assert len(actions) > 10
    assert refused == {}


def _outcome(response: httpx.Response) -> str:
    if response.headers.get("location", "").startswith("/app/sign-in"):
        return "sign in"
    return "shown" if response.status_code in {200, 303} else str(response.status_code)


def test_every_page_is_among_them(settings: Settings) -> None:
    known = set(PAGES) | _OTHERS

    assert {path for path in _declared(create_app(settings), "GET") if not any(_is_at(each, path) for each in known)} == set()


def _declared(app: RequestMiddleware, method: str) -> set[str]:
    """Return the paths of all pages with a method."""
    return {
        route.path_format
        for route in litestar_of(app).routes
        for handler in getattr(route, "route_handlers", [])
        if isinstance(endpoint := handler.opt.get("endpoint"), PageEndpoint) and endpoint.route.method == method
    }


def _is_at(path: str, declared: str) -> bool:
    """Return whether a path is of a declared one, whose parameters stand for any text."""
    parts, declared_parts = (each.partition("?")[0].split("/") for each in (path, declared))
    return len(parts) == len(declared_parts) and all(
        part == known or known.startswith("{") for part, known in zip(parts, declared_parts, strict=True)
    )

"""Whatever contract an event arrives by, the next look at a page shows it: each way in changes the numbers it has to change."""

from typing import Any, NamedTuple

import pytest

from tests.contract.rights.conftest import School
from tests.pages.conftest import Visit
from tests.pages.test_reports import figures
from tests.pages.visitor import Visitor

NUMBERS = ["learners", "active", "weekly", "started", "completed", "unit started", "unit completed", "cell"]


class Way(NamedTuple):
    """A request of a learner, and the numbers that it changes; before it, neither of two learners has done anything."""

    method: str
    path: str
    body: dict[str, Any] | None
    after: dict[str, str]
    role: str = "learner"


ACTIVE = {"active": "1", "weekly": "1", "started": "1"}
BEGUN = {**ACTIVE, "unit started": "1", "cell": "0"}
DONE = {**ACTIVE, "unit started": "1", "unit completed": "1", "cell": "100"}
WHERE = {"course_id": "#course", "unit_id": "#unit"}
EVENT = {"activity_type": "unit_view", **WHERE}
WAYS = {
    "activity tracking, an event": Way("POST", "/api/courses/activity/track", EVENT, BEGUN),
    "activity tracking, a heartbeat": Way("POST", "/api/courses/activity/heartbeat", {**WHERE, "is_active": True}, BEGUN),
    "activity tracking, a batch": Way(
        "POST",
        "/api/courses/activity/batch",
        {"events": [EVENT, {"activity_type": "unit_complete", **WHERE}]},
        DONE,
    ),
    "course room, an update": Way(
        "POST",
        "/user-progress/update",
        {"courseId": "#course", "courseContentId": "#unit", "progressPercent": 40},
        {**BEGUN, "cell": "40"},
    ),
    "learner, a module": Way("PATCH", "/api/v1/learner/me/progress/{course}", {"moduleId": "{module}"}, DONE),
    "learner, enrolling": Way("POST", "/api/v1/courses/{course}/enroll", None, {"learners": "3"}, "stranger"),
}


def filled(school: School, value: Any) -> Any:
    """Put ids in, as texts for `{name}` and as numbers for `#name`."""
    if isinstance(value, str) and value.startswith("#"):
        return int(school.ids[value[1:]])
    if isinstance(value, dict):
        return {name: filled(school, each) for name, each in value.items()}
    return [filled(school, each) for each in value] if isinstance(value, list) else school.filled(value)


async def read(tutor: Visitor, school: School) -> dict[str, str]:
    """Read the numbers from the pages."""
    base = school.filled("/app/courses/{course}")
    overview, units, grid = [await tutor.open(f"{base}{path}") for path in ("", "/units", "/grid")]
    cards = figures(overview)
    funnel = [row[1] for row in overview.rows("figure[data-chart=funnel] tbody tr")]
    weeks = overview.soup.select("figure[data-chart=line] tbody td")
    first = units.rows()[0]
    learner = grid.soup.select_one(f"tr#g{school.people['learner'].id}")
    assert learner is not None
    cell = learner.select("td")[1].get_text()
    numbers = (
        *(cards["Learners"], cards["Active this week"], str(weeks[-1]["data-value"]), funnel[1], funnel[2]),
        *(first[1], first[2].split()[0], cell),
    )
    return dict(zip(NUMBERS, numbers, strict=True))


@pytest.mark.parametrize("name", WAYS)
async def test_what_arrives_by_a_contract_is_on_the_pages_at_once(name: str, school: School, visit: Visit) -> None:
    way, tutor = WAYS[name], visit("tutor")
    before = await read(tutor, school)
    assert before == dict.fromkeys(NUMBERS, "0") | {"learners": "2", "cell": "\N{EN DASH}"}

    answer = await school.ask(way.role, way.method, way.path, filled(school, way.body))

    assert answer.status_code < 300, answer.text
    after = await read(tutor, school)
    # The first module has two units: completing the first one is no step of the funnel, completing the module is one.
    expected = before | way.after | ({"completed": "1"} if "moduleId" in (way.body or {}) else {})
    assert after == expected


async def test_what_is_reported_outside_the_catalogue_changes_no_number(school: School, visit: Visit) -> None:
    tutor = visit("tutor")
    before = await read(tutor, school)
    chapter = {"tutorialId": "intro", "chapterId": "one", "completed": True, "watchTime": 60, "totalChapters": 2}
    assert (await school.ask("learner", "POST", "/v1/tutorials/progress/intro/chapter", chapter)).status_code < 300
    entry = {
        "actor": {"userId": "{learner_id}", "role": "PARTICIPANT"},
        "action": "VIEW",
        "target": {"type": "course", "id": "x"},
    }
    await school.ask("learner", "POST", "/api/v1/activities", entry)

    assert await read(tutor, school) == before

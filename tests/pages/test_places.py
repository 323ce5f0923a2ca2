"""A place in a list that is no longer known, on every page with a list: the list is shown from its begin."""

import pytest

from tests.contract.rights.conftest import School
from tests.pages.conftest import Visit

COURSE = "/app/courses/{course}"


@pytest.mark.parametrize(
    ("role", "path", "place"),
    [
        ("tutor", f"{COURSE}/learners?sort=percent", "cursor=forged"),
        ("tutor", f"{COURSE}/attention?rule=not_seen", "cursor=forged"),
        ("tutor", f"{COURSE}/assessments/{{assessment}}?show=all", "cursor=forged"),
        ("tutor", f"{COURSE}/assessments/{{assessment}}?show=all", "after=never"),
        ("tutor", f"{COURSE}/grid?sort=percent", "after=" + 600 * "x"),
        ("tutor", f"{COURSE}/settings?", "page=none"),
        ("tutor", f"{COURSE}/settings?", "invited=0"),
        ("tutor", f"{COURSE}/learners?", "cursor=" + 6_000 * "x"),
        ("admin", "/app/admin/users?q=a", "cursor=forged"),
        ("admin", "/app/admin/courses?q=a", "cursor=forged"),
        ("admin", "/app/admin/log?action=COURSE_CREATED", "cursor=forged"),
        ("learner", "/app/learning?", "page=0"),
        ("learner", "/app/messages?q=a", "page=none"),
        ("learner", "/app/messages/{peer_id}?", "page=-1"),
        ("learner", "/app/catalogue?q=a", "page=99999999999999999999"),
    ],
)
async def test_a_place_that_is_not_known_leads_to_the_begin_of_the_list(
    visit: Visit, school: School, role: str, path: str, place: str
) -> None:
    begin = school.filled(path)

    shown = await visit(role).open(f"{begin}&{place}")

    assert shown.status == 200
    assert str(shown.response.url).endswith(begin.removesuffix("?")), "the filters stay"


@pytest.mark.parametrize("query", ["%63ursor=forged", "sort=nothing&cursor=forged", "cursor=forged&%63ursor=x"])
async def test_what_else_is_wrong_with_a_query_is_said(visit: Visit, school: School, query: str) -> None:
    shown = await visit("tutor").open(school.filled(f"{COURSE}/learners?{query}"))

    assert shown.status == 400


async def test_a_refused_form_keeps_what_was_typed_though_its_place_is_not_known(visit: Visit, school: School) -> None:
    action = school.filled(f"{COURSE}/assessments/{{assessment}}/submissions/{{submission}}/grade?show=all&cursor=forged")

    shown = await visit("tutor").submit(action, {"grade": "11", "seen": "0", "feedback": "Well argued"})

    assert shown.status == 422
    assert [each.get_text() for each in shown.soup.select(".gradebook textarea")] == ["Well argued"]

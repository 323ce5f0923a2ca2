"""The account page, and what all pages do: refused forms, errors, languages and time zones."""

import pytest

from headway.instants import HOUR
from tests.contract.rights.conftest import School
from tests.pages.conftest import Visit
from tests.world import FakeClock, World

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}"


async def test_a_name_is_changed(visit: Visit) -> None:
    visitor = visit("learner")

    shown = await visitor.submit("/app/account/name", {"name": "Ada Lovelace"})

    assert "Your name is changed." in shown.text
    assert shown.values("/app/account/name")["name"] == ["Ada Lovelace"]
    assert "Your name is changed." not in (await visitor.open("/app/account")).text


async def test_a_refused_form_keeps_what_was_typed_and_says_what_is_wrong(visit: Visit) -> None:
    shown = await visit("learner").submit("/app/account/name", {"name": " "})

    assert shown.status == 422
    assert shown.values("/app/account/name")["name"] == [" "]
    wrong = shown.form("/app/account/name").find("input", attrs={"aria-invalid": "true"})
    assert wrong is not None
    assert "must have 1 to" in shown.text


async def test_a_form_without_its_fields_names_them(visit: Visit) -> None:
    shown = await visit("learner").submit("/app/account/password", {"current_password": "x"})

    assert shown.status == 422
    assert shown.text.count("is required") == 2


async def test_another_password_ends_the_session(visit: Visit, school: School, world: World) -> None:
    await world.set_password(school.people["learner"].id, "Correct-Horse-1")
    visitor = visit("learner")
    visitor.client.cookies.clear()
    learner = await world.find_user(school.people["learner"].id)
    visitor.client.cookies.set("headway-access", world.services.tokens.issue(learner), domain="headway.test")
    fields = {"current_password": "Correct-Horse-1", "new_password": "Better-Horse-2", "repeated_password": "Better-Horse-2"}

    shown = await visitor.submit("/app/account/password", fields)

    assert shown.path == "/app/sign-in"
    assert "Your password is changed." in shown.text


async def test_a_password_that_is_mistyped_is_not_stored(visit: Visit, school: School, world: World) -> None:
    await world.set_password(school.people["learner"].id, "Correct-Horse-1")
    visitor = visit("nobody")
    learner = await world.find_user(school.people["learner"].id)
    visitor.client.cookies.set("headway-access", world.services.tokens.issue(learner), domain="headway.test")

    shown = await visitor.submit(
        "/app/account/password",
        {"current_password": "Correct-Horse-1", "new_password": "Better-Horse-2", "repeated_password": "Better-Horse-3"},
    )

    assert shown.status == 422
    assert "Better-Horse" not in shown.html


async def test_no_name_is_rendered_as_html(visit: Visit) -> None:
    shown = await visit("learner").submit("/app/account/name", {"name": HOSTILE})

    assert shown.soup.find("script", string="alert(1)") is None
    assert shown.soup.find("img", src="x") is None
    assert shown.values("/app/account/name")["name"] == [HOSTILE]


@pytest.mark.parametrize("mark", ["", "!"])
async def test_a_notice_is_text(visit: Visit, mark: str) -> None:
    visitor = visit("learner")
    visitor.client.cookies.set("headway-notice", f"{mark}%3Cscript%3Ealert(1)%3C/script%3E", domain="headway.test")

    shown = await visitor.open("/app/account")

    assert "<script>alert(1)</script>" in shown.text
    assert shown.soup.find("script", string="alert(1)") is None


@pytest.mark.parametrize("path", ["/app/nothing", "/app/courses/1/nothing/at/all"])
async def test_an_unknown_page_is_a_page(visit: Visit, path: str) -> None:
    shown = await visit("learner").open(path)

    assert shown.status == 404
    assert shown.response.headers["content-type"] == "text/html; charset=utf-8"
    assert "There is nothing here" in shown.text


async def test_a_path_outside_the_pages_keeps_its_problem_details(visit: Visit) -> None:
    response = await visit("learner").client.get("/application")

    assert response.headers["content-type"] == "application/problem+json"


async def test_times_are_in_the_zone_and_the_form_of_the_viewer(visit: Visit, clock: FakeClock) -> None:
    visitor = visit("learner")
    clock.now += 0 * HOUR
    british = await visitor.open("/app/account", **{"Accept-Language": "en-GB,en;q=0.5"})
    american = await visitor.open("/app/account", **{"Accept-Language": "en-US"})
    assert "1 Jan 2026" in british.text
    assert "Jan 1, 2026" in american.text

    visitor.client.cookies.set("headway-zone", "Pacific/Kiritimati", domain="headway.test")
    ahead = await visitor.open("/app/account", **{"Accept-Language": "en-GB"})
    assert "2 Jan 2026" in ahead.text
    assert "Pacific/Kiritimati" in ahead.html


@pytest.mark.parametrize("zone", ["", "Nowhere/At_All", "../../etc/passwd", "A" * 5_000, "\x01"])
async def test_an_unknown_zone_is_that_of_the_server(visit: Visit, zone: str) -> None:
    visitor = visit("learner")

    shown = await visitor.open("/app/account", Cookie=f"{visitor.client.cookies.jar and ''}headway-zone={zone}")

    assert "in the time zone UTC" in shown.html


@pytest.mark.parametrize("accepted", ["", "tlh", "xx-YY;q=nan", "*", "en;q=0,de;q=0", ",,,;;;", "e" * 10_000])
async def test_an_unknown_language_is_english(visit: Visit, accepted: str) -> None:
    shown = await visit("nobody").open("/app/sign-in", **{"Accept-Language": accepted})

    assert shown.status == 200
    assert shown.soup.html is not None
    assert shown.soup.html["lang"] == "en"

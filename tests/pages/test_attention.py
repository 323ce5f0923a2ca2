"""The pages *Needs attention* and *Learners*, as a browser without scripts sees them."""

import csv
from io import StringIO
from typing import Any

import httpx
import pytest

from headway.accounts.model import User
from headway.identity import CourseRole, Role
from headway.instants import DAY
from headway.paging.service import Walk
from tests.contract.rights.conftest import School
from tests.integration.attention_class import AttentionClass, make_class
from tests.pages.conftest import BOTH_DATABASES, Visit
from tests.pages.test_account import HOSTILE
from tests.pages.visitor import ORIGIN, Shown, Visitor
from tests.world import NOON, World

pytestmark = BOTH_DATABASES


@pytest.fixture
async def course(world: World, school: School) -> AttentionClass:
    """A class whose tutor is that of the school."""
    made = await make_class(world, starts_at=NOON - 10 * DAY, ends_at=NOON + 90 * DAY)
    await world.write(
        world.services.course_staff.set_role, made.tutor, made.course.id, school.people["tutor"].id, CourseRole.INSTRUCTOR
    )
    return made


class Tutor(Visitor):
    """The tutor, who signs in again whenever time has passed."""

    def __init__(self, client: httpx.AsyncClient, world: World, user: User) -> None:
        super().__init__(client, world)
        self.world, self.user = world, user

    def sign_in(self) -> None:
        token = self.world.services.tokens.issue(self.user)
        self.client.cookies.set("headway-access", token, domain="headway.test")

    async def open(self, path: str, **headers: str) -> Shown:
        self.sign_in()
        return await super().open(path, **headers)

    async def submit(self, action: str, fields: dict[str, Any] | None = None, **headers: str) -> Shown:
        self.sign_in()
        return await super().submit(action, fields, **headers)


@pytest.fixture
def tutor(client: httpx.AsyncClient, world: World, school: School) -> Tutor:
    return Tutor(client, world, school.people["tutor"])


def path(course: AttentionClass, page: str = "attention") -> str:
    return f"/app/courses/{course.course.id}/{page}"


def listed(shown: Shown) -> dict[str, list[str]]:
    """Return the reasons of those who are listed, by name."""
    return {
        " ".join(person.select_one(".name").get_text().split()): [each.get_text() for each in person.select(".reasons li")]  # type: ignore[union-attr]
        for person in shown.soup.select(".person")
    }


async def texts_to(world: World, user: User) -> list[str]:
    found, _ = await world.read(world.services.messaging.list_messages, user.id, peer_id=None, walk=Walk(100, 1))
    return [each.message for each in found]


async def test_the_page_names_who_is_listed_and_why(course: AttentionClass, tutor: Tutor) -> None:
    ada, grace = await course.learner("Ada"), await course.learner("Grace")
    await course.study(ada.id, "hard quiz", score=79)
    await course.study(ada.id, "quiz", score=20)
    course.pass_days(25)
    await course.study(grace.id, "time", minutes=200)

    shown = await tutor.open(path(course))

    assert listed(shown) == {
        "Ada": [
            "not seen for 25 days",
            "2 results do not pass: “Unit quiz” 20%, “Unit quiz” 79%",
        ],
        "Grace": ["21 points behind: at 6% of 27%", "at “Unit time” for 0 days, 3 h 20 min of study"],
    }
    figures = [each.get_text(strip=True) for each in shown.soup.select(".card.rule .figure")]
    assert figures == ["1", "1", "1", "1"]
    only = await tutor.open(f"{path(course)}?rule=stuck")
    assert list(listed(only)) == ["Grace"]
    assert "1 learner is listed by this rule." in only.text
    assert (await tutor.open(path(course, "attention/count"))).soup.get_text().split() == ["2", "learners"]


async def test_a_rule_is_changed_and_switched_off_in_place(course: AttentionClass, tutor: Tutor) -> None:
    await course.learner("Ada")
    course.pass_days(9)
    rules = f"{path(course)}/rules"

    shown = await tutor.submit(f"{rules}/not_seen", {"threshold": "9", "is_on": "true"})
    assert "The rule is changed." in shown.text
    assert "No activity for 9 days or longer." in shown.text
    assert list(listed(shown)) == ["Ada"]
    shown = await tutor.submit(f"{rules}/not_seen", {"threshold": "10"})
    assert listed(shown) == {}
    assert "off" in shown.soup.select(".card.rule .figure")[0].get_text()


@pytest.mark.parametrize(
    ("rule", "fields", "wrong"),
    [
        ("not_seen", {"threshold": "0"}, "threshold"),
        ("not_seen", {"threshold": "soon"}, "threshold"),
        ("behind_plan", {"threshold": "100"}, "threshold"),
        ("stuck", {"threshold": "5", "hours": "0"}, "hours"),
        ("unknown", {"threshold": "5"}, "rule"),
    ],
)
async def test_a_rule_out_of_its_range_is_refused_with_what_was_typed(
    course: AttentionClass, tutor: Tutor, rule: str, fields: dict[str, str], wrong: str
) -> None:
    form = f"rule-{rule}"

    shown = await tutor.submit(f"{path(course)}/rules/{rule}", {"form": form, **fields})

    assert shown.status == 422
    if rule != "unknown":
        field = shown.form(f"{path(course)}/rules/{rule}").find("input", attrs={"name": wrong})
        assert field is not None
        assert (field["aria-invalid"], field["value"]) == ("true", fields[wrong])
        opened = shown.form(f"{path(course)}/rules/{rule}").find_parent("details")
        assert opened is not None
        assert opened.has_attr("open")


async def test_a_message_is_sent_once_however_often_the_form_is(course: AttentionClass, tutor: Tutor, world: World) -> None:
    ada, grace = await course.learner("Ada"), await course.learner("Grace")
    course.pass_days(9)
    fields = {"message": "Hello {name}!", "to": [str(ada.id), str(grace.id)], "back": f"{path(course)}?rule=not_seen"}

    shown = await tutor.submit(f"{path(course)}/message", fields)
    assert "Message sent to 2 learners." in shown.text
    assert shown.response.url.query == b"rule=not_seen"
    assert shown.html.count("messaged just now") == 2
    again = await tutor.submit(f"{path(course)}/message", fields)

    assert "Message sent to 0 learners. 2 had the same message already." in again.text
    assert again.soup.select_one(".notice.warn") is not None
    assert (await texts_to(world, ada), await texts_to(world, grace)) == (["Hello Ada!"], ["Hello Grace!"])


async def test_all_who_are_listed_get_it_also_those_on_other_pages(course: AttentionClass, tutor: Tutor, world: World) -> None:
    learners = [await course.learner(f"Learner {number}") for number in range(53)]
    course.pass_days(9)
    busy = await course.learner("Busy")

    first = await tutor.open(path(course))
    rest = first.soup.find("a", rel="next")
    assert rest is not None
    second = await tutor.open(str(rest["href"]))
    assert len(listed(first)) == 50
    assert set(listed(first)) | set(listed(second)) == {user.name for user in learners}
    shown = await tutor.submit(f"{path(course)}/message", {"message": "Hello {name}", "is_to_all": "true", "rule": "not_seen"})

    assert "Message sent to 53 learners." in shown.text
    assert [await texts_to(world, user) for user in (learners[0], learners[52], busy)] == [
        ["Hello Learner 0"],
        ["Hello Learner 52"],
        [],
    ]
    expired = await tutor.open(f"{path(course)}?cursor=forged")
    assert (expired.status, len(listed(expired))) == (200, 50)


@pytest.mark.parametrize(
    ("action", "fields", "wrong"),
    [
        ("message", {"message": "Hello"}, "select somebody first"),
        ("message", {"to": "1", "message": ""}, "is required"),
        ("message", {"to": "1", "message": " "}, "must have 1 to"),
        ("dismiss", {"days": "7"}, "select somebody first"),
        ("dismiss", {"to": "1", "days": "0"}, "must be from 1 to"),
    ],
)
async def test_what_cannot_be_done_is_said_on_the_page(
    course: AttentionClass, tutor: Tutor, action: str, fields: dict[str, str], wrong: str
) -> None:
    await course.learner("Ada")
    course.pass_days(9)

    shown = await tutor.submit(f"{path(course)}/{action}", {"form": "bulk", **fields})

    assert shown.status == 422
    assert list(listed(shown)) == ["Ada"]
    assert wrong in shown.text


async def test_what_is_put_aside_is_shown_with_its_note_and_can_be_undone(course: AttentionClass, tutor: Tutor) -> None:
    ada = await course.learner("Ada")
    course.pass_days(9)

    shown = await tutor.submit(f"{path(course)}/dismiss", {"to": str(ada.id), "days": "7", "note": HOSTILE})
    aside = shown.soup.find("section", attrs={"aria-labelledby": "dismissed"})
    assert aside is not None
    assert listed(shown) == {}
    assert HOSTILE in aside.get_text()
    shown = await tutor.submit(f"{path(course)}/restore", {"to": str(ada.id)})

    assert list(listed(shown)) == ["Ada"]
    assert "Dismissed 1" not in shown.text


async def test_no_text_of_people_is_rendered_as_html(course: AttentionClass, tutor: Tutor, world: World) -> None:
    user = await course.learner(HOSTILE)
    course.pass_days(9)
    hostile = {"name": HOSTILE, "query": f"q={HOSTILE}&sort=name\r\nSet-Cookie: a=b"}
    await tutor.submit(f"{path(course, 'learners')}/filters", hostile)
    await tutor.submit(f"{path(course)}/dismiss", {"to": str(user.id), "note": HOSTILE})
    pages = [await tutor.open(path(course)), await tutor.open(path(course, "learners"))]
    pages.append(await tutor.submit(f"{path(course)}/message", {"form": f"write-{user.id}", "message": HOSTILE * 90}))

    for shown in pages:
        assert HOSTILE in shown.soup.get_text()
        assert shown.soup.find("script", string="alert(1)") is None
        assert shown.soup.find("img", src="x") is None


async def test_a_form_leads_back_to_pages_of_this_server_alone(course: AttentionClass, tutor: Tutor) -> None:
    tutor.sign_in()
    response = await tutor.client.post(
        f"{path(course)}/restore", data={"back": "https://evil.example/"}, headers={"Origin": ORIGIN}, follow_redirects=False
    )

    assert response.headers["location"] == "/app"


async def test_a_course_that_has_not_begun_lists_nobody_and_says_so(world: World, tutor: Tutor, school: School) -> None:
    made = await make_class(world, starts_at=NOON + DAY)
    await world.write(
        world.services.course_staff.set_role, made.tutor, made.course.id, school.people["tutor"].id, CourseRole.INSTRUCTOR
    )
    await made.learner()

    shown = await tutor.open(path(made))

    assert "Nobody is listed before a course starts" in shown.text
    assert "no plan" in shown.text


async def test_the_csv_has_what_the_screen_shows(course: AttentionClass, tutor: Tutor) -> None:
    everybody = await course.live(learners=12, days=16, seed=7)
    course.pass_days(6)
    for query in ("", "status=all&sort=percent", "attention=any&sort=last_seen&order=desc", "q=nobody"):
        shown = await tutor.open(f"{path(course, 'learners')}?{query}")
        file = await tutor.client.get(f"{path(course, 'learners')}.csv?{query}")
        table = list(csv.reader(StringIO(file.content.decode("utf-8-sig"))))

        assert file.headers["content-type"] == "text/csv; charset=utf-8"
        assert len(table[0]) == 9
        assert [_as_screen(row) for row in table[1:]] == [
            [row[1].removesuffix(" Left").strip(), *row[2:4], row[5], row[6], row[7]] for row in shown.rows()
        ]
        times = [each["datetime"] for each in shown.soup.select("tbody time")]
        assert [row[4] for row in table[1:] if row[4]] == times
        if query == "status=all&sort=percent":
            assert len(table) == len(everybody) + 1
            assert any(row[1] == "Left" for row in table)


def _as_screen(row: list[str]) -> list[str]:
    """Write the figures of a line as the page shows them: name, progress, study time, grades, unit, reasons."""
    name, _, percent, minutes, _, grade, unit, reasons, _ = row
    hours, rest = divmod(int(minutes), 60)
    study = f"{hours} h {rest} min" if hours else f"{rest} min" if rest else "0 s"
    return [name, f"{percent}%", study, f"{grade}%" if grade else "\u2013", unit or "\u2013", reasons.replace("; ", " ")]


async def test_the_list_is_filtered_sorted_and_paged(course: AttentionClass, tutor: Tutor) -> None:
    for number in range(52):
        await course.learner(f"Learner {number:02}")
        course.pass_days(0.01)
    shown = await tutor.open(f"{path(course, 'learners')}?sort=enrolled&order=desc")
    names = [row[1] for row in shown.rows()]
    rest = shown.soup.find("a", rel="next")
    assert rest is not None
    following = await tutor.open(str(rest["href"]))
    names += [row[1] for row in following.rows()]

    assert names == [f"Learner {number:02}" for number in reversed(range(52))]
    assert shown.soup.find("th", attrs={"aria-sort": "descending"}) is not None
    found = await tutor.open(f"{path(course, 'learners')}?q=learner+07")
    assert [row[1] for row in found.rows()] == ["Learner 07"]
    assert "No learner fits these filters." in (await tutor.open(f"{path(course, 'learners')}?percent_from=50")).text
    for query in ("percent_from=101", "sort=color", "status=unknown", "unit="):
        assert (await tutor.open(f"{path(course, 'learners')}?{query}")).status == (200 if query == "unit=" else 400)


async def test_filters_are_saved_and_deleted(course: AttentionClass, tutor: Tutor, visit: Visit, world: World) -> None:
    await course.learner("Ada")
    filters = f"{path(course, 'learners')}/filters"

    shown = await tutor.submit(filters, {"name": "By progress", "query": "sort=percent"})
    assert shown.response.url.query == b"sort=percent"
    chip = shown.soup.find("a", string="By progress")
    assert chip is not None
    assert str(chip["href"]).endswith("learners?sort=percent")
    refused = await tutor.submit(filters, {"name": " ", "query": "sort=percent", "form": "filter"})
    assert (refused.status, "must have 1 to 100" in refused.text) == (422, True)
    colleague = Visitor(tutor.client, world, await world.user(Role.ADMIN))
    assert "By progress" not in (await colleague.open(path(course, "learners"))).text
    shown = await tutor.submit(f"{filters}/delete", {"name": "By progress"})
    assert shown.soup.find("a", string="By progress") is None


@pytest.mark.parametrize("page", ["attention", "learners", "learners/{anyone}", "assessments/{assessment}"])
async def test_who_does_not_teach_the_course_is_led_to_no_message(
    course: AttentionClass, tutor: Tutor, client: httpx.AsyncClient, school: School, page: str
) -> None:
    """Messages go from tutors to their learners, so an administrator sees no form and no link that would be refused."""
    ada = await course.learner("Ada")
    course.pass_days(9)
    shown_path = path(course, page.format(anyone=ada.id, assessment=course.assessments[0]))
    admin = Tutor(client, course.world, school.people["admin"])

    for visitor, may_write in ((tutor, True), (admin, False)):
        shown = await visitor.open(shown_path)
        assert shown.status == 200
        ways = shown.soup.select("main a[href^='/app/messages/'], main form[action$='/message'] textarea[name=message]")
        assert bool(ways) is may_write


@pytest.mark.parametrize("role", ["learner", "other tutor", "nobody"])
async def test_others_cannot_act(course: AttentionClass, visit: Visit, world: World, role: str) -> None:
    ada = await course.learner("Ada")
    course.pass_days(9)
    visitor = visit(role)
    forms = {
        "attention/rules/not_seen": {"threshold": "30"},
        "attention/message": {"message": "Hello", "to": str(ada.id)},
        "attention/dismiss": {"to": str(ada.id)},
        "attention/restore": {"to": str(ada.id)},
        "learners/filters": {"name": "Mine"},
        "learners/filters/delete": {"name": "Mine"},
    }

    for page, fields in forms.items():
        shown = await visitor.submit(path(course, page), fields)
        assert shown.status == 403 or shown.path == "/app/sign-in", page
    assert await texts_to(world, ada) == []
    assert ada.id in (await course.find()).listed

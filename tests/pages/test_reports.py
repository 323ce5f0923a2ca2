"""The overview, the units and the grid of a course, as HTML and as CSV."""

import csv
import json
from io import StringIO

import httpx
import pytest
from bs4 import Tag

from headway.identity import Role
from headway.paging.service import Walk
from tests.integration.report_history import History
from tests.pages.visitor import Shown, Visitor
from tests.world import World

DASH = "\N{EN DASH}"


class Staff(Visitor):
    """The owner of a course with a history."""

    history: History
    base: str

    async def csv(self, path: str) -> list[list[str]]:
        """Return the rows of a CSV file."""
        response = await self.client.get(path)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].startswith("text/csv")
        return list(csv.reader(StringIO(response.text.removeprefix("\ufeff"))))


@pytest.fixture
async def staff(world: World, client: httpx.AsyncClient) -> Staff:
    history = await History(world, 5).build()
    await history.record(300)
    made = Staff(client, world, await world.find_user(history.staff.user_id))
    made.history, made.base = history, f"/app/courses/{history.course.id}"
    return made


def figures(page: Shown) -> dict[str, str]:
    """Return the numbers of the cards by their labels."""
    return {
        " ".join(card.select_one(".term").find(string=True).split()): card.select_one(".figure").get_text().strip()  # type: ignore[union-attr]
        for card in page.soup.select(".cards .card")
    }


async def test_the_overview_shows_what_the_report_says(staff: Staff, world: World) -> None:
    page = await staff.open(staff.base)

    found = await world.read(world.services.reports.overview, staff.history.staff, staff.history.course.id)
    shown = figures(page)
    assert shown["Learners"] == str(found.learners)
    assert shown["Active this week"] == str(found.active)
    assert shown["Completed"] == str(found.completed)
    assert shown["Average progress"] == f"{int(found.average_percent)}%"
    assert [row[1] for row in page.rows("figure[data-chart=bars] tbody tr")][:7] == [
        str(each.learners) for each in found.progress
    ]


async def test_every_table_of_the_overview_is_its_csv(staff: Staff) -> None:
    page = await staff.open(staff.base)
    links = [str(link["href"]) for link in page.soup.select("figure a[download]")]
    assert [link.rpartition("/")[2] for link in links] == [
        f"{n}.csv" for n in ("funnel", "weeks", "progress", "study-time", "quartiles")
    ]

    for link, figure in zip(links, page.soup.select("figure"), strict=True):
        header, *rows = await staff.csv(link)
        assert header == [" ".join(cell.get_text().split()) for cell in figure.select("thead th")]
        shown = [[cell.get("data-value") for cell in row.select("td")] for row in figure.select("tbody tr")]
        assert [[number_of(value) for value in row[1:]] for row in rows] == [
            [None if value is None else scaled(str(value), unit) for value, unit in zip(row, units(figure), strict=True)]
            for row in shown
        ]


def units(figure: Tag) -> list[str]:
    return [str(cell.get("data-unit")) for cell in figure.select("thead th")[1:]]


def scaled(value: str, unit: str) -> float:
    return round(float(value) / {"percent": 100, "duration": 1000}.get(unit, 1), 3)


def number_of(text: str) -> float | None:
    return float(text) if text else None


async def test_a_step_of_the_funnel_leads_to_those_who_stand_there(staff: Staff, world: World) -> None:
    page = await staff.open(staff.base)
    found = await world.read(world.services.reports.overview, staff.history.staff, staff.history.course.id)
    links = [str(link["href"]) for link in page.soup.select("figure[data-chart=funnel] tbody a")]
    assert len(links) == len(found.funnel.steps)

    for link, step in zip(links, found.funnel.steps, strict=True):
        shown = await staff.open(link)
        assert len(shown.rows()) == step.standing
        assert sum("left" in row[1] for row in shown.rows()) == step.left
        assert len(shown.soup.select("tbody input[name=to]")) == step.standing - step.left
        assert len(await staff.csv(f"{link}.csv")) == step.standing + 1
        assert all(str(a["href"]).startswith(f"{staff.base}/learners/") for a in shown.soup.select("tbody a"))
    assert (await staff.open(f"{staff.base}/funnel/{len(links)}")).status == 404
    assert (await staff.open(f"{staff.base}/funnel/x")).status == 404


async def test_units_are_shown_sorted_and_as_csv(staff: Staff, world: World) -> None:
    reports = await world.read(world.services.reports.units, staff.history.staff, staff.history.course.id)
    for sort in ("course", "started", "completed", "stuck", "skipped", "time"):
        page, (_, *rows) = (
            await staff.open(f"{staff.base}/units?sort={sort}"),
            await staff.csv(f"{staff.base}/units.csv?sort={sort}"),
        )
        shown = [[*cells[0].split(maxsplit=2)[:2], *(cell.split()[0] for cell in cells[1:5])] for cells in page.rows()]
        assert [f"{a} {b}".replace(" optional", "") for a, b, *_ in shown] == [row[0] for row in rows]
        assert [numbers for _, _, *numbers in shown] == [row[2:6] for row in rows]
    by_title = {row[0]: row for row in rows}
    for report in reports:
        counts = report.counts
        assert by_title[report.unit.title][2:6] == list(
            map(str, (counts.started, counts.completed, report.stuck, counts.skipped))
        )
    times = [float(row[6]) for row in rows]
    assert times == sorted(times, reverse=True)


async def test_a_unit_shows_what_the_report_says(staff: Staff, world: World) -> None:
    for unit in staff.history.course.units:
        detail = await world.read(world.services.reports.unit, staff.history.staff, staff.history.course.id, unit.id)
        page = await staff.open(f"{staff.base}/units/{unit.id}")
        counts = detail.report.counts
        wanted = (counts.started, counts.completed, detail.report.stuck, counts.skipped)
        assert [figures(page)[name] for name in ("Started", "Completed", "Stuck", "Skipped")] == list(map(str, wanted))
        stuck = page.soup.select("h2#stuck ~ * tbody th a, section > .table-wrap tbody th a")
        assert [link.get_text() for link in stuck] == [each.name for each in detail.stuck]
        charts = {str(figure["data-chart"]) for figure in page.soup.select("figure")}
        assert ("strips" in charts) == (detail.retention is not None)
        for link in page.soup.select("a[download]"):
            rows = await staff.csv(str(link["href"]))
            assert len(rows) > 1
    assert (await staff.open(f"{staff.base}/units/999")).status == 404
    assert (await staff.client.get(f"{staff.base}/units/{unit.id}/nothing.csv")).status_code == 404


@pytest.mark.parametrize("query", ["", "sort=percent&order=desc", "sort=last-activity", "status=everybody&colours=quarters"])
async def test_the_grid_is_its_csv_on_all_its_pages(staff: Staff, query: str) -> None:
    header, *rows = await staff.csv(f"{staff.base}/grid.csv?{query}")
    shown, path = [], f"{staff.base}/grid?rows=5&{query}"
    for _ in range(9):
        page = await staff.open(path)
        shown += page.rows()
        following = page.soup.find("a", string="Next page")
        if following is None:
            break
        path = str(following["href"])

    assert header[3:] == [unit.title for unit in staff.history.course.units]
    assert [[row[0], *(cell.replace(DASH, "") for cell in row[2:])] for row in shown] == [[row[0], *row[3:]] for row in rows]
    assert [row[1] for row in shown] == [f"{int(float(row[1]))}%" for row in rows]
    assert len(rows) == (12 if "everybody" in query else 10)


async def test_a_long_grid_is_sent_packed_and_says_the_same(staff: Staff) -> None:
    full, packed = await staff.open(f"{staff.base}/grid"), await staff.open(f"{staff.base}/grid?rows=1000")

    assert [row[:2] for row in packed.rows()] == [row[:2] for row in full.rows()]
    assert [row[2].split(" ") for row in packed.rows()] == [row[2:] for row in full.rows()]
    assert packed.soup.select("tr.packed a")[0]["href"] == full.soup.select("tbody a")[0]["href"]


async def test_a_cell_leads_to_the_learners_unit_and_its_colour_follows_its_percent(staff: Staff) -> None:
    page = await staff.open(f"{staff.base}/grid")
    units = [unit.id for unit in staff.history.course.units]

    for row in page.soup.select("tbody tr"):
        learner = str(row.select_one("th a")["href"])  # type: ignore[index]
        for cell, unit_id in zip(row.select("td")[1:], units, strict=True):
            text = cell.get_text()
            assert cell.select_one("a")["href"] == f"{learner}#unit-{unit_id}"  # type: ignore[index]
            level = None if text == DASH else [f"l{sum(int(text) >= cut for cut in (50, 80, 100))}"]
            assert cell.get("class") == level


@pytest.mark.parametrize("after", ["x", "1", "1,", "-1,a", "9" * 400, "1,99999999999999999999", "²,x"])
async def test_an_odd_place_in_the_grid_is_no_error(staff: Staff, after: str) -> None:
    for sort in ("name", "percent", "last-activity"):
        assert (await staff.open(f"{staff.base}/grid?sort={sort}&after={after}")).status == 200


async def test_a_course_without_learners_says_what_to_do(world: World, client: httpx.AsyncClient) -> None:
    history = await History(world, 1).build(learners=0)
    visitor = Visitor(client, world, await world.find_user(history.staff.user_id))
    base = f"/app/courses/{history.course.id}"

    assert "Nobody is enrolled yet" in (await visitor.open(base)).text
    assert "There is nobody in this list" in (await visitor.open(f"{base}/grid")).text
    assert "Nobody has started this unit yet" in (await visitor.open(f"{base}/units/{history.course.units[0].id}")).text
    assert len((await visitor.open(f"{base}/units")).rows()) == 7


async def test_names_of_learners_are_never_html(staff: Staff, world: World) -> None:
    name = "<img src=x onerror=alert(1)>"
    learner = await world.user(Role.PARTICIPANT)
    await world.write(world.services.accounts.change_profile, learner.id, name=name)
    await world.write(world.services.enrollments.enroll, learner.id, staff.history.course.id)

    for path in (f"{staff.base}/grid", f"{staff.base}/grid?rows=1000", f"{staff.base}/funnel/0"):
        page = await staff.open(path)
        assert "<img src=x" not in page.html
        assert any(name in row for row in page.rows())


async def test_those_who_stopped_are_written_to_where_they_are_found(staff: Staff, world: World) -> None:
    for path in (f"{staff.base}/funnel/1", f"{staff.base}/units/{staff.history.course.units[1].id}"):
        page = await staff.open(path)
        receivers = [str(box["value"]) for box in page.soup.select("tbody input[name=to]")]
        assert receivers
        action = f"{staff.base}/attention/message"
        sent = await staff.fill(page, action, to=receivers, message=f"Hello {{name}}, from {path}")
        assert sent.path == path
        for receiver in map(int, receivers):
            found = await world.read(world.services.messaging.list_messages, receiver, peer_id=None, walk=Walk(50, 1))
            assert any(each.message.endswith(path) for each in found[0])


async def test_export_offers_every_file_and_each_is_sent(staff: Staff) -> None:
    for path in (staff.base, f"{staff.base}/learners"):
        page = await staff.open(path)
        links = [str(link["href"]) for link in page.soup.select("details.export a[download]")]
        names = [f"{name}.csv" for name in ("learners", "units", "days", "grades")]
        assert links == [f"{staff.base}/export/{name}" for name in (*names, "everything.ndjson")]
    learners = len(staff.history.learners)
    assert len(await staff.csv(links[0])) == learners + 1
    for link in links[:4]:
        response = await staff.client.get(link)
        assert response.text.startswith("\ufeff" + "learnerId,externalId,name")
        assert response.headers["content-disposition"].endswith(f"course-{staff.history.course.id}-{link.rpartition('/')[2]}")
    lines = [json.loads(line) for line in (await staff.client.get(links[4])).text.splitlines()]
    assert [line["type"] for line in lines] == ["course", *["learner"] * learners, "end"]
    assert (await staff.open(f"{staff.base}/export/unknown.csv")).status == 404

"""Charts in a real Chromium: what is drawn is what the table says, whatever happens to it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route

from headway.web.assets import Assets
from headway.web.rendering import Pages
from headway.web.texts import Catalogues
from tests.browser.app.conftest import SIZES, App, AppPage, OpenPage
from tests.browser.school import becomes
from tests.world import FakeClock

HOSTILE = '<img src=x onerror="document.title=1"> & "Ada"'
NOTHING = "\N{EN DASH}"
HOUR = 3_600_000
CHARTS: dict[str, dict[str, Any]] = {
    "bars": {
        "header": ["Progress", ("Learners", "number")],
        "rows": [["up to 25%", 12], ["up to 50%", (30, "30", {"tone": "warn"})], ["up to 75%", 0], ["up to 100%", 48]],
    },
    "line": {
        "header": ["Week", ("Active", "number"), ("New", "number")],
        "rows": [
            ["5 Jan", 40, 40],
            ["12 Jan", 60, 25],
            ["19 Jan", 55, None],
            ["26 Jan", (20, "20 so far", {"tone": "partial"}), 5],
        ],
    },
    "strips": {
        "header": ["Part", ("Viewers", "percent"), ("Watched again", "percent")],
        "rows": [[(i * 12, f"0:{i * 12:02}"), 10_000 - i * 1_500, i * 300] for i in range(5)],
    },
    "scatter": {
        "header": ["Learner", ("Study time", "duration"), ("Grade", "percent")],
        "rows": [
            [(None, "Bo", {"href": "/app/courses/1/learners/7"}), 4 * HOUR, 5_000],
            [(None, HOSTILE), 12 * HOUR, (9_000, "90 %", {"tone": "good"})],
            ["Nobody's work", None, None],
        ],
    },
    "funnel": {
        "header": ["Step", ("Learners", "number"), ("Of the step before", "percent")],
        "rows": [["Enrolled", 80, None], ["Started", 60, 7_500], ["Completed", (15, "15", {"tone": "bad"}), 2_500]],
    },
    "quartiles": {
        "header": [
            "Group",
            *[(name, "duration") for name in ("Minimum", "Lower quartile", "Median", "Upper quartile", "Maximum")],
        ],
        "rows": [["All", 0, 2 * HOUR, 5 * HOUR, 8 * HOUR, 20 * HOUR]],
    },
    "calendar": {
        "header": ["Day", ("Study time", "duration")],
        "rows": [
            [("2026-01-05", "5 January 2026"), 600_000],
            [("2026-01-12", "12 January 2026"), HOUR],
            [("2026-02-01", "1 February 2026"), 3 * HOUR],
        ],
        "options": {"from": "2025-11-01", "to": "2026-02-03"},
    },
}
PAGE = """{% import "macros/charts.html" as charts with context %}<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Charts</title><link rel="stylesheet" href="{{ asset('app.css') }}">
{{ charts.head() }}</head><body><main><h1>Charts</h1>
{% for kind, chart in shown.items() %}
{{ charts.chart(kind, "Title of " ~ kind, "What it shows.", csv_url="/app/x.csv", **chart) }}
{% endfor %}
<p id="after">After</p></main></body></html>"""
SHIFTS = "performance.getEntriesByType('layout-shift').reduce((sum, each) => sum + each.value, 0)"

OpenCharts = Callable[..., Awaitable[AppPage]]


@pytest_asyncio.fixture(loop_scope="session")
async def open_charts(app: App, open_page: OpenPage) -> OpenCharts:
    """Open a page with charts, all kinds or one, under the policy of pages."""
    pages = Pages(Catalogues("UTC"), Assets(), FakeClock())

    async def opened(*kinds: str, size: str = "desktop", **options: Any) -> AppPage:
        shown = {kind: CHARTS[kind] for kind in kinds or CHARTS}
        viewer = Catalogues("UTC").viewer(language=None, accept_language="en-GB", zone=None)
        text = pages._environments["en"].from_string(PAGE).render(shown=shown, viewer=viewer, request=None)
        headers = {name.decode(): value.decode() for name, value in pages.headers} | {"content-type": pages.MEDIA_TYPE}

        async def serve(route: Route) -> None:
            await route.fulfill(body=text, headers=headers)

        window = await open_page(None, size, **options)
        await window.page.route("**/app/charts-of-the-test", serve)
        await window.open("/app/charts-of-the-test")
        return window

    return opened


async def drawn(page: Page, kind: str) -> list[dict[str, Any]]:
    """Return the marks of a chart: their names, and the boxes of what they show."""
    await page.wait_for_selector(f'[data-chart="{kind}"] .mark')
    found: list[dict[str, Any]] = await page.eval_on_selector_all(
        f'[data-chart="{kind}"] .mark',
        """(marks) => marks.map((mark) => ({
          name: mark.getAttribute("aria-label"), href: mark.getAttribute("href"), tabindex: mark.getAttribute("tabindex"),
          points: [...mark.querySelectorAll(".point")].map((point) => {
            const { x, y, width, height } = point.getBBox();
            return { x, y, width, height, kind: point.getAttribute("class") };
          }),
        }))""",
    )
    return found


async def table(page: Page, kind: str) -> list[list[str]]:
    rows: list[list[str]] = await page.eval_on_selector_all(
        f'[data-chart="{kind}"] tr', "(rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim()))"
    )
    return rows


@pytest.mark.parametrize("size", SIZES)
async def test_all_kinds_look_right(open_charts: OpenCharts, size: str) -> None:
    window = await open_charts(size=size)
    await window.page.wait_for_selector('[data-chart="calendar"] .mark')

    assert await window.page.evaluate(SHIFTS) == 0
    assert await window.faults(f"charts-{size}") == []


@pytest.mark.parametrize("kind", CHARTS)
async def test_each_row_is_a_mark_that_reads_as_the_row(open_charts: OpenCharts, kind: str) -> None:
    window = await open_charts(kind)

    marks = await drawn(window.page, kind)

    header, *rows = await table(window.page, kind)
    with_values = [row for row in rows if any(cell != NOTHING for cell in row[1:])]
    assert [mark["name"] for mark in marks] == [
        "\n".join([row[0], *(f"{title}: {cell}" for title, cell in zip(header[1:], row[1:], strict=True))])
        for row in with_values
    ]
    assert [mark["tabindex"] for mark in marks] == ["0", *["-1"] * (len(marks) - 1)]
    assert window.errors == []


async def test_lengths_and_places_are_those_of_the_values(open_charts: OpenCharts) -> None:
    window = await open_charts()
    page = window.page

    bars = [mark["points"][0] for mark in await drawn(page, "bars")]
    assert [bar["height"] / bars[3]["height"] for bar in bars] == pytest.approx([0.25, 30 / 48, 0, 1], abs=0.001)
    assert "warn" in bars[1]["kind"]
    funnel = [mark["points"][0] for mark in await drawn(page, "funnel")]
    assert [bar["width"] / funnel[0]["width"] for bar in funnel] == pytest.approx([1, 0.75, 15 / 80], abs=0.001)
    first, second = [mark["points"][0] for mark in await drawn(page, "scatter")]
    ground = max(line["y"] for line in await boxes(page, "scatter", ".zero"))
    assert (ground - center(second, "y")) / (ground - center(first, "y")) == pytest.approx(9 / 5, abs=0.02)
    line = [mark["points"] for mark in await drawn(page, "line")]
    ground = max(each["y"] for each in await boxes(page, "line", ".zero"))
    heights = [ground - center(points[0], "y") for points in line]
    assert [height / heights[1] for height in heights] == pytest.approx([40 / 60, 1, 55 / 60, 20 / 60], abs=0.01)
    assert [len(points) for points in line] == [2, 2, 1, 2]
    (box,) = [mark["points"][0] for mark in await drawn(page, "quartiles")]
    (whisker,) = await boxes(page, "quartiles", ".whisker")
    assert box["width"] / whisker["width"] == pytest.approx(6 / 20, abs=0.01)
    strips = [mark["points"] for mark in await drawn(page, "strips")]
    assert strips[1][1]["height"] / strips[1][0]["height"] == pytest.approx(300 / 8_500, abs=0.01)
    days = [mark["points"][0] for mark in await drawn(page, "calendar")]
    assert [day["kind"].split()[0] for day in days] == ["level-1", "level-3", "level-5"]
    assert days[1]["x"] - days[0]["x"] == 15, "a week is one column"
    assert days[1]["y"] == days[0]["y"], "Mondays share a row"
    assert len(await boxes(page, "calendar", "rect:not(.mark rect)")) == 92 + 5, "days without study, and the legend"


@pytest.mark.parametrize(
    ("longest", "last"), [(90_000, "100s"), (65 * 60_000, "80m"), (2 * HOUR, "120m"), (4 * HOUR, "4h"), (41 * HOUR, "50h")]
)
async def test_an_axis_of_time_has_round_numbers_of_a_fitting_unit(
    open_charts: OpenCharts, monkeypatch: pytest.MonkeyPatch, longest: int, last: str
) -> None:
    monkeypatch.setitem(CHARTS, "bars", {"header": ["Unit", ("Study time", "duration")], "rows": [["One", longest]]})
    window = await open_charts("bars")
    await drawn(window.page, "bars")

    labels = await window.page.locator('svg text[text-anchor="end"]').all_text_contents()

    assert labels[-1] == last, labels


async def boxes(page: Page, kind: str, selector: str) -> list[dict[str, float]]:
    found: list[dict[str, float]] = await page.eval_on_selector_all(
        f'[data-chart="{kind}"] {selector}',
        "(all) => all.map((each) => { const { x, y, width, height } = each.getBBox(); return { x, y, width, height }; })",
    )
    return found


def center(box: dict[str, float], axis: str) -> float:
    return box[axis] + box["width" if axis == "x" else "height"] / 2


async def test_a_changed_table_is_drawn_again_and_the_focus_stays(open_charts: OpenCharts) -> None:
    window = await open_charts("bars")
    page = window.page
    await drawn(page, "bars")
    await page.locator(".mark").nth(1).focus()

    await page.evaluate("""() => {
      const cell = document.querySelectorAll("tbody tr")[1].cells[1];
      cell.textContent = "96";
      cell.dataset.value = "96";
    }""")

    marks = await drawn(page, "bars")
    assert marks[1]["name"] == "up to 50%\nLearners: 96"
    assert marks[1]["points"][0]["height"] / marks[3]["points"][0]["height"] == pytest.approx(2, abs=0.01)
    assert await page.evaluate("document.activeElement.getAttribute('aria-label')") == marks[1]["name"]


async def test_what_a_swap_emptied_or_brought_is_drawn(open_charts: OpenCharts) -> None:
    window = await open_charts("bars", "funnel")
    page = window.page
    before = await drawn(page, "bars")
    await page.evaluate("document.querySelector('[data-chart=bars] svg').replaceChildren()")
    assert await drawn(page, "bars") == before

    await page.evaluate("""() => {
      const figure = document.querySelector("[data-chart=funnel]");
      const copy = figure.cloneNode(true);
      copy.querySelector("svg").replaceChildren();
      figure.replaceWith(copy);
    }""")

    assert len(await drawn(page, "funnel")) == 3


async def test_a_chart_has_the_width_of_its_place(open_charts: OpenCharts) -> None:
    window = await open_charts("bars")
    page = window.page
    await drawn(page, "bars")
    heights = [await page.evaluate("document.querySelector('figure').offsetHeight")]

    await page.set_viewport_size({"width": 500, "height": 800})

    # Conditions are asked for from here: the policy of pages lets none be evaluated in the page again and again.
    await becomes(lambda: page.evaluate("document.querySelector('svg.plot').clientWidth < 500"))
    assert await page.evaluate("""() => {
      const { right } = document.querySelector("svg.plot").getBoundingClientRect();
      return [...document.querySelectorAll(".mark")].every((mark) => mark.getBoundingClientRect().right <= right + 1);
    }""")
    heights.append(await page.evaluate("document.querySelector('figure').offsetHeight"))
    assert heights[0] == heights[1]


async def test_a_chart_that_is_hidden_is_drawn_once_it_is_shown(open_charts: OpenCharts) -> None:
    window = await open_charts("bars")
    page = window.page
    await drawn(page, "bars")
    await page.evaluate("""() => {
      const figure = document.querySelector("figure").cloneNode(true);
      figure.querySelector("svg").replaceChildren();
      const box = document.createElement("section");
      box.hidden = true;
      box.append(figure);
      document.querySelector("figure").replaceWith(box);
    }""")
    assert await page.locator(".mark").count() == 0

    await page.evaluate("document.querySelector('section').hidden = false")

    assert len(await drawn(page, "bars")) == 4


async def test_the_keyboard_goes_through_the_marks_and_shows_them(open_charts: OpenCharts) -> None:
    window = await open_charts("line", "calendar")
    page = window.page
    tip = page.locator(".chart-tip")
    await drawn(page, "calendar")
    await page.locator('[data-chart="line"] .term').focus()
    await page.keyboard.press("Tab")
    assert await tip.inner_text() == "5 Jan\nActive: 40\nNew: 40"
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowRight")
    assert await tip.inner_text() == f"19 Jan\nActive: 55\nNew: {NOTHING}"
    await page.keyboard.press("End")
    assert await tip.inner_text() == "26 Jan\nActive: 20 so far\nNew: 5"
    await page.keyboard.press("Escape")
    assert await tip.is_hidden()
    await page.keyboard.press("Home")
    assert await tip.is_visible()

    await page.keyboard.press("Tab")

    assert await page.evaluate("document.activeElement.tagName") == "SUMMARY", "a chart is one stop"
    assert await tip.is_hidden()


async def test_the_pointer_shows_a_mark_and_a_link_is_followed(open_charts: OpenCharts) -> None:
    window = await open_charts("scatter")
    page = window.page
    await drawn(page, "scatter")
    hostile = page.locator(".mark").nth(1)

    await hostile.hover()

    assert await page.locator(".chart-tip").inner_text() == f"{HOSTILE}\nStudy time: 12 h 0 min\nGrade: 90 %"
    assert await page.title() == "Charts"
    assert await page.locator("figure img").count() == 0
    assert await page.locator("a.mark").get_attribute("href") == f"{window.url}/app/courses/1/learners/7"
    await page.mouse.move(0, 0)
    assert await page.locator(".chart-tip").is_hidden()
    assert window.errors == []


async def test_colours_follow_the_scheme_without_a_new_drawing(open_charts: OpenCharts) -> None:
    window = await open_charts("bars")
    page = window.page
    await drawn(page, "bars")
    colour = "getComputedStyle(document.querySelector('.mark .fill')).fill"
    await page.evaluate("document.querySelector('.mark').dataset.kept = 'yes'")
    light = await page.evaluate(colour)

    await page.emulate_media(color_scheme="dark")

    assert await page.evaluate(colour) != light
    assert await page.locator(".mark").first.get_attribute("data-kept") == "yes"


async def test_marks_are_seen_in_forced_colours(open_charts: OpenCharts) -> None:
    window = await open_charts(forced_colors="active")
    await drawn(window.page, "calendar")

    for shapes, painted in (
        (".fill", "fill"),
        (".box", "fill"),
        (".level-5", "fill"),
        (".stroke", "stroke"),
        (".median", "stroke"),
    ):
        seen = await window.page.locator(f".plot {shapes}").first.evaluate(f"(shape) => getComputedStyle(shape).{painted}")
        assert seen != await window.page.evaluate("getComputedStyle(document.body).backgroundColor"), shapes
    assert await window.faults("charts-forced") == []


async def test_more_contrast_is_given_to_who_asks_for_it(open_charts: OpenCharts) -> None:
    window = await open_charts("line", contrast="more")
    await drawn(window.page, "line")
    grid = "getComputedStyle(document.querySelector('.grid')).stroke"
    strong = await window.page.evaluate(grid)

    await window.page.emulate_media(contrast="no-preference")

    assert await window.page.evaluate(grid) != strong == "rgb(22, 24, 29)"


async def test_without_scripts_the_table_is_the_chart(open_charts: OpenCharts) -> None:
    window = await open_charts("bars", java_script_enabled=False)

    assert await window.page.locator("svg.plot").is_hidden()
    await window.page.locator("summary").click()
    assert await window.page.locator("table").is_visible()
    assert await window.page.get_by_role("link", name="CSV").get_attribute("href") == "/app/x.csv"

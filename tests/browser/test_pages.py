"""Pages that declare what they show, and applications that change it without a new page."""

from tests.browser.intervals import length
from tests.browser.school import becomes
from tests.browser.visit import Visit, assert_stored


async def open_declared(visit: Visit, name: str) -> None:
    """Go to a page that starts its tracker by attributes."""
    visit.gate.tokens["learner"] = visit.school.token(visit.learner)
    first, second = visit.school.unit_ids[:2]
    await visit.page.bring_to_front()
    await visit.page.goto(visit.gate.page(name, first=first, second=second, course=visit.school.course.id))
    await visit.page.evaluate("tracker = Headway.tracker")


async def test_a_page_without_code_is_tracked(visit: Visit) -> None:
    first, second = visit.school.unit_ids[:2]
    await open_declared(visit, "declared.html")
    await visit.read(1.5)
    await visit.page.click("#link")
    await visit.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    await visit.read(2)

    stored = await assert_stored(visit, await visit.end())
    assert stored.study_by_unit.keys() == {first, second}
    assert min(stored.study_by_unit.values()) > 0.7
    assert [(event.type, event.unit_id) for event in stored.events if event.type != "unit_view"] == [("link_click", first)]
    assert len([call for call in visit.gate.calls if call.path.startswith("/tokens/")]) == 1


async def test_a_single_page_application_is_followed(visit: Visit) -> None:
    first, second = visit.school.unit_ids[:2]
    await open_declared(visit, "app.html")
    await visit.read(1.2)
    await visit.page.evaluate("unit => go(unit)", second)
    gone = (await visit.record()).now
    await visit.read(1.2)
    await visit.page.evaluate("history.back()")
    await visit.page.wait_for_url(lambda url: "#" not in url)
    back = (await visit.record()).now
    await visit.read(1.2)

    stored = await assert_stored(visit, await visit.end())
    of_first, of_second = stored.spans(first), stored.spans(second)
    assert abs(length(of_second) - (back - gone)) < 0.4
    begin, end = min(start for start, _ in of_second), max(end for _, end in of_second)
    assert not [span for span in of_first if span[0] < end and span[1] > begin]


async def test_a_page_may_ask_for_progress(visit: Visit) -> None:
    unit = visit.school.course.units[1]
    await visit.open(unit=unit.id, progress=True)
    await visit.read(1)

    async def is_told() -> bool:
        return bool((await visit.told())["progress"])

    await becomes(is_told)
    told = (await visit.told())["progress"][-1]
    assert (told["courseId"], told["status"]) == (str(visit.school.course.id), "active")
    assert told["completionPercentage"] > 0
    await assert_stored(visit, await visit.end())

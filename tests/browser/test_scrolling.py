"""How far a learner has scrolled through a unit."""

from tests.browser.visit import Visit, assert_stored


async def depth(visit: Visit, unit_id: int) -> float | None:
    """Return the largest scroll depth that is stored for a unit."""
    depths = [event.scroll_depth for event in (await visit.stored()).events if event.unit_id == unit_id]
    return max((each for each in depths if each is not None), default=None)


async def scroll_to(visit: Visit, share: float, element: str = "document.documentElement") -> None:
    """Scroll until the lower end of the view is at a share of an element."""
    scroll = f"share => {{ const it = {element}; it.scrollTop = share * it.scrollHeight - it.clientHeight; }}"
    await visit.page.evaluate(scroll, share)


async def test_the_depth_is_the_furthest_that_was_seen(visit: Visit) -> None:
    unit = visit.school.unit_ids[0]
    await visit.open()
    await visit.read(0.5)
    await scroll_to(visit, 0.6)
    await visit.read(0.5)
    await scroll_to(visit, 0.2)
    await visit.read(0.5)

    await assert_stored(visit, await visit.end())
    found = await depth(visit, unit)
    assert found is not None
    assert abs(found - 60) <= 1


async def test_the_end_of_a_unit_completes_it(visit: Visit) -> None:
    unit = visit.school.course.units[3]
    await visit.open(unit=unit.id)
    await visit.read(0.3)
    await scroll_to(visit, 1)
    await visit.read(0.5)

    await assert_stored(visit, await visit.end())
    assert await depth(visit, unit.id) == 100
    assert await visit.school.is_complete(visit.learner, unit.id)


async def test_the_depth_is_that_of_the_units_own_element(visit: Visit) -> None:
    unit = visit.school.unit_ids[0]
    await visit.open("box.html", element="#unit")
    await visit.read(0.3)
    await scroll_to(visit, 1)
    await visit.read(0.3)
    await scroll_to(visit, 0)
    await scroll_to(visit, 0.5, "document.querySelector('.box')")
    await visit.read(0.5)

    await assert_stored(visit, await visit.end())
    found = await depth(visit, unit)
    assert found is not None
    assert abs(found - 50) <= 1


async def test_each_unit_begins_at_its_top(visit: Visit) -> None:
    first, second = visit.school.unit_ids[:2]
    await visit.open()
    await scroll_to(visit, 0.9)
    await visit.read(0.5)
    await visit.page.evaluate("unit => { scrollTo(0, 0); tracker.setUnit(unit); }", second)
    await visit.read(0.5)

    await assert_stored(visit, await visit.end())
    depths = [await depth(visit, unit) for unit in (first, second)]
    assert None not in depths
    assert abs((depths[0] or 0) - 90) <= 1
    assert (depths[1] or 100) < 30

"""Reports say what plain rows say, whatever happened, in whichever order it was recorded."""

from datetime import timedelta

import pytest

from headway.courses.model import NewModule, NewUnit
from headway.errors import Forbidden, NotFound
from headway.identity import Caller, Role
from headway.reports.model import GridOrder, GridSort, Overview
from tests.integration.concurrency import differences
from tests.integration.course_edits import unchanged_course
from tests.integration.report_history import EPOCH, Expected, History, inclusive_quartiles
from tests.world import World


@pytest.fixture(params=range(3))
async def history(world: World, request: pytest.FixtureRequest) -> History:
    made = await History(world, request.param).build()
    await made.record()
    return made


async def overview(history: History) -> Overview:
    return await history.world.read(history.world.services.reports.overview, history.staff, history.course.id)


async def assert_reports_are_right(history: History) -> None:
    world, reports, course_id = history.world, history.world.services.reports, history.course.id
    expected = await Expected(history).read()
    found = await overview(history)
    left = sum(row["status"] == "DROPPED" for row in expected.enrolled.values())

    assert (found.learners, found.left, found.active) == (len(expected.enrolled), left, expected.active)
    assert [each.learners for each in found.progress] == expected.progress
    assert [(EPOCH + timedelta(days=each.monday), each.learners) for each in found.weeks] == expected.weeks
    assert [step.reached for step in found.funnel.steps] == expected.funnel
    drops = [before - after for before, after in zip(expected.funnel, expected.funnel[1:], strict=False)]
    assert found.funnel.largest_drop == drops.index(max(drops))
    assert [step.standing for step in found.funnel.steps] == [*drops, expected.funnel[-1]]
    assert sum(step.left for step in found.funnel.steps) == left
    assert found.study_time.quartiles == inclusive_quartiles(expected.study_times)
    assert sum(each.values for each in found.study_time.classes) == len(expected.study_times) == found.study_time.values
    for each in found.study_time.classes:
        assert each.values == sum(each.start <= time < (each.end or 10**12) for time in expected.study_times)

    units = await world.read(reports.units, history.staff, course_id)
    assert [report.unit.id for report in units] == [unit.id for unit in expected.units]
    for report in units:
        unit_id = report.unit.id
        assert tuple(report.counts) == expected.counts(unit_id)
        assert report.stuck == len(expected.stuck(unit_id))
        detail = await world.read(reports.unit, history.staff, course_id, unit_id)
        assert detail.report == report
        assert {each.user_id for each in detail.stuck} == expected.stuck(unit_id)
        times = sorted(row["study_ms"] for (_, unit), row in expected.unit_rows.items() if unit == unit_id)
        assert detail.study_time.quartiles == (inclusive_quartiles(times) if times else None)
        scores = expected.scores(unit_id)
        assert detail.scores.values == len(scores)
        for each in detail.scores.classes:
            assert each.values == sum(each.start <= score < (each.end or 101) for score in scores)
        strips = [] if detail.retention is None else detail.retention.strips
        assert [(strip.watched, strip.again) for strip in strips] == expected.strips(unit_id)


async def test_every_number_is_that_of_plain_rows(history: History) -> None:
    await assert_reports_are_right(history)
    assert await differences(history.world) == []


async def test_every_number_is_right_after_the_course_was_edited(history: History) -> None:
    first, *others = unchanged_course(history.course).modules
    begins = NewModule(first.title, units=(NewUnit("New"), first.units[1]), id=first.id)
    history.course = await history.world.write(
        history.world.services.course_editing.change,
        history.staff,
        history.course.id,
        lambda tree: unchanged_course(tree, modules=(*others[::-1], begins)),
    )

    await assert_reports_are_right(history)
    await history.record(40, leavers=0)
    await assert_reports_are_right(history)
    assert await differences(history.world) == []


async def test_what_happens_is_in_the_next_report(world: World) -> None:
    history = await History(world, 1).build(learners=2)
    before = await overview(history)
    assert (before.active, [step.reached for step in before.funnel.steps]) == (0, [2, 0, 0, 0, 0, 0])

    await history.record(30, leavers=0)

    after = await overview(history)
    assert after.active > 0
    assert after.funnel.steps[1].reached == 1


async def test_an_empty_course_has_empty_reports(world: World) -> None:
    history = await History(world, 1).build(learners=0)
    found = await overview(history)

    assert (found.learners, found.active, found.average_percent, found.funnel.largest_drop) == (0, 0, 0.0, None)
    assert found.study_time.quartiles is None
    units = await world.read(world.services.reports.units, history.staff, history.course.id)
    assert {tuple(report.counts) for report in units} == {(0, 0, 0)}
    detail = await world.read(world.services.reports.unit, history.staff, history.course.id, units[1].unit.id)
    assert (detail.retention, detail.stuck, detail.scores.values) == (None, [], 0)
    grid = await world.read(world.services.reports.grid, history.staff, history.course.id, GridOrder(), after=None, limit=10)
    assert (grid.rows, grid.learners, grid.next_place, len(grid.units)) == ([], 0, None, 7)


@pytest.mark.parametrize("sort", GridSort)
@pytest.mark.parametrize("is_descending", [False, True])
async def test_a_grid_shows_every_learner_once_in_order(world: World, sort: GridSort, is_descending: bool) -> None:
    history = await History(world, 4).build()
    await history.record()
    expected = await Expected(history).read()
    rows, place = [], None
    order = GridOrder(sort, is_descending, with_left=True)
    for _ in range(5):
        grid = await world.read(world.services.reports.grid, history.staff, history.course.id, order, after=place, limit=5)
        rows += grid.rows
        place = grid.next_place
        if place is None:
            break

    keys = [(row.learner.key(sort), row.learner.user_id) for row in rows]
    assert keys == sorted(keys, reverse=is_descending)
    assert {row.learner.user_id for row in rows} == expected.enrolled.keys()
    assert len(rows) == len(expected.enrolled) == grid.learners
    for row in rows:
        for unit, cell in zip(grid.units, row.cells, strict=True):
            stored = expected.unit_rows.get((row.learner.user_id, unit.id))
            whole = stored is not None and stored["status"] == "COMPLETED"
            assert cell == (None if stored is None else 100 if whole else stored["percent"] // 100)


async def test_a_grid_is_of_those_with_access_unless_others_are_asked_for(world: World) -> None:
    history = await History(world, 4).build(learners=4)
    await world.write(world.services.enrollments.leave, history.learners[1], history.course.id)
    read = world.services.reports.grid

    some = await world.read(read, history.staff, history.course.id, GridOrder(), after=None, limit=9)
    everybody = await world.read(read, history.staff, history.course.id, GridOrder(with_left=True), after=None, limit=9)

    assert {row.learner.user_id for row in everybody.rows} - {row.learner.user_id for row in some.rows} == {history.learners[1]}
    assert (some.learners, everybody.learners) == (3, 4)


async def test_reports_are_for_the_staff_of_the_course(world: World) -> None:
    history = await History(world, 1).build(learners=1)
    reports, course_id, unit_id = world.services.reports, history.course.id, history.course.units[0].id
    other = await world.user(Role.INSTRUCTOR)
    for caller in (Caller(history.learners[0], Role.PARTICIPANT), Caller(other.id, Role.INSTRUCTOR)):
        with pytest.raises(Forbidden):
            await world.read(reports.overview, caller, course_id)
        with pytest.raises(Forbidden):
            await world.read(reports.units, caller, course_id)
        with pytest.raises(Forbidden):
            await world.read(reports.unit, caller, course_id, unit_id)
        with pytest.raises(Forbidden):
            await world.read(reports.grid, caller, course_id, GridOrder(), after=None, limit=1)
    with pytest.raises(NotFound, match="course"):
        await world.read(reports.overview, history.staff, course_id + 1)
    with pytest.raises(NotFound, match="unit"):
        await world.read(reports.unit, history.staff, course_id, 999)
    assert (await world.read(reports.overview, Caller(0, Role.ADMIN), course_id)).learners == 1


async def test_who_is_stuck_is_left_to_each_unit_where_too_many_units_are_in_progress(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = await History(world, 4).build()
    await history.record()
    monkeypatch.setattr("headway.reports.service._MOST_IN_PROGRESS", 0)

    units = await world.read(world.services.reports.units, history.staff, history.course.id)
    details = [await world.read(world.services.reports.unit, history.staff, history.course.id, each.unit.id) for each in units]

    expected = await Expected(history).read()
    assert {each.stuck for each in units} == {None}
    assert [each.report.stuck for each in details] == [len(expected.stuck(each.unit.id)) for each in units]

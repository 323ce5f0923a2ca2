"""The tables of the overview of a course."""

from typing import Any

from headway.courses.completion import COMPLETE
from headway.instants import DAY, HOUR, MINUTE, Milliseconds, iso
from headway.reports.distribution import Distribution, Quartiles, ValueClass
from headway.reports.model import Overview, StandingLearner
from headway.reports.path import Funnel, Step
from headway.web.sheets import DURATION, NUMBER, PERCENT, Column, ReportTable
from headway.web.texts import Viewer


def tables_of(viewer: Viewer, overview: Overview, course_id: int) -> dict[str, ReportTable]:
    """Return the tables of an overview by their names."""
    text = viewer.text
    learners = Column(text("Learners"), NUMBER)
    weeks = [
        (
            (iso(each.monday * DAY)[:10], viewer.utc_day(each.monday)),
            (each.learners, text("%(number)s so far", number=viewer.number(each.learners)), {"tone": "partial"})
            if each is overview.weeks[-1]
            else each.learners,
        )
        for each in overview.weeks
    ]
    return {
        "weeks": ReportTable([Column(text("Week from")), learners], weeks if overview.learners else []),
        "progress": ReportTable([Column(text("Progress")), learners], _progress_rows(viewer, overview, course_id)),
        "funnel": _funnel_table(viewer, overview.funnel, course_id),
        "study_time": study_time_table(viewer, overview.study_time),
        "quartiles": quartiles_table(viewer, text("All learners"), overview.study_time.quartiles),
    }


def _progress_rows(viewer: Viewer, overview: Overview, course_id: int) -> list[Any]:
    rows = []
    for each in overview.progress if overview.learners else []:
        first, last = each.percents.start // 100, (each.percents.stop - 1) // 100
        label = (
            viewer.percent(each.percents.start)
            if first == last
            else f"{viewer.number(first)}\N{EN DASH}{viewer.percent(last * 100)}"
        )
        if each.percents.start == 1:
            label = viewer.text("under %(percent)s", percent=viewer.percent(each.percents.stop))
        # The list of learners is filtered by whole percents, which the first two classes are not.
        link = f"/app/courses/{course_id}/learners?status=all&percent_from={first}&percent_to={last}"
        rows.append(((None, label, {"href": link} if first else {}), each.learners))
    return rows


def _funnel_table(viewer: Viewer, funnel: Funnel, course_id: int) -> ReportTable:
    text = viewer.text
    total = funnel.steps[0].reached
    rows: list[Any] = []
    for place, step in enumerate(funnel.steps if total else []):
        is_last = place == len(funnel.steps) - 1
        stopped = text("%(number)s stopped", number=viewer.number(step.standing))
        if place == funnel.largest_drop:
            stopped = text("%(number)s stopped: the largest drop", number=viewer.number(step.standing))
        rows.append(
            (
                (None, step_name(viewer, step, place), {"href": f"/app/courses/{course_id}/funnel/{place}"}),
                step.reached,
                COMPLETE * step.reached // total,
                (None, "")
                if is_last or not step.standing
                else (step.standing, stopped, {"tone": "bad"} if place == funnel.largest_drop else {}),
            )
        )
    columns = [
        Column(text("Step")),
        Column(text("Learners"), NUMBER),
        Column(text("Of all"), PERCENT),
        Column(text("Stopped here"), NUMBER),
    ]
    return ReportTable(columns, rows)


def step_name(viewer: Viewer, step: Step, place: int) -> str:
    """Return the name of a step of the funnel: modules have their titles."""
    if step.module is not None:
        return step.module.title
    return [viewer.text("Enrolled"), viewer.text("Started")][place] if place < 2 else viewer.text("Course completed")


def study_time_table(viewer: Viewer, found: Distribution) -> ReportTable:
    """Return a distribution of study time."""
    classes = found.classes if found.values else []
    columns = [Column(viewer.text("Study time")), Column(viewer.text("Learners"), NUMBER)]
    return ReportTable(columns, [((None, _study_time_label(viewer, each)), each.values) for each in classes])


def _study_time_label(viewer: Viewer, each: ValueClass) -> str:
    start, end = int(each.start), None if each.end is None else int(each.end)
    if end is None:
        return viewer.text("%(hours)s h and more", hours=viewer.number(start // HOUR))
    if start == 0:
        return viewer.text("under %(minutes)s min", minutes=viewer.number(end // MINUTE))
    if end <= HOUR:
        return viewer.text("%(from)s to %(to)s min", **_range(viewer, start, end, MINUTE))
    return viewer.text("%(from)s to %(to)s h", **_range(viewer, start, end, HOUR))


def _range(viewer: Viewer, start: Milliseconds, end: Milliseconds, unit: Milliseconds) -> dict[str, str]:
    return {"from": viewer.number(start // unit), "to": viewer.number(end // unit)}


def quartiles_table(viewer: Viewer, name: str, quartiles: Quartiles | None) -> ReportTable:
    """Return the quartiles of a distribution of study time, with its smallest and its largest value."""
    text = viewer.text
    titles = (text("Minimum"), text("Lower quartile"), text("Median"), text("Upper quartile"), text("Maximum"))
    columns = [Column(""), *(Column(title, DURATION) for title in titles)]
    return ReportTable(columns, [] if quartiles is None else [(name, *map(int, quartiles))])


def step_table(viewer: Viewer, learners: list[StandingLearner]) -> ReportTable:
    """Return those who stand at a step of the funnel."""
    text = viewer.text
    columns = [Column(text("Learner")), Column(text("Progress"), PERCENT), Column(text("Last active")), Column(text("Left"))]
    rows = [
        (each.name, each.percent, viewer.datetime(each.last_activity_at), text("yes") if each.has_left else text("no"))
        for each in learners
    ]
    return ReportTable(columns, rows)

"""A course that was played through, and every way to change its rows behind its back, with what has to be named then."""

from contextlib import nullcontext, suppress
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

from sqlalchemy import and_, true, update

from headway.courses.completion import EngagementMetrics
from headway.courses.model import CourseTree
from headway.courses.tables import courses
from headway.courses.video import played
from headway.db.database import Database
from headway.db.dialects import Statement
from headway.enrollments.tables import enrollments
from headway.instants import DAY, HOUR, SECOND
from headway.learning.model import ActivityType, Event, Heartbeat, Observation, Report
from headway.learning.tables import learner_activity_logs, study_days, unit_progress
from headway.services import make_checks
from headway.verify import Findings, Verify
from tests.world import NOON, World

TODAY = NOON // DAY
MIDNIGHT = TODAY * DAY
TABLES = {table.name: table for table in (courses, enrollments, learner_activity_logs, study_days, unit_progress)}


class Played(NamedTuple):
    """A course in which one learner completed every unit, one began, one left, and one did nothing."""

    world: World
    course: CourseTree
    ids: dict[str, int]
    """By name: the learners, the course, its first module, and its units by rule."""

    def changed(self, table: str, key: dict[str, Any], values: dict[str, Any]) -> Statement:
        found = TABLES[table]
        row = and_(true(), *(found.c[name] == self._id(name, value) for name, value in key.items()))
        known = {f"${name}": str(value) for name, value in self.ids.items()}
        return update(found).where(row).values({name: _filled(value, known) for name, value in values.items()})

    def _id(self, column: str, value: Any) -> Any:
        return value if column == "event_id" else self.ids.get(value, value)

    async def differences_after(self, *statements: Statement) -> list[str]:
        """Say which columns are named once the statements were run, and undo them."""
        found = Findings()
        with suppress(_Undo):
            async with self.world.database.write() as tx:
                for statement in statements:
                    await tx.all(statement)
                found = await Verify(cast("Database", SimpleNamespace(read=lambda: nullcontext(tx))), make_checks()).run()
                raise _Undo
        # Of what is changed in a row that is tallied, the tallies know too.
        named = {f"{each.table}.{each.column}" for each in found.differences if each.table != "course_statistics"}
        return sorted(named or {f"{each.table}.{each.key['name']}" for each in found.differences})


class _Undo(Exception):
    pass


def _filled(value: Any, known: dict[str, str]) -> Any:
    for name, text_ in known.items():
        value = value.replace(name, text_) if isinstance(value, str) else value
    return value


def played_film(segments: str, duration: float) -> dict[str, Any]:
    """Return the fields of an event that tells what was played of a video."""
    return {"video_segments": segments, "video_duration_seconds": duration, "playback": played(segments, duration)}


async def play(world: World) -> Played:
    course = await world.course(capacity=10)
    ids = {name: (await world.learner(course)).id for name in ("finisher", "beginner", "leaver", "idler")}
    ids |= {unit.title.split()[-1].lower(): unit.id for unit in course.units}
    ids |= {"course": course.id, "first module": course.modules[0].id}

    def event(name: str, kind: ActivityType, unit: str | None, **given: Any) -> Event:
        return Event(name, kind, course.id, unit_id=None if unit is None else ids[unit], **given)

    watched = EngagementMetrics(video_watch_percentage=97.5, interaction_count=3)
    film = played_film("[[0,30],[20,59]]", 60.0)
    finishing: tuple[Observation, ...] = (
        event("manual", ActivityType.UNIT_COMPLETE, "manual", duration_seconds=90),
        event("viewed", ActivityType.UNIT_VIEW, "viewed"),
        event("time", ActivityType.NOTE_CREATE, "time", start_time=NOON - 60 * SECOND, end_time=NOON),
        event("scroll", ActivityType.UNIT_VIEW, "scroll", metrics=EngagementMetrics(scroll_depth=85.5)),
        event("video", ActivityType.VIDEO_PROGRESS, "video", metrics=watched, duration_seconds=45, sent_at=NOON - HOUR, **film),
        event("quiz", ActivityType.QUIZ_SUBMIT, "quiz", metadata='{"max_score":20,"score":12}', quiz_score_percent=60.0),
    )
    beginning: tuple[Observation, ...] = (
        event("scroll", ActivityType.UNIT_VIEW, "scroll", metrics=EngagementMetrics(scroll_depth=40.0)),
        event("midnight", ActivityType.NOTE_CREATE, "time", start_time=MIDNIGHT - 20_000, end_time=MIDNIGHT + 15_000),
        event("long", ActivityType.LINK_CLICK, "extra", start_time=MIDNIGHT, end_time=MIDNIGHT + 5 * HOUR),
        event("nowhere", ActivityType.SEARCH, None, duration_seconds=30),
        event("ahead", ActivityType.SEARCH, None, start_time=NOON, end_time=NOON + HOUR),
        Heartbeat(course.id, is_active=True, unit_id=ids["manual"], timestamp=NOON - HOUR),
    )
    leaving: tuple[Observation, ...] = (event("leaving", ActivityType.COURSE_VIEW, None),)
    for name, observations in (("finisher", finishing), ("beginner", beginning), ("leaver", leaving)):
        (verdicts,) = await world.write(world.services.tracking.record, [Report(ids[name], NOON, observations)], NOON)
        assert {verdict.outcome.value for verdict in verdicts} == {"accepted"}
    await world.write(world.services.enrollments.leave, ids["leaver"], course.id)
    return Played(world, course, ids)


FINISHED = {"user_id": "finisher", "unit_id": "manual"}
BEGUN = {"user_id": "beginner", "day": TODAY}
SPANS = '"0":[[39600000,43200000]],"$extra":[[3600000,18000000]],"$manual":[[39570000,39600000]]'
STUDY = [
    "study_days.spans",
    *(f"{table}.{column}" for table in ("enrollments", "unit_progress") for column in ("percent", "study_ms")),
    "enrollments.required_percents",
]
UNEARNED = [
    *(f"{table}.{column}" for table in ("enrollments", "unit_progress") for column in ("completed_at", "percent", "status")),
    *("enrollments.completed_revision", "enrollments.required_completed", "enrollments.required_percents"),
    *("enrollments.unit_states", "unit_progress.met_rule"),
]
FILM = {**FINISHED, "unit_id": "video"}
FILMED = (
    '{"engagement_metrics":{"video_watch_percentage":98.33,"interaction_count":3},'
    '"video":{"parts":[[0,9833]],"duration_seconds":60.0,"again":[[3333,5000]]}}'
)
OPTIONAL = {"user_id": "beginner", "unit_id": "extra"}
FAKED = {"status": "COMPLETED", "percent": 10_000, "completed_at": NOON}
DECLARED = '{"is_declared_complete":true,"declared_percent":10000'

# Each change: the table, the row, the new values, and the columns that are named for it if not those that are changed.
CHANGES: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("unit_progress", FINISHED, {"status": "IN_PROGRESS"}, []),
    ("unit_progress", FINISHED, {"percent": 9_999}, []),
    ("unit_progress", FINISHED, {"study_ms": 90_001}, []),
    ("unit_progress", FINISHED, {"metadata": "{}"}, []),
    ("unit_progress", FINISHED, {"metadata": "spoilt"}, []),
    ("unit_progress", FILM, {"metadata": FILMED.replace("9833", "9834")}, []),
    ("unit_progress", FILM, {"metadata": FILMED.replace("[0,9833]", "[0,5000],[5000,9833]")}, []),
    ("unit_progress", FILM, {"metadata": FILMED.replace("60.0", "61.0")}, []),
    ("unit_progress", FILM, {"metadata": FILMED.replace("3333", "3334")}, []),
    ("unit_progress", FINISHED, {"last_activity_at": NOON - 1}, []),
    ("unit_progress", FINISHED, {"completed_at": None}, []),
    ("unit_progress", {**FINISHED, "user_id": "beginner"}, {"completed_at": NOON}, []),
    ("unit_progress", FINISHED, {"unit_id": 999}, []),
    ("unit_progress", FINISHED, {"course_id": 999}, ["unit_progress.course_id", "unit_progress.unit_id"]),
    ("unit_progress", FINISHED, {"user_id": 999}, ["unit_progress.course_id", "unit_progress.unit_id"]),
    ("unit_progress", FINISHED, {"met_rule": None}, []),
    ("unit_progress", FINISHED, {"met_rule": "viewed"}, []),
    ("unit_progress", {**FINISHED, "unit_id": "time"}, {"met_threshold": 30.0}, []),
    ("unit_progress", {**FINISHED, "user_id": "beginner"}, {"met_rule": "manual"}, []),
    ("unit_progress", OPTIONAL, FAKED, []),
    ("unit_progress", OPTIONAL, {**FAKED, "met_rule": "manual"}, []),
    ("unit_progress", OPTIONAL, {"percent": 5_000}, []),
    ("unit_progress", OPTIONAL, {**FAKED, "metadata": f"{DECLARED}}}"}, []),
    (
        "unit_progress",
        OPTIONAL,
        {**FAKED, "metadata": f'{DECLARED},"declaration":{{"user_id":999,"at":{NOON}}}}}'},
        ["unit_progress.completed_at", "unit_progress.metadata", "unit_progress.percent", "unit_progress.status"],
    ),
    (
        "unit_progress",
        OPTIONAL,
        {**FAKED, "metadata": f'{DECLARED},"declaration":{{"user_id":$beginner,"at":{NOON + 1}}}}}'},
        ["enrollments.unit_states", "unit_progress.last_activity_at"],
    ),
    ("enrollments", {"user_id": "finisher"}, {"status": "IN_PROGRESS"}, []),
    ("enrollments", {"user_id": "beginner"}, {"status": "ENROLLED"}, []),
    ("enrollments", {"user_id": "beginner"}, {"status": "COMPLETED"}, []),
    ("enrollments", {"user_id": "beginner"}, {"status": "CERTIFIED"}, []),
    ("enrollments", {"user_id": "idler"}, {"status": "IN_PROGRESS"}, []),
    ("enrollments", {"user_id": "leaver"}, {"status": "IN_PROGRESS"}, ["courses.seats_taken", "enrollments.closed_at"]),
    ("enrollments", {"user_id": "leaver"}, {"closed_at": None}, []),
    ("enrollments", {"user_id": "idler"}, {"closed_at": NOON}, []),
    ("enrollments", {"user_id": "finisher"}, {"percent": 9_999}, []),
    ("enrollments", {"user_id": "idler"}, {"percent": 1}, []),
    ("enrollments", {"user_id": "finisher"}, {"required_percents": 1}, []),
    ("enrollments", {"user_id": "idler"}, {"required_completed": 1}, []),
    ("enrollments", {"user_id": "finisher"}, {"study_ms": 90_001}, []),
    ("enrollments", {"user_id": "finisher"}, {"metadata": "{}"}, []),
    ("enrollments", {"user_id": "finisher"}, {"last_activity_at": NOON - 1}, []),
    ("enrollments", {"user_id": "finisher"}, {"last_activity_at": None}, []),
    ("enrollments", {"user_id": "finisher"}, {"last_unit_at": NOON - 1}, []),
    ("enrollments", {"user_id": "finisher"}, {"last_unit_id": None}, []),
    ("enrollments", {"user_id": "idler"}, {"last_unit_id": 1, "last_unit_at": NOON}, []),
    ("enrollments", {"user_id": "finisher"}, {"completed_at": None}, []),
    ("enrollments", {"user_id": "leaver"}, {"completed_at": NOON}, []),
    ("enrollments", {"user_id": "leaver"}, {"completed_at": NOON, "completed_revision": 1}, []),
    ("enrollments", {"user_id": "idler"}, {"course_id": 999}, ["courses.seats_taken", "enrollments.course_id"]),
    ("enrollments", {"user_id": "idler"}, {"completed_revision": 1}, []),
    ("enrollments", {"user_id": "finisher"}, {"completed_revision": None}, []),
    ("enrollments", {"user_id": "finisher"}, {"completed_revision": 2}, []),
    ("enrollments", {"user_id": "finisher"}, {"unit_states": ""}, []),
    ("enrollments", {"user_id": "beginner"}, {"unit_states": "fff"}, []),
    ("enrollments", {"user_id": "idler"}, {"unit_states": "1"}, []),
    ("enrollments", {"user_id": "finisher"}, {"active_weeks": ""}, []),
    ("enrollments", {"user_id": "beginner"}, {"active_weeks": "spoilt"}, []),
    ("study_days", BEGUN, {"spans": "spoilt"}, STUDY),
    ("study_days", BEGUN, {"spans": "{}"}, STUDY),
    ("study_days", BEGUN, {"spans": f'{{{SPANS},"$time":[[0,9000]]}}'}, STUDY),
    ("study_days", BEGUN, {"spans": f'{{{SPANS},"$time":[[0,15000],[86399000,86401000]]}}'}, STUDY),
    ("study_days", BEGUN, {"spans": f'{{{SPANS},"$time":[[0,10000],[10000,15000]]}}'}, ["study_days.spans"]),
    ("study_days", BEGUN, {"spans": f'{{{SPANS},"$time":[[0,15000]],"$viewed":[]}}'}, ["study_days.spans"]),
    ("study_days", BEGUN, {"spans": f'{{{SPANS},"$time":[[0,15000]],"999":[[0,1]]}}'}, ["study_days.spans"]),
    (
        "study_days",
        BEGUN,
        {"day": TODAY + 1},
        ["study_days.spans", "enrollments.last_activity_at", "unit_progress.last_activity_at"],
    ),
    ("study_days", BEGUN, {"user_id": 999}, [*STUDY, "study_days.course_id"]),
    ("courses", {}, {"seats_taken": 4}, []),
]
EVENT_CHANGES: list[tuple[str, str, dict[str, Any], list[str]]] = [
    ("finisher", "manual", {"activity_type": "link_click"}, [*UNEARNED, "unit_progress.metadata"]),
    ("finisher", "scroll", {"scroll_depth": 90.0}, ["enrollments.metadata", "unit_progress.metadata"]),
    ("finisher", "video", {"video_watch_percentage": 99.0}, ["enrollments.metadata", "unit_progress.metadata"]),
    ("finisher", "video", {"interaction_count": 2}, ["enrollments.metadata", "unit_progress.metadata"]),
    ("finisher", "video", {"video_segments": "[[0,30],[31,59]]"}, ["enrollments.metadata", "unit_progress.metadata"]),
    ("finisher", "video", {"video_segments": "[[0,30],[30,59]]", "video_duration_seconds": 60.001}, ["unit_progress.metadata"]),
    ("finisher", "video", {"video_segments": "spoilt"}, ["enrollments.metadata", "unit_progress.metadata"]),
    ("finisher", "video", {"video_segments": None}, ["enrollments.metadata", "unit_progress.metadata"]),
    ("finisher", "video", {"video_duration_seconds": None}, ["enrollments.metadata", "unit_progress.metadata"]),
    ("finisher", "quiz", {"metadata": '{"max_score":20,"score":13}'}, ["unit_progress.metadata"]),
    ("finisher", "video", {"sent_at": NOON - HOUR - 1}, ["occurred_at"]),
    ("finisher", "video", {"clock_offset_ms": None}, ["occurred_at"]),
    ("beginner", "midnight", {"clock_offset_ms": 1}, ["clock_offset_ms", "occurred_at"]),
    ("beginner", "midnight", {"start_time": MIDNIGHT}, ["claimed_ms"]),
    ("beginner", "midnight", {"end_time": MIDNIGHT + 15_001}, ["occurred_at"]),
    ("beginner", "nowhere", {"duration_seconds": 29.0}, ["claimed_ms"]),
    ("beginner", "nowhere", {"received_at": NOON - 1}, ["occurred_at"]),
    ("beginner", "midnight", {"occurred_at": MIDNIGHT + 14_999}, ["occurred_at", "study_days.spans"]),
    ("beginner", "midnight", {"claimed_ms": 36_000}, ["claimed_ms", "study_days.spans"]),
    ("beginner", "midnight", {"claimed_ms": 34_999}, ["claimed_ms"]),
    ("beginner", "ahead", {"is_shifted": False}, ["is_shifted"]),
    ("beginner", "nowhere", {"module_id": 999}, ["module_id"]),
    ("beginner", "midnight", {"unit_id": 999}, ["study_days.spans", "unit_id"]),
    ("beginner", "nowhere", {"course_id": 999}, ["course_id", "study_days.spans"]),
    ("beginner", "nowhere", {"user_id": 999}, ["course_id", "study_days.spans"]),
]

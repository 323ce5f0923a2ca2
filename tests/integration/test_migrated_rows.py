"""Migrations of stored rows: what a column comes to hold follows from what was stored before it, on both databases."""

import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Text, cast, column, func, insert, join, literal, select, table, text, true

from headway import schema
from headway.courses.completion import Completion, EngagementMetrics, Rule
from headway.enrollments.tables import enrollments
from headway.enrollments.traces import read_weeks
from headway.errors import OperatorError
from headway.instants import DAY, HOUR, SECOND, system_clock
from headway.learning.model import ActivityType, Event, Outcome, Report
from headway.learning.tables import learner_activity_logs, unit_progress
from headway.settings import Settings
from tests.integration.concurrency import differences, open_world
from tests.integration.migrating import within
from tests.integration.tampering import play, played_film

_EVENTS = select(learner_activity_logs).order_by(learner_activity_logs.c.user_id, learner_activity_logs.c.event_id)
_OFFSETS = select(learner_activity_logs.c.clock_offset_ms).order_by(learner_activity_logs.c.event_id)


async def test_completions_that_were_only_declared_are_counted_when_the_schema_comes_to_count_them(
    empty_database: Settings,
) -> None:
    await schema.migrate(empty_database, "0001")
    await within(empty_database, _insert_completions)
    await schema.migrate(empty_database)

    def count(connection: Connection) -> Any:
        return connection.execute(text("SELECT course_id, name, value FROM course_statistics")).all()

    assert await within(empty_database, count) == [(7, "unit:9:declared", 2)]
    await schema.migrate(empty_database, "0001")
    assert await within(empty_database, count) == []


async def test_courses_and_people_of_before_are_found_by_their_words(empty_database: Settings) -> None:
    await schema.migrate(empty_database, "0002")
    await within(empty_database, _insert_courses_and_a_user)
    await schema.migrate(empty_database)

    def read(connection: Connection) -> Any:
        terms = connection.execute(text("SELECT term FROM course_terms WHERE course_id = 1")).scalars().all()
        wordless = connection.execute(text("SELECT term FROM course_terms WHERE course_id = 2")).scalars().all()
        return set(terms), list(wordless), connection.execute(text("SELECT folded_name FROM users")).scalar()

    assert await within(empty_database, read) == ({"a", "ar", "r", "subject art"}, [], "zoe")


async def test_ids_of_clients_come_into_the_form_in_which_they_are_looked_up(empty_database: Settings) -> None:
    composed, decomposed = "zo\u00eb", "zoe\u0308"
    await schema.migrate(empty_database, "0007")
    insert = text(
        "INSERT INTO chapter_progress (user_id, tutorial_id, chapter_id, watch_time, is_completed, created_at, updated_at)"
        " VALUES (:user_id, :tutorial, :chapter, :time, :completed, :now, :now)"
    )

    def fill(connection: Connection) -> None:
        now = datetime(2026, 1, 1, tzinfo=UTC) if connection.dialect.name == "postgresql" else 0
        for user_id, tutorial, chapter, time in (
            (1, decomposed, decomposed, 1),
            (1, decomposed, "plain", 2),
            (2, composed, decomposed, 3),
            (2, composed, composed, 4),
            (3, "plain", "\u4e2d", 5),
        ):
            row = {"user_id": user_id, "tutorial": tutorial, "chapter": chapter, "time": time}
            connection.execute(insert, {**row, "completed": False, "now": now})

    def read(connection: Connection) -> Any:
        rows = connection.execute(text("SELECT user_id, tutorial_id, chapter_id, watch_time FROM chapter_progress")).all()
        return sorted((tuple(row) for row in rows), key=lambda row: row[3])

    await within(empty_database, fill)
    await schema.migrate(empty_database)

    assert await within(empty_database, read) == [
        (1, composed, composed, 1),
        (1, composed, "plain", 2),
        (2, composed, decomposed, 3),
        (2, composed, composed, 4),
        (3, "plain", "\u4e2d", 5),
    ]


async def test_residues_of_before_are_kept_apart_from_those_by_the_reset_before(empty_database: Settings) -> None:
    await schema.migrate(empty_database, "0040")
    instants = (0, 86_400_000)

    def at(connection: Connection, instant: int) -> Any:
        return datetime.fromtimestamp(instant / 1000, UTC) if connection.dialect.name == "postgresql" else instant

    def fill(connection: Connection) -> None:
        for until in instants:
            connection.execute(
                text("INSERT INTO event_residues VALUES (1, 2, 3, :until, '{}', :yes, :until)"),
                {"until": at(connection, until), "yes": True},
            )

    def read(name: str) -> Callable[[Connection], Any]:
        def read_column(connection: Connection) -> Any:
            zero = at(connection, 0)
            residues = table("event_residues", column(name), column("last_at"))
            found = connection.execute(select(residues.c[name]).order_by(residues.c.last_at)).scalars().all()
            return [(each - zero) // timedelta(milliseconds=1) if isinstance(each, datetime) else each for each in found]

        return read_column

    await within(empty_database, fill)
    await schema.migrate(empty_database)
    assert await within(empty_database, read("since")) == [-1, -86_400_000]
    await schema.migrate(empty_database, "0040")
    assert [abs(each) for each in await within(empty_database, read("until"))] == [1, 86_400_000]


def _insert_courses_and_a_user(connection: Connection) -> None:
    """Store a course, one whose title has no word, and a user."""
    now = datetime(2026, 1, 1, tzinfo=UTC) if connection.dialect.name == "postgresql" else 0
    course = text(
        "INSERT INTO courses (id, title, subject, kind, seats_taken, is_sequential, is_published, revision, created_at,"
        " updated_at)"
        " VALUES (:id, :title, :subject, 'course', 0, :no, :yes, 1, :now, :now)"
    )
    user = text(
        "INSERT INTO users (id, role, name, token_version, is_disabled, created_at, updated_at)"
        " VALUES (1, 'PARTICIPANT', 'Zo\u00eb', 1, :no, :now, :now)"
    )
    times = {"now": now, "no": False}
    for course_id, title, subject in ((1, "\u00c4r", "Art"), (2, "\U0001f389", None)):
        connection.execute(course, {"id": course_id, "title": title, "subject": subject, "yes": True, **times})
    connection.execute(user, times)


def _insert_completions(connection: Connection) -> None:
    """Store two completions of a unit that were only declared, one that met a rule, and progress that is no completion."""
    now = datetime(2026, 1, 1, tzinfo=UTC) if connection.dialect.name == "postgresql" else 0
    insert = text(
        "INSERT INTO unit_progress (user_id, course_id, unit_id, id, status, percent, study_ms, metadata,"
        " last_activity_at, created_at, updated_at, met_rule)"
        " VALUES (:user_id, 7, 9, :user_id, :status, 0, 0, '{}', :now, :now, :now, :rule)"
    )
    for user_id, status, rule in (
        (1, "COMPLETED", None),
        (2, "COMPLETED", None),
        (3, "COMPLETED", "quiz"),
        (4, "IN_PROGRESS", None),
    ):
        connection.execute(insert, {"user_id": user_id, "status": status, "rule": rule, "now": now})


async def test_enrollments_that_were_closed_before_their_end_was_stored_ended_with_their_last_change(
    settings: Settings,
) -> None:
    async with open_world(settings) as world:
        course = await world.course()
        left, _ = await world.learner(course), await world.learner(course)
        await world.write(world.services.enrollments.leave, left.id, course.id)
    await schema.migrate(settings, "0004")
    await schema.migrate(settings)

    async with open_world(settings) as world:
        found = await world.rows(select(enrollments.c.closed_at, enrollments.c.updated_at).order_by(enrollments.c.user_id))
    (closed_at, changed_at), (never, _) = found
    assert closed_at == changed_at
    assert never is None


async def test_events_that_were_placed_before_their_offset_was_stored_can_still_be_verified(settings: Settings) -> None:
    async with open_world(settings) as world:
        course = await world.course()
        learner, now = await world.learner(course), system_clock()
        fast, slow = now + HOUR, now - HOUR
        given: list[tuple[str, dict[str, Any]]] = [
            ("1 sent", {"sent_at": slow}),
            ("2 ended", {"sent_at": fast, "end_time": fast - 90 * SECOND}),
            ("3 began", {"sent_at": slow, "start_time": slow - 90 * SECOND}),
            ("4 ahead", {"sent_at": slow, "end_time": slow + 90 * SECOND}),
            ("5 under way", {"sent_at": now - 20 * SECOND, "end_time": now - 30 * SECOND}),
            ("6 a little fast", {"sent_at": now + 20 * SECOND, "end_time": now + 30 * SECOND}),
            ("7 silent", {"end_time": now}),
        ]
        events = tuple(
            Event(name, ActivityType.SEARCH, course.id, duration_seconds=60, session_id=name, **times) for name, times in given
        )
        await world.write(world.services.tracking.record, [Report(learner.id, now, events)], now)
        recorded = await world.rows(_OFFSETS)
    await schema.migrate(settings, "0005")
    await schema.migrate(settings)

    async with open_world(settings) as world:
        assert await world.rows(_OFFSETS) == recorded == [(HOUR,), (-HOUR,), (HOUR,), (HOUR,), (None,), (None,), (None,)]
        assert await differences(world) == []


async def test_what_required_units_come_to_is_counted_from_their_progress(settings: Settings) -> None:
    async with open_world(settings) as world:
        course = await world.course((Completion(Rule.VIEWED), Completion(Rule.SCROLL, 50), Completion(Rule.MANUAL)))
        learner, _, now = await world.learner(course), await world.learner(course), system_clock()
        *_, extra = viewed = course.units
        events = tuple(Event(str(unit.id), ActivityType.UNIT_VIEW, course.id, unit_id=unit.id) for unit in (viewed[0], extra))
        metrics = EngagementMetrics(scroll_depth=30.0)
        scrolled = Event("scrolled", ActivityType.UNIT_VIEW, course.id, unit_id=viewed[1].id, metrics=metrics)
        await world.write(world.services.tracking.record, [Report(learner.id, now, (*events, scrolled))], now)
    await schema.migrate(settings, "0009")
    await schema.migrate(settings)

    async with open_world(settings) as world:
        sums = select(enrollments.c.required_percents, enrollments.c.required_completed).order_by(enrollments.c.user_id)
        assert await world.rows(sums) == [(16_000, 1), (0, 0)]
        assert await differences(world) == []


async def test_where_learners_stand_follows_from_their_units(settings: Settings) -> None:
    last = select(enrollments.c.last_unit_id, enrollments.c.last_unit_at).order_by(enrollments.c.user_id)
    async with open_world(settings) as world:
        played = await play(world)
        recorded = await world.rows(last)
    await schema.migrate(settings, "0021")
    await schema.migrate(settings)

    async with open_world(settings) as world:
        assert await world.rows(last) == recorded
        assert [unit_id in played.ids.values() for unit_id, _ in recorded] == [True, True, False, False]


async def test_weeks_and_states_of_units_follow_from_what_was_stored_before_they_were_kept(settings: Settings) -> None:
    async with open_world(settings) as world:
        course = await world.course((Completion(Rule.VIEWED), Completion(Rule.SCROLL, 50), Completion(Rule.MANUAL)))
        learner, _, now = await world.learner(course), await world.learner(course), system_clock()
        viewed, begun, *_ = course.units
        events = (
            Event("viewed", ActivityType.UNIT_VIEW, course.id, unit_id=viewed.id, end_time=now - 400 * DAY),
            Event("begun", ActivityType.SEARCH, course.id, unit_id=begun.id, duration_seconds=60, end_time=now - 9 * DAY),
            Event("early", ActivityType.SEARCH, course.id, end_time=-5_000 * DAY - 1),
            *(
                Event(f"film {n}", ActivityType.VIDEO_PROGRESS, course.id, unit_id=begun.id, **played_film(parts, 60.0))
                for n, parts in enumerate(("[[0,30]]", "[[20,50]]"))
            ),
        )
        await world.write(world.services.tracking.record, [Report(learner.id, now, events)], now)
        traces = select(enrollments.c.active_weeks, enrollments.c.unit_states).order_by(enrollments.c.user_id)
        kept, evidence = await world.rows(traces), select(unit_progress.c.metadata).order_by(unit_progress.c.unit_id)
        replayed = await world.rows(evidence)
        assert '"again":[[3333,5000]]' in replayed[1][0]
        assert len(read_weeks(kept[0][0])) == 4
        assert kept[0][1:] + kept[1] == ("7", "", "")
    await schema.migrate(settings, "0018")
    forget = text("""UPDATE unit_progress SET metadata = replace(metadata, ',"again":[[3333,5000]]', '')""")
    await within(settings, lambda connection: connection.execute(forget))
    await schema.migrate(settings)

    async with open_world(settings) as world:
        assert await world.rows(traces) == kept
        assert await world.rows(evidence) == replayed
        assert await differences(world) == []


async def test_very_many_events_are_read_in_bounded_memory_and_lost_progress_stops_nothing(settings: Settings) -> None:
    table, padded = learner_activity_logs, "[[0,250]" + " " * 10_000 + "]"
    one = select(literal(1).label("n")).cte("numbers", recursive=True)
    numbers = one.union_all(select(one.c.n + 1).where(one.c.n < 2_000))
    given = {"event_id": cast(numbers.c.n, Text), "video_segments": literal(padded)}
    values = select(*(given.get(column.name, column) for column in table.c)).select_from(join(table, numbers, true()))
    many = insert(table).from_select(list(table.c), values)
    async with open_world(settings) as world:
        course = await world.course((Completion(Rule.VIDEO, 90),))
        learner, now = await world.learner(course), system_clock()
        film = Event("e", ActivityType.VIDEO_PROGRESS, course.id, unit_id=course.units[0].id, **played_film("[[0,250]]", 500.0))
        await world.write(world.services.tracking.record, [Report(learner.id, now, (film,))], now)
    await within(settings, lambda connection: connection.execute(many))
    await schema.migrate(settings, "0022")

    tracemalloc.start()
    try:
        await schema.migrate(settings)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    async with open_world(settings) as world:
        assert await world.rows(select(func.count()).select_from(learner_activity_logs)) == [(2_001,)]
        ((evidence,),) = await world.rows(select(unit_progress.c.metadata))
        assert '"again":[[0,5000]]' in evidence
        assert most < 10_000_000 < 2_000 * len(padded)
    await schema.migrate(settings, "0022")
    await within(settings, lambda connection: connection.execute(text("DELETE FROM unit_progress")))
    await schema.migrate(settings)
    async with open_world(settings) as world:
        assert {each.table for each in await differences(world)} >= {"unit_progress"}


async def test_events_survive_that_their_table_is_rebuilt_and_are_still_stored_once(settings: Settings) -> None:
    async with open_world(settings) as world:
        course = await world.course()
        learner, other = await world.learner(course), await world.learner(course)
        now = system_clock()
        events = tuple(
            Event(name, ActivityType.SEARCH, course.id, duration_seconds=60, end_time=now - i * HOUR, metadata='{"q":"a"}')
            for i, name in enumerate(("c", "a", "b"))
        )
        reports = [Report(learner.id, now, events), Report(other.id, now, events[:1])]
        await world.write(world.services.tracking.record, reports, now)
        recorded = await world.rows(_EVENTS)
    for version in ("0013", "0014", "0013", "head"):
        await schema.migrate(settings, version)

    async with open_world(settings) as world:
        assert await world.rows(_EVENTS) == recorded
        again = await world.write(world.services.tracking.record, reports, now)
        assert {verdict.outcome for verdicts in again for verdict in verdicts} == {Outcome.DUPLICATE}
        assert await world.rows(_EVENTS) == recorded
        assert len(recorded) == 4
        assert await differences(world) == []


async def test_what_was_played_of_videos_is_not_forgotten_by_a_downgrade(settings: Settings) -> None:
    async with open_world(settings) as world:
        course = await world.course((Completion(Rule.VIDEO, 90),))
        learner, now = await world.learner(course), system_clock()
        film = Event("e", ActivityType.VIDEO_PROGRESS, course.id, unit_id=course.units[0].id, **played_film("[[0,60]]", 60.0))
        await world.write(world.services.tracking.record, [Report(learner.id, now, (film,))], now)
        recorded = await world.rows(_EVENTS)
        for is_archived in (False, True):
            if is_archived:
                await within(settings, lambda connection: connection.execute(text("DELETE FROM learner_activity_logs")))
            with pytest.raises(OperatorError, match="Segments of videos have been reported"):
                await schema.migrate(settings, "0017")
            assert await world.rows(_EVENTS) == ([] if is_archived else recorded)

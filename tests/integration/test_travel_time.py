"""What a report claims depends neither on how long it was under way, nor on how often it is sent, nor on the client's clock."""

import asyncio
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from headway.accounts.model import User
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree
from headway.db.database import WriteTransaction
from headway.enrollments.tables import enrollments
from headway.instants import DAY, HOUR, MINUTE, SECOND, Instant, Milliseconds
from headway.learning.model import ActivityType, Event, Heartbeat, Outcome, Report
from headway.learning.tables import client_clocks, learner_activity_logs
from tests.integration.concurrency import differences
from tests.world import NOON, World

LIMIT = 120 * SECOND
PERIOD = 30 * SECOND
PERIODS = 6
ROUTES = ("heartbeat", "track", "batch")
_clocks = select(client_clocks.c.session_id, client_clocks.c.offset_ms).order_by(client_clocks.c.session_id)
_offsets = select(learner_activity_logs.c.clock_offset_ms)


class Attempt(NamedTuple):
    """One attempt at sending the report of a period: how long it waited until it was sent, and how long it was under way."""

    period: int
    waited: Milliseconds
    travelled: Milliseconds

    @property
    def made_at(self) -> Instant:
        return NOON + (self.period + 1) * PERIOD

    @property
    def sent_at(self) -> Instant:
        return self.made_at + self.waited


class Client:
    """A learner's client, whose clock is wrong by a constant."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        world: World,
        course: CourseTree,
        learner: User,
        *,
        skew: Milliseconds,
        session: str | None,
    ) -> None:
        self._http, self._world, self._course, self.learner = http, world, course, learner
        self._skew, self._session = skew, session

    async def send(self, attempt: Attempt, route: str) -> None:
        """Send an attempt; it arrives when it has been under way."""
        body = self._event(attempt) if route == "track" else self._heartbeat(attempt)
        if route == "batch":
            body = {"events": [self._event(attempt), {"activity_type": "heartbeat", **body}]}
        self._world.clock.now = attempt.sent_at + attempt.travelled
        response = await self._http.post(f"/api/courses/activity/{route}", json=body, headers=self._world.bearer(self.learner))
        assert response.status_code in {200, 201}, response.text

    def _event(self, attempt: Attempt) -> dict[str, Any]:
        start, end = attempt.made_at - PERIOD, attempt.made_at
        given = {"event_id": f"period {attempt.period}", "activity_type": "unit_view"}
        return {**given, **self._common(attempt), "start_time": self._time(start), "end_time": self._time(end)}

    def _heartbeat(self, attempt: Attempt) -> dict[str, Any]:
        return {"is_active": True, "timestamp": self._time(attempt.made_at), **self._common(attempt)}

    def _common(self, attempt: Attempt) -> dict[str, Any]:
        unit_id = self._course.units[0].id
        common = {"course_id": self._course.id, "unit_id": unit_id, "sent_at": self._time(attempt.sent_at)}
        return common if self._session is None else {**common, "session_id": self._session}

    def _time(self, instant: Instant) -> str:
        return datetime.fromtimestamp((instant + self._skew) / 1000, UTC).isoformat()

    async def study_ms(self) -> Milliseconds:
        of_learner = select(enrollments.c.study_ms).where(enrollments.c.user_id == self.learner.id)
        ((study_ms,),) = await self._world.rows(of_learner)
        return int(study_ms)


@pytest.fixture
async def course(world: World) -> CourseTree:
    return await world.course((Completion(Rule.TIME, 60),))


attempts = st.builds(
    Attempt, st.integers(0, PERIODS - 1), st.integers(0, 10 * MINUTE), st.integers(0, LIMIT) | st.sampled_from([0, LIMIT])
)
skews = (
    st.integers(-2 * DAY, 2 * DAY)
    | st.integers(-3 * LIMIT, 3 * LIMIT)
    | st.integers(-3 * SECOND, 3 * SECOND)
    | st.sampled_from([0, -LIMIT, LIMIT])
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    skew=skews,
    tried=st.lists(st.tuples(attempts, st.sampled_from(ROUTES)), min_size=1, max_size=10),
    session=st.sampled_from([None, "tab"]),
)
async def test_delays_repeats_order_and_a_wrong_clock_change_nothing(
    client: httpx.AsyncClient,
    world: World,
    course: CourseTree,
    skew: Milliseconds,
    tried: list[tuple[Attempt, str]],
    session: str | None,
) -> None:
    sender = Client(client, world, course, await world.learner(course), skew=skew, session=session)

    for attempt, route in sorted(tried, key=lambda each: each[0].sent_at + each[0].travelled):
        await sender.send(attempt, route)

    assert await sender.study_ms() == len({attempt.period for attempt, _ in tried}) * PERIOD
    assert await differences(world) == []


async def test_a_heartbeat_that_is_sent_again_after_its_line_stalled_counts_once(
    client: httpx.AsyncClient, world: World, course: CourseTree
) -> None:
    sender = Client(client, world, course, await world.learner(course), skew=0, session=None)

    await sender.send(Attempt(0, 0, 25 * SECOND), "heartbeat")
    await sender.send(Attempt(0, 25 * SECOND, 0), "heartbeat")

    assert await sender.study_ms() == 30 * SECOND


@pytest.mark.parametrize("skew", [0, -90 * SECOND, 90 * SECOND, -HOUR, HOUR])
async def test_ten_minutes_are_ten_minutes_though_every_second_batch_stalls(
    client: httpx.AsyncClient, world: World, course: CourseTree, skew: int
) -> None:
    sender = Client(client, world, course, await world.learner(course), skew=skew, session="tab")

    for period in range(20):
        await sender.send(Attempt(period, 0, 20 * SECOND if period % 2 else 0), "batch")

    assert await sender.study_ms() == 600 * SECOND


def viewed(course: CourseTree, number: int, *, sent_at: Instant, session: str | None = None) -> Event:
    unit_id = course.units[0].id
    return Event(
        f"view {number}",
        ActivityType.UNIT_VIEW,
        course.id,
        unit_id=unit_id,
        end_time=sent_at,
        sent_at=sent_at,
        session_id=session,
    )


async def test_only_clocks_that_deviate_are_remembered_and_not_for_ever(world: World, course: CourseTree) -> None:
    learner = await world.learner(course)

    async def record(*events: Event) -> None:
        report = Report(learner.id, world.clock(), events)
        ((*verdicts,),) = await world.write(world.services.tracking.record, [report], world.clock())
        assert {verdict.outcome for verdict in verdicts} == {Outcome.ACCEPTED}

    await record(viewed(course, 1, sent_at=NOON - 2 * SECOND, session="punctual"), viewed(course, 2, sent_at=NOON))
    assert await world.rows(_clocks) == []
    await record(
        viewed(course, 3, sent_at=NOON - 5 * MINUTE, session="behind"),
        viewed(course, 4, sent_at=NOON - 5 * MINUTE - 7, session="behind"),
        viewed(course, 5, sent_at=NOON - 25 * SECOND, session="late"),
        viewed(course, 6, sent_at=NOON + HOUR),
        viewed(course, 7, sent_at=NOON - HOUR),
    )

    assert await world.rows(_clocks) == [("", -HOUR), ("behind", 5 * MINUTE), ("late", 0)]
    assert await world.rows(_offsets.order_by(learner_activity_logs.c.event_id)) == [
        *((offset,) for offset in (None, None, 5 * MINUTE, 5 * MINUTE, None, -HOUR, HOUR)),
    ]
    world.clock.now += 30 * DAY + 1
    await record(viewed(course, 8, sent_at=NOON, session="offline"))
    assert await world.rows(_clocks) == [("offline", 30 * DAY + 1)]
    assert await differences(world) == []


class Counting:
    """Stands before a transaction and counts what is run in it."""

    def __init__(self, tx: WriteTransaction) -> None:
        self._tx = tx
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._tx, name)
        if name in {"all", "one", "first", "run", "write_rows", "insert_new"}:
            self.count += 1
        return found


async def test_the_number_of_statements_does_not_grow_with_the_clocks(world: World, course: CourseTree) -> None:
    learner = await world.learner(course)

    async def count(*events: Event) -> int:
        async with world.database.write() as tx:
            counted = Counting(tx)
            await world.services.tracking.record(cast("WriteTransaction", counted), [Report(learner.id, NOON, events)], NOON)
            return counted.count

    def batch(first: int, size: int, *, behind: Milliseconds) -> list[Event]:
        numbers = range(first, first + size)
        return [viewed(course, each, sent_at=NOON - behind, session=f"session {each}") for each in numbers]

    await count(*batch(0, 1, behind=0))
    punctual = await count(*batch(100, 50, behind=2 * SECOND))
    one_clock = await count(*batch(200, 1, behind=HOUR))
    many_clocks = await count(*batch(300, 50, behind=HOUR))

    assert punctual == await count(*batch(400, 1, behind=0)), "without a deviation nothing is asked"
    assert one_clock == many_clocks == punctual + 3, "learned, old ones forgotten, and the state of other days read"


async def test_a_stranger_leaves_no_clock(world: World, course: CourseTree) -> None:
    stranger = await world.user()
    beat = Heartbeat(course.id, is_active=True, session_id="s", sent_at=NOON - HOUR)

    ((verdict,),) = await world.write(world.services.tracking.record, [Report(stranger.id, NOON, (beat,))], NOON)

    assert verdict.outcome is Outcome.REJECTED
    assert await world.rows(_clocks) == []


async def test_a_session_that_is_learned_twice_at_once_has_one_offset(world: World) -> None:
    courses = [await world.course(()) for _ in range(4)]
    learner = await world.learner(courses[0])
    for course in courses[1:]:
        await world.write(world.services.enrollments.enroll, learner.id, course.id)

    async def record(number: int) -> None:
        sent_at = NOON - HOUR - number * SECOND
        report = Report(learner.id, NOON, (viewed(courses[number], number, sent_at=sent_at, session="tab"),))
        await world.write(world.services.tracking.record, [report], NOON)

    await asyncio.gather(*(record(number) for number in range(len(courses))))

    ((_, offset),) = await world.rows(_clocks)
    assert await world.rows(_offsets) == [(offset,)] * len(courses)
    assert await differences(world) == []

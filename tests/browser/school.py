"""A real Headway server with a course, its learners, and what its database holds of them."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select

from headway import schema
from headway.accounts.model import User
from headway.courses.model import CourseTree
from headway.enrollments.tables import enrollments
from headway.http.authentication import Tokens
from headway.instants import SECOND, system_clock
from headway.learning.tables import learner_activity_logs, unit_progress
from headway.services import make_checks
from headway.settings import Settings
from headway.verify import Verify
from tests.browser.intervals import Interval, difference, length, union
from tests.browser.record import Record
from tests.databases import SECRET_KEY
from tests.processes import HeadwayProcess
from tests.world import FakeClock, World

WAIT_SECONDS = 20.0
"""How long a condition may take to come true on a busy machine."""
TOLERANCE_SECONDS = 0.75
"""For how long in all what is stored may differ from what the page's own record says, beside the error of the clock."""
CLOCK_ERROR_SECONDS = 1.0
"""By how much the times of a page may be early: the way back of one answer, which takes long on a busy machine."""

_events = learner_activity_logs.c


@dataclass(frozen=True)
class Event:
    """An event as it is stored."""

    event_id: str
    type: str
    unit_id: int | None
    session_id: str
    span: Interval | None
    scroll_depth: float | None
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """What the database holds of a learner. Study time is in seconds."""

    events: tuple[Event, ...]
    study_by_unit: dict[int, float]
    study: float

    @property
    def beats(self) -> list[Event]:
        return [event for event in self.events if event.span is not None]

    def spans(self, unit_id: int | None = None) -> list[Interval]:
        return [beat.span for beat in self.beats if beat.span is not None and unit_id in (None, beat.unit_id)]

    def tracked(self) -> list[int]:
        """Return the numbers that pages gave to what they tracked, in order, repetitions too."""
        return sorted(event.metadata["n"] for event in self.events if "n" in event.metadata)


class School:
    """A server process, the course that it serves, and the way into its database."""

    def __init__(self, server: HeadwayProcess, world: World, course: CourseTree) -> None:
        self.server, self.world, self.course = server, world, course
        self.unit_ids = [unit.id for unit in course.units]
        self._expired = Tokens(SECRET_KEY, lambda: system_clock() - 7200 * SECOND, lifetime_seconds=3600)

    async def learner(self) -> User:
        self.world.clock.now = system_clock()
        return await self.world.learner(self.course)

    def token(self, learner: User) -> str:
        self.world.clock.now = system_clock()
        return self.world.tokens.issue(learner)

    def expired_token(self, learner: User) -> str:
        return self._expired.issue(learner)

    async def stored(self, learner: User) -> Stored:
        columns = [_events[name] for name in ("event_id", "activity_type", "unit_id", "session_id", "start_time", "end_time")]
        columns += [_events.scroll_depth, _events.metadata, _events.clock_offset_ms, _events.is_shifted]
        rows = await self.world.rows(select(*columns).where(_events.user_id == learner.id))
        assert [row for row in rows if row[-2] is not None or row[-1]] == [], "the server had to correct the page's clock"
        units = select(unit_progress.c.unit_id, unit_progress.c.study_ms).where(unit_progress.c.user_id == learner.id)
        ((study_ms,),) = await self.world.rows(select(enrollments.c.study_ms).where(enrollments.c.user_id == learner.id))
        return Stored(
            tuple(_event(row[:8]) for row in rows),
            {unit_id: ms / SECOND for unit_id, ms in await self.world.rows(units)},
            study_ms / SECOND,
        )

    async def is_complete(self, learner: User, unit_id: int) -> bool:
        column = unit_progress.c
        mine = (column.user_id == learner.id) & (column.unit_id == unit_id)
        return [row[0] for row in await self.world.rows(select(column.status).where(mine))] == ["COMPLETED"]


@asynccontextmanager
async def open_school(database_url: str, folder: Path) -> AsyncIterator[School]:
    """Serve a migrated, empty database, with one course. Fails at the end if `headway verify` finds anything."""
    settings = Settings(database_url=database_url, secret_key=SECRET_KEY)
    database = schema.database(settings)
    await database.open()
    world = World(database, settings, FakeClock())
    world.clock.now = system_clock()
    with HeadwayProcess(database_url, folder, SECRET_KEY, HEADWAY_ALLOWED_ORIGINS="*") as server:
        yield School(server, world, await world.course())
        differences = (await Verify(database, make_checks()).run()).differences
    await database.close()
    assert differences == []


def _event(row: Sequence[Any]) -> Event:
    event_id, kind, unit_id, session_id, start, end, depth, told = row
    span = None if start is None or end is None else (start / SECOND, end / SECOND)
    return Event(event_id, kind, unit_id, session_id, span, depth, msgspec.json.decode(told) if told else {})


async def becomes(ask: Callable[[], Awaitable[bool]], *, seconds: float = WAIT_SECONDS) -> None:
    """Wait until a condition is true."""
    give_up = time.monotonic() + seconds
    while not await ask():
        assert time.monotonic() < give_up, "it did not come true in time"
        await asyncio.sleep(0.05)


def assert_once(stored: Stored, *, tabs: int = 1) -> None:
    """Assert that no second is claimed twice, except by several tabs, and that study time is what the beats claim."""
    spans = stored.spans()
    assert abs(length(union(spans)) - stored.study) < 0.01 * (len(spans) + 1), f"study {stored.study}, claimed {spans}"
    if tabs == 1:
        assert length(spans) - length(union(spans)) < 0.01, f"claimed twice in {sorted(spans)}"
    for unit_id, study in stored.study_by_unit.items():
        of_unit = stored.spans(unit_id)
        assert abs(length(union(of_unit)) - study) < 0.01 * (len(of_unit) + 1), f"study {study}, claimed {of_unit}"
    assert [count for count in Counter(stored.tracked()).values() if count > 1] == []


def assert_study(stored: Stored, idle_seconds: float, *records: Record, tolerance: float = TOLERANCE_SECONDS) -> None:
    """Assert that study is stored for the moments in which the pages' own records say that the learner was active."""
    actives = [record.active(idle_seconds) for record in records]
    sessions: dict[str, list[Interval]] = {}
    for beat in stored.beats:
        sessions.setdefault(beat.session_id, []).append(beat.span or (0, 0))
    active = union(span for each in actives for span in each)
    claimed = union(span for spans in sessions.values() for span in _aligned(spans, actives))
    assert difference(active, claimed) <= tolerance, f"active {active}, stored {claimed}"


def _aligned(spans: list[Interval], actives: list[list[Interval]]) -> list[Interval]:
    """Return what a page claims, later by the error of its clock: that by which it agrees best with the record of a page."""
    steps = (step * CLOCK_ERROR_SECONDS / 50 for step in range(51))
    moved = [union((start + step, end + step) for start, end in spans) for step in steps]
    return min(moved, key=lambda each: min(difference(each, active) for active in actives))

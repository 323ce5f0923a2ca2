"""Verifying that everything stored agrees: all that is derived is computed again from the events and the spans of study."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from headway.courses import store as catalogue
from headway.courses.model import CourseStructure
from headway.db.database import Database, ReadTransaction, Row
from headway.learning import verify_store as verification
from headway.learning.recompute import Difference, Place
from headway.learning.verify_store import Learners

_ENROLLMENTS_AT_ONCE = 100
_EVENTS_AT_ONCE = 5_000

Advance = Callable[[int, int], None]
"""Told the number of events that are checked and of all events."""


class Checked(msgspec.Struct):
    """How many rows of each table were looked at."""

    courses: int = 0
    enrollments: int = 0
    unit_progress: int = 0
    study_days: int = 0
    learner_activity_logs: int = 0


class Verified(msgspec.Struct):
    """What was looked at, and every stored value that does not follow from the rest."""

    checked: Checked
    differences: list[Difference]


class Verification:
    """Goes through the database learner by learner, within one snapshot, so it can run beside a server.

    Memory and the number of statements are bounded for each step, whatever the number of learners and of events.
    """

    def __init__(
        self, database: Database, *, enrollments_at_once: int = _ENROLLMENTS_AT_ONCE, events_at_once: int = _EVENTS_AT_ONCE
    ) -> None:
        self._database = database
        self._enrollments_at_once = enrollments_at_once
        self._events_at_once = events_at_once

    async def run(self, advance: Advance = lambda _done, _all: None) -> Verified:
        """Compare everything. Raises Unavailable."""
        found = Verified(Checked(), [])
        expected_statistics: Counter[tuple[int, str]] = Counter()
        async with self._database.read() as tx:
            all_events = await verification.count_events(tx)
            _compare_seats(await verification.read_seats(tx), found)
            found.differences += await _disagreements(tx)
            async for learners in verification.all_learners(tx, enrollments_at_once=self._enrollments_at_once):
                places = await _places(tx, learners, found)
                async for page in verification.all_events(tx, learners, at_once=self._events_at_once):
                    for row in page:
                        found.differences += places.of(row).add_event(row, places.structure_of(row))
                    found.checked.learner_activity_logs += len(page)
                    advance(found.checked.learner_activity_logs, all_events)
                for place, structure in places.all():
                    found.differences += place.differences(structure)
                    expected_statistics.update(place.statistics())
            found.differences += _compare_statistics(await verification.read_statistics(tx), expected_statistics)
        return found


class _Places:
    """The learners of a step in their courses."""

    def __init__(self, structures: dict[int, CourseStructure]) -> None:
        self._structures = structures
        self._places: dict[tuple[int, int], Place] = {}

    def of(self, row: Row) -> Place:
        key = (row["user_id"], row["course_id"])
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = Place(*key)
        return place

    def structure_of(self, row: Row) -> CourseStructure | None:
        return self._structures.get(row["course_id"])

    def all(self) -> list[tuple[Place, CourseStructure | None]]:
        return [(place, self._structures.get(course_id)) for (_, course_id), place in self._places.items()]


async def _places(tx: ReadTransaction, learners: Learners, found: Verified) -> _Places:
    """Read all of these learners but their events."""
    stored = await verification.read_learners(tx, learners)
    rows = (*stored.enrollments, *stored.units, *stored.days)
    places = _Places(await catalogue.structures(tx, sorted({row["course_id"] for row in rows})))
    for row in stored.enrollments:
        places.of(row).enrollment = row
    for row in stored.units:
        places.of(row).units[row["unit_id"]] = row
    for row in stored.days:
        found.differences += places.of(row).add_day(row, places.structure_of(row))
    found.checked.enrollments += len(stored.enrollments)
    found.checked.unit_progress += len(stored.units)
    found.checked.study_days += len(stored.days)
    return places


def _compare_seats(courses: Sequence[Row], found: Verified) -> None:
    found.checked.courses = len(courses)
    for row in courses:
        key: dict[str, int | str] = {"id": row["id"]}
        if row["seats_taken"] != row["holders"]:
            found.differences.append(Difference("courses", key, "seats_taken", row["seats_taken"], row["holders"]))
        if row["capacity"] is not None and row["holders"] > row["capacity"]:
            expected = f"at least {row['holders']}, the learners who hold a seat"
            found.differences.append(Difference("courses", key, "capacity", row["capacity"], expected))


def _compare_statistics(stored: Sequence[Row], expected: Mapping[tuple[int, str], int]) -> Iterator[Difference]:
    known = {(row["course_id"], row["name"]): int(row["value"]) for row in stored}
    for course_id, name in sorted(known.keys() | expected.keys()):
        value, wanted = known.get((course_id, name), 0), expected.get((course_id, name), 0)
        if value != wanted:
            yield Difference("course_statistics", {"course_id": course_id, "name": name}, "value", value, wanted)


async def _disagreements(tx: ReadTransaction) -> list[Difference]:
    waiting = [
        Difference("waiting_list", {"course_id": row["id"]}, "number", row["waiting"], "nobody, for there are free seats")
        for row in await verification.read_waiting_beside_free_seats(tx)
    ]
    unread = [
        Difference(
            "conversations", {"user_id": row["user_id"], "peer_id": row["peer_id"]}, "unread", row["unread"], row["count"]
        )
        for row in await verification.read_wrong_unread(tx)
    ]
    feeds = [
        Difference("feed_topics", {"topic": row["topic"]}, "seq", row["seq"], row["last"])
        if row["seq"] != row["last"]
        else Difference("feed", {"topic": row["topic"]}, "seq", row["kept"], f"{row['span']} entries without gaps")
        for row in await verification.read_wrong_feeds(tx)
    ]
    return waiting + unread + feeds

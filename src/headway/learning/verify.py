"""Verify what is derived from events: study days, unit and course progress, and course statistics."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from headway.courses import structure_store
from headway.db.database import ReadTransaction, Row
from headway.enrollments.model import LearnerInCourse
from headway.learning import verify_store
from headway.learning.archive_store import read_archives
from headway.learning.archive_verify import ArchivedEvents, KeptIds, by_name
from headway.learning.forgetting_store import read_residues
from headway.learning.recompute import Course, Recomputation
from headway.learning.verify_store import Learners
from headway.verify import Difference, Findings

Progress = Callable[[int, int], None]
"""Called with the number of events that were checked so far, and that of all events."""


class ProgressCheck:
    """Recomputes all progress, some learners at a time.

    Memory and the number of statements are bounded for each step, whatever the number of learners and of events.
    """

    def __init__(
        self,
        progress: Progress = lambda _checked, _all: None,
        *,
        archives_folder: Path | None = None,
        enrollments_at_once: int = 100,
        events_at_once: int = 5_000,
    ) -> None:
        self._progress = progress
        self._archives_folder = archives_folder
        self._enrollments_at_once = enrollments_at_once
        self._events_at_once = events_at_once

    async def __call__(self, tx: ReadTransaction, findings: Findings, /) -> None:
        """Compare all progress and all statistics with what they follow from."""
        archives = await read_archives(tx)
        with ArchivedEvents(archives, self._archives_folder) as archived:
            if archived.open(findings):
                await self._check(tx, archived, findings)

    async def _check(self, tx: ReadTransaction, archived: ArchivedEvents, findings: Findings) -> None:
        all_events = await verify_store.count_events(tx) + archived.count
        expected_statistics: Counter[tuple[int, str]] = Counter()
        async for learners in verify_store.all_learners(tx, enrollments_at_once=self._enrollments_at_once):
            recomputations = await _recomputations(tx, learners, findings)
            kept_ids = await KeptIds.read(tx, learners)
            async for page in verify_store.all_events(tx, learners, page_size=self._events_at_once):
                for row in page:
                    findings.add(recomputations[_key(row)].add_event(row))
                findings.add(kept_ids.differences_of(page))
                findings.checked["learner_activity_logs"] += len(page)
                self._progress(_checked_events(findings), all_events)
            async for rows in archived.of(tx, learners):
                for row in map(by_name, rows):
                    findings.add(recomputations[_key(row)].add_event(row, is_archived=True))
                kept_ids.add_archived(rows)
                findings.checked["archived_ids"] += len(rows)
                self._progress(_checked_events(findings), all_events)
            findings.add(kept_ids.differences())
            for recomputation in recomputations.values():
                findings.add(recomputation.differences())
                expected_statistics.update(recomputation.statistics())
        findings.add(_compare_statistics(await verify_store.read_statistics(tx), expected_statistics))


def _checked_events(findings: Findings) -> int:
    return findings.checked["learner_activity_logs"] + findings.checked["archived_ids"]


class _Recomputations(dict[LearnerInCourse, Recomputation]):
    """The recomputations of some learners in their courses, begun on first use."""

    def __init__(self, courses: Mapping[int, Course]) -> None:
        super().__init__()
        self._courses = courses

    def __missing__(self, key: LearnerInCourse) -> Recomputation:
        self[key] = Recomputation(*key, self._courses.get(key[1]))
        return self[key]


def _key(row: Row) -> LearnerInCourse:
    return row["user_id"], row["course_id"]


async def _recomputations(tx: ReadTransaction, learners: Learners, findings: Findings) -> _Recomputations:
    """Read all of these learners but their events."""
    enrollments, units, days = await verify_store.read_learners(tx, learners)
    uncounted = await verify_store.read_uncounted(tx, learners)
    resets, earlier, aside = await verify_store.read_resets(tx, learners)
    residues = await read_residues(tx, learners)
    every = (*enrollments, *units, *days, *uncounted, *resets, *earlier, *aside, *residues)
    course_ids = {row["course_id"] for row in every}
    recomputations = _Recomputations(await read_courses(tx, sorted(course_ids)))
    for row in resets:
        findings.add(recomputations[_key(row)].segments.add_reset(row))
    for row in earlier:
        recomputations[_key(row)].segments.add_earlier(row)
    for row in aside:
        findings.add(recomputations[_key(row)].segments.add_set_aside(row))
    for row in enrollments:
        recomputations[_key(row)].enrollment = row
    for row in units:
        recomputations[_key(row)].add_unit(row)
    for row in days:
        findings.add(recomputations[_key(row)].add_day(row))
    for row in uncounted:
        recomputations[_key(row)].add_uncounted(row)
    for row in residues:
        findings.add(recomputations[_key(row)].add_residue(row))
    await _void_unknown_declarations(tx, recomputations.values())
    findings.checked["enrollments"] += len(enrollments)
    findings.checked["unit_progress"] += len(units)
    findings.checked["study_days"] += len(days)
    findings.checked["uncounted_events"] += len(uncounted)
    findings.checked["resets"] += len(resets)
    return recomputations


async def read_courses(tx: ReadTransaction, course_ids: Sequence[int]) -> dict[int, Course]:
    """Read those of these courses that exist."""
    structures = await structure_store.structures(tx, course_ids)
    histories = await structure_store.read_histories(tx, course_ids)
    return {course_id: Course(structure, histories[course_id]) for course_id, structure in structures.items()}


async def _void_unknown_declarations(tx: ReadTransaction, recomputations: Collection[Recomputation]) -> None:
    declarations = [evidence.declaration for each in recomputations for evidence in each.declared.values()]
    declarers = {declaration.user_id for declaration in declarations if declaration is not None}
    unknown = declarers - await verify_store.known_users(tx, sorted(declarers))
    for recomputation in recomputations:
        recomputation.void_declarations(unknown)


def _compare_statistics(stored: Sequence[Row], expected: Mapping[tuple[int, str], int]) -> Iterator[Difference]:
    known = {(row["course_id"], row["name"]): int(row["value"]) for row in stored}
    for course_id, name in sorted(known.keys() | expected.keys()):
        value, right = known.get((course_id, name), 0), expected.get((course_id, name), 0)
        if value != right:
            yield Difference("course_statistics", {"course_id": course_id, "name": name}, "value", value, right)

"""News of resets, and of undoing them, for live clients and webhooks."""

from collections.abc import Collection
from copy import copy

from headway.courses.structure import CourseStructure
from headway.db.database import WriteTransaction
from headway.enrollments.traces import ordinals, state_bits, write_states
from headway.feed import store as feed
from headway.feed.model import NewFeedEntry, ProgressReset, course_topic, new_entries, user_topic
from headway.instants import Instant
from headway.learning.completions import completions, module_states
from headway.learning.reset_model import (
    EarlierUnit,
    Reset,
)
from headway.learning.reset_state import LockedLearner
from headway.learning.unit_progress import UnitStatus
from headway.webhooks import announcements


async def publish(tx: WriteTransaction, found: LockedLearner, reset: Reset, now: Instant) -> None:
    """Publish a reset, or its undo, to live clients and webhooks, with what follows from it; before the audit log is locked."""
    kind = announcements.ProgressRestored if reset.is_undone else announcements.ProgressReset
    tx.announce(
        kind(
            learner_id=reset.user_id,
            course_id=reset.course_id,
            reset_id=reset.id,
            module_id=reset.module_id,
            unit_id=reset.unit_id,
            is_new_attempt=reset.is_attempt,
        )
    )
    await feed.publish(tx, _reset_entries(found.structure, reset) + found.entries(), now)


def announce_completions(tx: WriteTransaction, found: LockedLearner, reset: Reset, earlier: Collection[EarlierUnit]) -> None:
    """Announce what an undo completes that was not complete before the reset, nor since."""
    structure, enrollment = found.structure, found.enrollment
    known = {each.unit_id for each in earlier if each.status is UnitStatus.COMPLETED}
    known |= {unit_id for unit_id, unit in found.units_before.items() if unit.is_complete}
    numbers, states = ordinals(structure.units), 0
    for unit_id in known:
        states |= state_bits(numbers[unit_id], is_complete=True)
    before = copy(found.before)
    before.unit_states = write_states(states)
    before.completed_at = found.before.completed_at or reset.before.completed_at
    modules = module_states(structure)
    new = sorted(found.completed - known)
    tx.announce(*completions(structure, before, enrollment, new, modules_before=modules, modules_after=modules))


def _reset_entries(structure: CourseStructure, reset: Reset) -> list[NewFeedEntry]:
    """Return what the learner and the staff are told; the learner is told nothing of units that are hidden."""
    event = ProgressReset(
        course_id=reset.course_id,
        title=structure.title,
        learner_id=reset.user_id,
        reset_id=reset.id,
        module_id=reset.module_id,
        unit_id=reset.unit_id,
        is_new_attempt=reset.is_attempt,
        is_undone=reset.is_undone,
    )
    topics = [course_topic(reset.course_id)]
    if reset.is_known_to_learner(structure.hidden):
        topics.append(user_topic(reset.user_id))
    return new_entries(event, *topics)

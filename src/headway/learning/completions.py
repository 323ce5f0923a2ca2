"""What is announced of completed units, modules and courses."""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

from headway.courses.structure import CourseStructure
from headway.enrollments.model import Enrollment
from headway.enrollments.traces import UnitStates, ordinals, read_states, state_bits
from headway.webhooks.announcements import Announcement, CourseCompleted, ModuleCompleted, UnitCompleted

ModuleStates: TypeAlias = Mapping[int, UnitStates]
"""The states in which the required units of each module are complete; a module without any is not among them."""


def module_states(structure: CourseStructure) -> ModuleStates:
    """Return the states in which modules of a course are complete."""
    numbers = ordinals(structure.units)
    states: dict[int, UnitStates] = {}
    for unit in structure.units.values():
        if unit.counts:
            states[unit.module_id] = states.get(unit.module_id, 0) | state_bits(numbers[unit.id], is_complete=True)
    return states


def completions(
    structure: CourseStructure,
    before: Enrollment,
    after: Enrollment,
    unit_ids: Collection[int],
    *,
    modules_before: ModuleStates,
    modules_after: ModuleStates,
) -> Sequence[Announcement]:
    """Return the announcements of a change in which the required units may have changed too: units first, the course last."""
    learner_id, course_id = after.user_id, after.course_id
    found: list[Announcement] = [
        UnitCompleted(learner_id=learner_id, course_id=course_id, unit_id=unit_id, module_id=structure.units[unit_id].module_id)
        for unit_id in unit_ids
    ]
    was, now = read_states(before.unit_states), read_states(after.unit_states)
    for module_id, states in modules_after.items():
        earlier = modules_before.get(module_id)
        was_complete = earlier is not None and was & earlier == earlier
        if now & states == states and not was_complete:
            found.append(ModuleCompleted(learner_id=learner_id, course_id=course_id, module_id=module_id))
    if before.completed_at is None and after.completed_at is not None:
        found.append(CourseCompleted(learner_id=learner_id, course_id=course_id))
    return found

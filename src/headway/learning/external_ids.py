"""Observations that name what they are about by external ids, and the ids that are meant."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headway.courses.external_ids import UNKNOWN_COURSE, PartIds, resolve_parts
from headway.courses.structure import CourseStructure
from headway.courses.video import played
from headway.errors import FieldError
from headway.learning.model import Event, Observation, Report, Update


def named_courses(reports: Sequence[Report]) -> set[str]:
    """Return the external ids of the courses that are named by them alone."""
    return {
        observation.names.course
        for report in reports
        for observation in report.observations
        if observation.course_id == UNKNOWN_COURSE and observation.names is not None and observation.names.course is not None
    }


def with_courses(reports: Sequence[Report], course_ids: Mapping[str, int]) -> list[Report]:
    """Return reports with the ids of the courses that are named by their external ids alone; unknown ones stay as they are."""
    return [
        msgspec.structs.replace(report, observations=tuple(_with_course(each, course_ids) for each in report.observations))
        for report in reports
    ]


def _with_course(observation: Observation, course_ids: Mapping[str, int]) -> Observation:
    names = observation.names
    if observation.course_id != UNKNOWN_COURSE or names is None or isinstance(observation, Update):
        return observation
    course_id = course_ids.get(names.course or "")
    if course_id is None:
        return observation
    return msgspec.structs.replace(observation, course_id=course_id, names=names._replace(is_course_found=True))


def with_parts(observation: Observation, structure: CourseStructure | None) -> tuple[Observation, FieldError | None]:
    """Return an observation with the ids of the module and unit that it names by external ids, or what is wrong with them."""
    names = observation.names
    if names is None or structure is None or isinstance(observation, Update):
        return observation, None
    parts = resolve_parts(names, PartIds(observation.module_id, observation.unit_id), structure)
    if isinstance(parts, FieldError):
        return observation, parts
    found: dict[str, Any] = {"module_id": parts.module, "unit_id": parts.unit}
    if isinstance(observation, Event) and parts.unit is not None and observation.video_segments is not None:
        # Without a unit it was kept nowhere.
        found["playback"] = played(observation.video_segments, observation.video_duration_seconds)
    return msgspec.structs.replace(observation, **found), None

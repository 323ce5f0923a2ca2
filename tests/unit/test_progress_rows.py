"""Which columns of an enrollment are written when its progress changes."""

from copy import copy
from typing import Any

import pytest

from headway.courses.completion import NO_EVIDENCE
from headway.db.types import ONLY_ON
from headway.enrollments.model import Enrollment
from headway.enrollments.status import EnrollmentStatus
from headway.enrollments.store import progress_rows
from headway.enrollments.tables import enrollments

NOW = 1_700_000_000_000
STUDYING = Enrollment(
    user_id=5,
    course_id=7,
    status=EnrollmentStatus.IN_PROGRESS,
    percent=5_000,
    study_ms=60_000,
    evidence=NO_EVIDENCE,
    last_activity_at=NOW - 1,
    enrolled_at=NOW - 9,
    completed_at=None,
    certificate_url=None,
    created_at=NOW - 9,
    updated_at=NOW - 1,
    id=3,
    course_revision=1,
    access_days=None,
)


def changed(**fields: Any) -> tuple[Enrollment, Enrollment]:
    after = copy(STUDYING)
    for name, value in fields.items():
        setattr(after, name, value)
    return copy(STUDYING), after


def written(*changes: tuple[Enrollment, Enrollment]) -> list[tuple[set[str], list[tuple[Any, ...]]]]:
    before, after = zip(*changes, strict=True)
    return [(set(statement.changed), list(values)) for statement, values in progress_rows(before, after, NOW) if values]  # type: ignore[union-attr]


def test_an_ordinary_event_sets_no_column_of_an_index() -> None:
    ((columns, (row,)),) = written(changed(percent=5_100, study_ms=61_000, last_activity_at=NOW))

    sums = {"required_percents", "required_completed", "last_unit_id", "last_unit_at", "active_weeks", "unit_states"}
    assert columns == {"percent", "study_ms", "metadata", "last_activity_at", "updated_at"} | sums
    for index in enrollments.indexes:
        set_anyway = {"percent"} if index.info.get(ONLY_ON) == "sqlite" else set()
        assert columns & {column.name for column in index.columns} == set_anyway
    assert row[-2:] == (5, 7)


@pytest.mark.parametrize(
    "step", [{"status": EnrollmentStatus.COMPLETED}, {"completed_at": NOW}, {"completed_revision": 2}], ids=str
)
def test_a_step_of_the_status_machine_is_written_beside_ordinary_events(step: dict[str, Any]) -> None:
    (_, ordinary), (columns, steps) = written(changed(study_ms=61_000), changed(**step))

    assert (len(ordinary), len(steps)) == (1, 1)
    assert columns > {"status", "completed_at", "completed_revision", "percent", "study_ms"}
    assert step.popitem()[1] in steps[0]

"""The status machine of an enrollment, every pair of it."""

from itertools import product

import pytest

from headway.enrollments.status import OPEN, EnrollmentStatus, after_activity, can_become, earned

ENROLLED, IN_PROGRESS, COMPLETED = EnrollmentStatus.ENROLLED, EnrollmentStatus.IN_PROGRESS, EnrollmentStatus.COMPLETED
CERTIFIED, DROPPED, EXPIRED = EnrollmentStatus.CERTIFIED, EnrollmentStatus.DROPPED, EnrollmentStatus.EXPIRED

ONWARDS = {(ENROLLED, IN_PROGRESS), (IN_PROGRESS, COMPLETED), (COMPLETED, CERTIFIED)}
OUT_OF_IT = {(status, DROPPED) for status in (ENROLLED, IN_PROGRESS, COMPLETED, EXPIRED)} | {
    (status, EXPIRED) for status in (ENROLLED, IN_PROGRESS, COMPLETED, DROPPED)
}
BACK_AGAIN = {(DROPPED, status) for status in (ENROLLED, IN_PROGRESS, COMPLETED)}


@pytest.mark.parametrize(("current", "wanted"), list(product(EnrollmentStatus, repeat=2)))
def test_a_step_is_allowed_exactly_where_the_status_machine_has_it(current: EnrollmentStatus, wanted: EnrollmentStatus) -> None:
    assert can_become(current, wanted) is ((current, wanted) in ONWARDS | OUT_OF_IT | BACK_AGAIN)


@pytest.mark.parametrize(
    ("current", "after"),
    [
        (ENROLLED, IN_PROGRESS),
        (IN_PROGRESS, IN_PROGRESS),
        (COMPLETED, COMPLETED),
        (CERTIFIED, CERTIFIED),
        (DROPPED, DROPPED),
        (EXPIRED, EXPIRED),
    ],
)
def test_activity_begins_an_enrollment_and_never_takes_one_back(current: EnrollmentStatus, after: EnrollmentStatus) -> None:
    assert after_activity(current, all_required_complete=False) is after


@pytest.mark.parametrize(
    ("current", "after"),
    [
        (ENROLLED, COMPLETED),
        (IN_PROGRESS, COMPLETED),
        (COMPLETED, COMPLETED),
        (CERTIFIED, CERTIFIED),
        (DROPPED, DROPPED),
        (EXPIRED, EXPIRED),
    ],
)
def test_the_last_required_unit_completes_an_enrollment_that_is_under_way(
    current: EnrollmentStatus, after: EnrollmentStatus
) -> None:
    assert after_activity(current, all_required_complete=True) is after


@pytest.mark.parametrize(
    ("has_activity", "was_completed", "status"),
    [(False, False, ENROLLED), (True, False, IN_PROGRESS), (True, True, COMPLETED), (False, True, COMPLETED)],
)
def test_who_enrolls_again_resumes_what_was_earned(has_activity: bool, was_completed: bool, status: EnrollmentStatus) -> None:
    assert earned(has_activity=has_activity, was_completed=was_completed) is status


def test_those_who_left_or_whose_time_is_over_have_no_access() -> None:
    assert set(EnrollmentStatus) - OPEN == {DROPPED, EXPIRED}

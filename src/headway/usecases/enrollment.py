"""Enrolling and leaving: who may, and who gets the seat."""

from headway.domain.catalogue import CourseTerms
from headway.domain.enrollment_status import OPEN, EnrollmentStatus, earned
from headway.domain.errors import Conflict, NotFound
from headway.domain.instants import Clock, Instant
from headway.storage import catalogue, enrollments
from headway.storage.database import Database, WriteTransaction
from headway.storage.enrollments import Enrollment


class Enrollments:
    """Places of learners in courses. Each transaction takes the enrollment first and the course's seats last."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def enroll(self, user_id: int, course_id: int, *, at: Instant | None = None) -> Enrollment:
        """Take a seat in a course, if it is published, open, its prerequisites completed and a seat free.

        Someone who left before resumes what was earned. `at` overrides the date of enrollment and the window, for imports.
        Raises NotFound COURSE_NOT_FOUND, and Conflict COURSE_CLOSED, PREREQUISITE_MISSING, LEARNER_ENROLLMENT_DENIED
        (enrolled already) or COURSE_FULL.
        """
        now = self._clock()
        async with self._database.write() as tx:
            terms = await catalogue.terms(tx, course_id)
            if terms is None or not terms.is_published:
                raise NotFound("There is no such course.", code="COURSE_NOT_FOUND")
            if at is None:
                _check_window(terms, now)
            await _check_prerequisites(tx, user_id, course_id)
            enrolled_at = now if at is None else at
            if not await enrollments.insert_enrollment(
                tx, user_id=user_id, course_id=course_id, enrolled_at=enrolled_at, now=now
            ):
                await _resume(tx, user_id, course_id, enrolled_at, now)
            if not await enrollments.take_seat(tx, course_id):
                raise Conflict("Every seat of this course is taken.", code="COURSE_FULL")
            enrollment = await enrollments.find(tx, user_id, course_id)
        assert enrollment is not None  # noqa: S101 - it was written above
        return enrollment

    async def find(self, user_id: int, course_id: int) -> Enrollment | None:
        """Read an enrollment, if there is one."""
        async with self._database.read() as tx:
            return await enrollments.find(tx, user_id, course_id)

    async def leave(self, user_id: int, course_id: int) -> None:
        """Give the seat back and become DROPPED, keeping what was earned. Raises NotFound ENROLLMENT_NOT_FOUND, Conflict."""
        now = self._clock()
        async with self._database.write() as tx:
            found = (await enrollments.lock(tx, [(user_id, course_id)])).get((user_id, course_id))
            if found is None or found.status not in OPEN:
                raise NotFound("There is no such enrollment.", code="ENROLLMENT_NOT_FOUND")
            if found.status is EnrollmentStatus.CERTIFIED:
                raise Conflict("A certified enrollment cannot be dropped.", code="ENROLLMENT_CERTIFIED")
            await enrollments.set_standing(
                tx,
                user_id=user_id,
                course_id=course_id,
                status=EnrollmentStatus.DROPPED,
                enrolled_at=found.enrolled_at,
                now=now,
            )
            await enrollments.free_seat(tx, course_id)


def _check_window(terms: CourseTerms, now: Instant) -> None:
    has_begun = terms.enroll_from is None or terms.enroll_from <= now
    has_ended = any(end is not None and end <= now for end in (terms.enroll_until, terms.ends_at))
    if not has_begun or has_ended:
        raise Conflict("This course is not open for enrollment now.", code="COURSE_CLOSED")


async def _check_prerequisites(tx: WriteTransaction, user_id: int, course_id: int) -> None:
    wanted = await catalogue.list_prerequisites(tx, course_id)
    missing = set(wanted) - await enrollments.completed_among(tx, user_id, wanted)
    if missing:
        names = ", ".join(str(i) for i in sorted(missing))
        raise Conflict(f"These courses have to be completed first: {names}.", code="PREREQUISITE_MISSING")


async def _resume(tx: WriteTransaction, user_id: int, course_id: int, enrolled_at: Instant, now: Instant) -> None:
    locked = await enrollments.lock(tx, [(user_id, course_id)])
    found = locked[user_id, course_id]
    if found.status is not EnrollmentStatus.DROPPED:
        reason = "is already enrolled in" if found.status in OPEN else "no longer has access to"
        raise Conflict(f"Learner {reason} this course.", code="LEARNER_ENROLLMENT_DENIED")
    status = earned(has_activity=found.last_activity_at is not None, was_completed=found.completed_at is not None)
    await enrollments.set_standing(tx, user_id=user_id, course_id=course_id, status=status, enrolled_at=enrolled_at, now=now)

"""Between wire structs and the model: pure functions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET

from headway import instants
from headway.accounts.model import Account
from headway.assessments.model import Submission
from headway.assessments.service import OwnAssessment
from headway.contracts.learner import course_wire, wire
from headway.courses.completion import DEFAULT_THRESHOLD, Completion
from headway.courses.model import Assessment, CourseSearch, CourseTree, NewAssessment, NewCourse, NewModule, NewUnit
from headway.enrollments.model import Enrollment, EnrollmentStatus
from headway.enrollments.service import Waiting
from headway.errors import Invalid
from headway.feed.model import FeedEntry
from headway.http.params import UNKNOWN_ID, parse_id
from headway.instants import HOUR, SECOND, Instant
from headway.learning.learner_courses import CourseProgress
from headway.learning.profiles import Profile
from headway.messaging.model import Conversation, Message, Peer

STATUS_WORDS = {
    EnrollmentStatus.ENROLLED: "active",
    EnrollmentStatus.IN_PROGRESS: "active",
    EnrollmentStatus.COMPLETED: "completed",
    EnrollmentStatus.CERTIFIED: "completed",
    EnrollmentStatus.DROPPED: "dropped",
    EnrollmentStatus.EXPIRED: "dropped",
}
"""The contract's words (section 2.2) for the statuses of enrollments."""


def new_course(body: course_wire.CourseBody) -> NewCourse:
    """Return the course to create. Raises Invalid for a prerequisite that is no id."""
    return NewCourse(
        title=body.title,
        modules=tuple(_new_module(module) for module in body.modules),
        assessments=tuple(_new_assessment(assessment) for assessment in body.assessments),
        slug=body.slug,
        description=body.description,
        subject=body.subject,
        level=body.level,
        kind=body.kind,
        capacity=body.capacity,
        starts_at=_instant(body.starts_at),
        ends_at=_instant(body.ends_at),
        enroll_from=_instant(body.enroll_from),
        enroll_until=_instant(body.enroll_until),
        access_days=body.access_days,
        is_sequential=body.sequential,
        is_published=body.published,
        prerequisites=tuple(_id("prerequisites", each) for each in body.prerequisites),
    )


def changed_course(body: course_wire.CourseChangeBody, stored: CourseTree) -> NewCourse:
    """Return a stored course with the changes applied. Raises Invalid for ids that are none."""
    own = stored.course
    plain = ("title", "slug", "description", "subject", "level", "kind", "capacity", "access_days")
    moments = ("starts_at", "ends_at", "enroll_from", "enroll_until")
    changed = {name: value for name in plain if (value := getattr(body, name)) is not UNSET}
    changed |= {name: _instant(value) for name in moments if (value := getattr(body, name)) is not UNSET}
    if body.sequential is not UNSET:
        changed["is_sequential"] = body.sequential
    if body.published is not UNSET:
        changed["is_published"] = body.published
    if body.prerequisites is not UNSET:
        changed["prerequisites"] = tuple(_id("prerequisites", each) for each in body.prerequisites)
    parts = _kept_modules(stored) if body.modules is UNSET else _changed_modules(body.modules)
    tasks = _kept_assessments(stored) if body.assessments is UNSET else _changed_assessments(body.assessments)
    return msgspec.structs.replace(own, modules=parts, assessments=tasks, **changed)


def course(tree: CourseTree) -> course_wire.Course:
    """Render a course with its modules, units and assessments."""
    return course_wire.Course(
        **_listing_fields(tree),
        modules=_modules(tree),
        assessments=[
            course_wire.Assessment(str(each.id), each.title, each.description, _iso(each.due_at), each.max_grade)
            for each in tree.assessments
            if not each.is_retired
        ],
    )


def listing(tree: CourseTree) -> course_wire.CourseListing:
    """Render a course in a list, without its modules."""
    return course_wire.CourseListing(**_listing_fields(tree))


def search(query: course_wire.CourseQuery) -> CourseSearch:
    """Return which courses to search for."""
    return CourseSearch(query.subject, query.level, query.tutor, query.kind, query.q)


def account(found: Account) -> wire.Account:
    """Render an account for its owner."""
    user = found.user
    return wire.Account(str(user.id), user.name, user.email, user.role, found.interests, instants.iso(found.created_at))


def profile(found: Profile) -> wire.Profile:
    """Render a profile; study hours are cut to two decimals."""
    account, user = found.account, found.account.user
    return wire.Profile(
        id=str(user.id),
        name=user.name,
        email=user.email,
        role=user.role,
        interests=account.interests,
        learning_goals=account.learning_goals,
        enrolled_courses=[str(course_id) for course_id in found.course_ids],
        total_study_hours=found.study_ms * 100 // HOUR / 100,
        points=found.points,
        created_at=instants.iso(account.created_at),
    )


def enrollment(found: Enrollment) -> wire.Enrollment:
    """Render an enrollment for the learner."""
    return wire.Enrollment(
        id=f"{found.course_id}-{found.user_id}",
        learner_id=str(found.user_id),
        course_id=str(found.course_id),
        status=STATUS_WORDS[found.status],
        enrolled_at=instants.iso(found.enrolled_at),
    )


def waiting(found: Waiting) -> wire.Waiting:
    """Render a place on the waiting list."""
    return wire.Waiting(str(found.course_id), str(found.user_id), found.position)


def course_enrollment(found: Enrollment, name: str) -> wire.CourseEnrollment:
    """Render an enrollment for the course's staff."""
    own = enrollment(found)
    return wire.CourseEnrollment(
        **msgspec.structs.asdict(own),
        name=name,
        standing=found.status,
        completion_percentage=found.percent / 100,
        study_seconds=found.study_ms // SECOND,
        last_accessed=_iso(found.last_activity_at),
        completed_at=_iso(found.completed_at),
        certificate_url=found.certificate_url,
    )


def statuses(word: str | None) -> list[EnrollmentStatus]:
    """Return the statuses that a contract word stands for; none for None. Raises Invalid."""
    found = [status for status, own in STATUS_WORDS.items() if own == word]
    if word is not None and not found:
        raise Invalid.field("status", "must be active, completed or dropped")
    return found


def progress(found: CourseProgress) -> wire.Progress:
    """Render a learner's progress in a course."""
    return wire.Progress(
        course_id=str(found.course_id),
        title=found.title,
        status=STATUS_WORDS[found.status],
        completed_modules=[str(module_id) for module_id in found.completed_modules],
        completion_percentage=found.percent / 100,
        last_accessed=_iso(found.last_activity_at),
        study_seconds=found.study_ms // SECOND,
    )


def submission(found: Submission, assessment: Assessment) -> wire.Submission:
    """Render a submission for its learner."""
    return wire.Submission(
        id=found.id,
        assessment_id=str(found.assessment_id),
        learner_id=str(found.user_id),
        submission_url=found.submission_url,
        grade=found.grade,
        feedback=found.feedback,
        submitted_at=instants.iso(found.submitted_at),
        graded_at=_iso(found.graded_at),
        is_late=found.is_late(assessment),
    )


def learners_submission(found: Submission, name: str, assessment: Assessment) -> wire.LearnersSubmission:
    """Render a submission for the course's staff."""
    own = submission(found, assessment)
    return wire.LearnersSubmission(**msgspec.structs.asdict(own), learner_name=name)


def own_assessment(found: OwnAssessment) -> wire.OwnAssessment:
    """Render an assessment with the caller's newest submission."""
    it = found.assessment
    return wire.OwnAssessment(
        id=str(it.id),
        course_id=str(it.course_id),
        title=it.title,
        description=it.description,
        due_at=_iso(it.due_at),
        max_grade=it.max_grade,
        submission=None if found.submission is None else submission(found.submission, it),
        versions=found.versions,
    )


def peer(found: Peer) -> wire.Peer:
    """Render a peer with the shared courses."""
    shared = [wire.SharedCourse(str(course_id), title) for course_id, title in found.shared_courses]
    return wire.Peer(str(found.user_id), found.name, shared)


def message(found: Message) -> wire.Message:
    """Render a message."""
    return wire.Message(
        found.id,
        str(found.sender_id),
        str(found.receiver_id),
        found.message,
        found.is_read,
        instants.iso(found.created_at),
    )


def conversation(found: Conversation) -> wire.Conversation:
    """Render a conversation."""
    return wire.Conversation(str(found.peer_id), found.peer_name, message(found.last_message), found.unread)


def change(entry: FeedEntry) -> wire.Change:
    """Render a feed entry."""
    return wire.Change(entry.type, entry.topic, entry.seq, instants.iso(entry.at), entry.data)


def many(rows: Sequence[Any], page: int, limit: int, total: int) -> wire.Many[Any]:
    """Put a page of a list into its envelope."""
    return wire.Many(data=list(rows), metadata=wire.Paging(page=page, limit=limit, total=total))


def _listing_fields(tree: CourseTree) -> dict[str, Any]:
    own = tree.course
    return {
        "id": str(tree.id),
        "title": own.title,
        "slug": own.slug,
        "description": own.description,
        "subject": own.subject,
        "level": own.level,
        "kind": own.kind,
        "capacity": own.capacity,
        "seats_taken": tree.seats_taken,
        "starts_at": _iso(own.starts_at),
        "ends_at": _iso(own.ends_at),
        "enroll_from": _iso(own.enroll_from),
        "enroll_until": _iso(own.enroll_until),
        "access_days": own.access_days,
        "sequential": own.is_sequential,
        "prerequisites": [str(each) for each in own.prerequisites],
        "published": own.is_published,
        "tutor": course_wire.Tutor(str(tree.owner_id), tree.owner_name),
    }


def _new_module(module: course_wire.ModuleBody) -> NewModule:
    return NewModule(module.title, module.slug, tuple(_new_unit(unit) for unit in module.units))


def _new_unit(unit: course_wire.UnitBody) -> NewUnit:
    rule, threshold = unit.completion.rule, unit.completion.threshold
    completion = Completion(rule, DEFAULT_THRESHOLD.get(rule) if threshold is None else threshold)
    return NewUnit(unit.title, unit.slug, unit.kind, unit.required, completion)


def _new_assessment(assessment: course_wire.AssessmentBody) -> NewAssessment:
    return NewAssessment(assessment.title, assessment.description, _instant(assessment.due_at), assessment.max_grade)


def _changed_modules(modules: Sequence[course_wire.ModuleBody]) -> tuple[NewModule, ...]:
    return tuple(
        msgspec.structs.replace(
            _new_module(module),
            id=_part_id(f"modules[{m}]", module.id),
            units=tuple(
                msgspec.structs.replace(_new_unit(unit), id=_part_id(f"modules[{m}].units[{u}]", unit.id))
                for u, unit in enumerate(module.units)
            ),
        )
        for m, module in enumerate(modules)
    )


def _changed_assessments(assessments: Sequence[course_wire.AssessmentBody]) -> tuple[NewAssessment, ...]:
    return tuple(
        msgspec.structs.replace(_new_assessment(each), id=_part_id(f"assessments[{a}]", each.id))
        for a, each in enumerate(assessments)
    )


def _kept_modules(stored: CourseTree) -> tuple[NewModule, ...]:
    units = [unit for unit in stored.units if not unit.is_retired]
    return tuple(
        NewModule(
            module.title,
            module.slug,
            tuple(
                NewUnit(unit.title, unit.slug, unit.kind, unit.is_required, unit.completion, unit.id)
                for unit in units
                if unit.module_id == module.id
            ),
            module.id,
        )
        for module in stored.modules
        if not module.is_retired
    )


def _kept_assessments(stored: CourseTree) -> tuple[NewAssessment, ...]:
    return tuple(
        NewAssessment(each.title, each.description, each.due_at, each.max_grade, each.id)
        for each in stored.assessments
        if not each.is_retired
    )


def _part_id(path: str, text: str | None) -> int | None:
    return None if text is None else _id(f"{path}.id", text)


def _modules(tree: CourseTree) -> list[course_wire.Module]:
    return [
        course_wire.Module(
            str(module.id),
            module.title,
            module.slug,
            [
                course_wire.Unit(
                    str(unit.id),
                    unit.title,
                    unit.slug,
                    unit.kind,
                    unit.is_required,
                    course_wire.Completion(unit.completion.rule, unit.completion.threshold),
                )
                for unit in tree.units
                if unit.module_id == module.id and not unit.is_retired
            ],
        )
        for module in tree.modules
        if not module.is_retired
    ]


def _id(field: str, text: str | int) -> int:
    number = parse_id(str(text))
    if number == UNKNOWN_ID:
        raise Invalid.field(field, f"{text!r} is not an id")
    return number


def _instant(moment: datetime | None) -> Instant | None:
    return None if moment is None else instants.from_datetime(moment)


def _iso(instant: Instant | None) -> str | None:
    return None if instant is None else instants.iso(instant)

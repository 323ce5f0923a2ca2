"""Conversion between wire structs and models: pure functions."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from headway import instants
from headway.accounts.model import Account
from headway.assessments.model import OwnAssessment, Submission, SubmissionOrder, SubmissionSort
from headway.contracts.learner import account_wire, course_wire, wire
from headway.courses.changes import match_external_ids
from headway.courses.completion import DEFAULT_THRESHOLD, Completion
from headway.courses.model import (
    Assessment,
    CourseLimits,
    CourseSearch,
    CourseTree,
    NewAssessment,
    NewCourse,
    NewModule,
    NewUnit,
    Unit,
)
from headway.courses.staff import StaffMember
from headway.courses.times import Times
from headway.courses.validation import check_size
from headway.enrollments.lists import Listed, Sort
from headway.enrollments.model import Enrollment
from headway.enrollments.seating import Waiting
from headway.enrollments.status import EnrollmentStatus
from headway.errors import FieldError, Invalid, shown
from headway.feed.model import FeedEntry
from headway.http.params import UNKNOWN_ID, parse_id, parse_instant
from headway.instants import HOUR, SECOND, Instant
from headway.learning.learner_courses import CourseProgress
from headway.learning.profiles import Profile
from headway.messaging.model import Conversation, Message, Peer
from headway.paging.service import Walk

STATUS_WORDS = {
    EnrollmentStatus.ENROLLED: "active",
    EnrollmentStatus.IN_PROGRESS: "active",
    EnrollmentStatus.COMPLETED: "completed",
    EnrollmentStatus.CERTIFIED: "completed",
    EnrollmentStatus.DROPPED: "dropped",
    EnrollmentStatus.EXPIRED: "dropped",
}
"""The contract's words (section 2.2) for the statuses of enrollments."""
_SORTS = {"id": Sort.LEARNER, "name": Sort.NAME, "lastActivity": Sort.LAST_ACTIVITY}


_ORIGIN = ("external_id", "source")
_PLAIN_FIELDS = ("title", "slug", "description", "subject", "level", "kind", "capacity", "access_days", *_ORIGIN)
_TIME_FIELDS = ("starts_at", "ends_at", "enroll_from", "enroll_until")


def new_course(body: course_wire.CourseBody, limits: CourseLimits) -> NewCourse:
    """Return the course to create. Raises Invalid for a course that is too large, and ids and times that are not valid."""
    require_size(body, limits)
    errors: list[FieldError] = []
    fields, assessments = _course_fields(errors, body), _new_assessments(errors, body.assessments)
    modules = _new_modules(errors, body.modules)
    if errors:
        raise Invalid(errors)
    return NewCourse(**fields, modules=modules, assessments=assessments)


def require_size(body: course_wire.CourseBody | course_wire.CourseChangeBody, limits: CourseLimits) -> None:
    """Check the number of parts that a body has, before anything is made of them. Raises Invalid."""
    errors = check_size(
        limits,
        units=[] if body.modules is UNSET else [len(module.units) for module in body.modules],
        assessments=0 if body.assessments is UNSET else len(body.assessments),
        prerequisites=0 if body.prerequisites is UNSET else len(body.prerequisites),
    )
    if errors:
        raise Invalid(errors)


def changed_course(body: course_wire.CourseChangeBody, stored: CourseTree) -> NewCourse:
    """Return a stored course with the changes applied. Raises Invalid for ids and times that are not valid."""
    errors: list[FieldError] = []
    changes = _course_fields(errors, body)
    if body.modules is not UNSET:
        changes["modules"] = match_external_ids(_changed_modules(errors, body.modules), stored)
    if body.assessments is not UNSET:
        changes["assessments"] = _changed_assessments(errors, body.assessments)
    if errors:
        raise Invalid(errors)
    return msgspec.structs.replace(stored.unchanged, **changes)


def course(tree: CourseTree) -> course_wire.Course:
    """Render a course with its modules, units and assessments."""
    return course_wire.Course(
        **_listing_fields(tree),
        modules=[
            course_wire.Module(str(part.id), part.title, part.slug, list(map(_unit, units)), part.external_id, part.source)
            for part, units in tree.active_modules
        ],
        assessments=[
            course_wire.Assessment(str(each.id), each.title, each.description, _iso(each.due_at), each.max_grade)
            for each in tree.active_assessments
        ],
        warnings=[wire.LearnerFieldProblem("prerequisites", warning) for warning in tree.warnings] or UNSET,
    )


def listing(tree: CourseTree) -> course_wire.CourseListing:
    """Render a course in a list, without its modules."""
    return course_wire.CourseListing(**_listing_fields(tree))


def staff_member(member: StaffMember) -> course_wire.StaffMember:
    """Render a member of the staff of a course."""
    return course_wire.StaffMember(str(member.user_id), member.name, member.role, member.counts, instants.iso(member.since))


def search(query: course_wire.CourseQuery) -> CourseSearch:
    """Return the search for courses."""
    return CourseSearch(query.subject, query.level, query.tutor, query.kind, query.q, query.external_id)


def account(account: Account) -> account_wire.Account:
    """Render an account for its owner."""
    user = account.user
    return account_wire.Account(
        str(user.id), user.name, user.email, user.role, account.interests, instants.iso(account.created_at)
    )


def profile(profile: Profile) -> account_wire.Profile:
    """Render a profile; study hours are cut to two decimals."""
    account, user = profile.account, profile.account.user
    return account_wire.Profile(
        id=str(user.id),
        name=user.name,
        email=user.email,
        role=user.role,
        interests=account.interests,
        learning_goals=account.learning_goals,
        enrolled_courses=[str(course_id) for course_id in profile.course_ids],
        total_study_hours=profile.study_ms * 100 // HOUR / 100,
        points=profile.points,
        created_at=instants.iso(account.created_at),
    )


def enrollment(enrollment: Enrollment) -> wire.Enrollment:
    """Render an enrollment for the learner."""
    return wire.Enrollment(
        id=f"{enrollment.course_id}-{enrollment.user_id}",
        learner_id=str(enrollment.user_id),
        course_id=str(enrollment.course_id),
        status=STATUS_WORDS[enrollment.status],
        enrolled_at=instants.iso(enrollment.enrolled_at),
        expires_at=_iso(enrollment.runs_out_at),
    )


def waiting(entry: Waiting) -> wire.Waiting:
    """Render an entry of a waiting list."""
    return wire.Waiting(str(entry.course_id), str(entry.user_id), entry.position)


def course_enrollment(stored: Enrollment, name: str) -> wire.CourseEnrollment:
    """Render an enrollment for the course's staff."""
    return wire.CourseEnrollment(
        **msgspec.structs.asdict(enrollment(stored)),
        name=name,
        standing=stored.status,
        completion_percentage=stored.percent / 100,
        study_seconds=stored.study_ms // SECOND,
        last_accessed=_iso(stored.last_activity_at),
        completed_at=_iso(stored.completed_at),
        certificate_url=stored.certificate_link,
        version=stored.updated_at,
    )


def statuses(word: str | None) -> list[EnrollmentStatus]:
    """Return the statuses that a contract word stands for; none for None. Raises Invalid."""
    statuses = [status for status, own_word in STATUS_WORDS.items() if own_word == word]
    if word is not None and not statuses:
        raise Invalid.field("status", "must be active, completed or dropped")
    return statuses


def listed(query: course_wire.EnrollmentsQuery) -> Listed:
    """Return which enrollments a query asks for; by id they need not be sorted. Raises Invalid."""
    sort = None if (query.sort, query.order) == ("id", "asc") else _SORTS[query.sort]
    return Listed(statuses(query.status), query.q, sort, query.order == "desc")


def submission_order(query: course_wire.SubmissionsQuery) -> SubmissionOrder | None:
    """Return the order of a list of submissions; None by the learner's id, upwards."""
    if (query.sort, query.order) == ("id", "asc"):
        return None
    sort = {"id": SubmissionSort.LEARNER, "name": SubmissionSort.NAME, "submittedAt": SubmissionSort.SUBMITTED_AT}[query.sort]
    return SubmissionOrder(sort, query.order == "desc")


def progress(progress: CourseProgress) -> wire.Progress:
    """Render a learner's progress in a course."""
    return wire.Progress(
        course_id=str(progress.course_id),
        title=progress.title,
        status=STATUS_WORDS[progress.status],
        completed_modules=[str(module_id) for module_id in progress.completed_modules],
        completion_percentage=progress.percent / 100,
        last_accessed=_iso(progress.last_activity_at),
        study_seconds=progress.study_ms // SECOND,
        version=progress.version,
    )


def submission(submission: Submission, assessment: Assessment) -> wire.Submission:
    """Render a submission for its learner."""
    return wire.Submission(
        id=submission.id,
        assessment_id=str(submission.assessment_id),
        learner_id=str(submission.user_id),
        submission_url=submission.link,
        grade=submission.grade,
        feedback=submission.feedback,
        submitted_at=instants.iso(submission.submitted_at),
        graded_at=_iso(submission.graded_at),
        is_late=submission.is_late(assessment),
    )


def learners_submission(stored: Submission, name: str, assessment: Assessment) -> wire.LearnersSubmission:
    """Render a submission for the course's staff."""
    return wire.LearnersSubmission(**msgspec.structs.asdict(submission(stored, assessment)), learner_name=name)


def own_assessment(own: OwnAssessment) -> wire.OwnAssessment:
    """Render an assessment with the caller's newest submission."""
    assessment = own.assessment
    return wire.OwnAssessment(
        id=str(assessment.id),
        course_id=str(assessment.course_id),
        title=assessment.title,
        description=assessment.description,
        due_at=_iso(assessment.due_at),
        max_grade=assessment.max_grade,
        submission=None if own.submission is None else submission(own.submission, assessment),
        versions=len(own.submissions),
    )


def peer(peer: Peer) -> wire.Peer:
    """Render a peer with the shared courses."""
    shared = [wire.SharedCourse(str(course_id), title) for course_id, title in peer.shared_courses]
    return wire.Peer(str(peer.user_id), peer.name, shared)


def message(message: Message) -> wire.Message:
    """Render a message."""
    sender_id, receiver_id = str(message.sender_id), str(message.receiver_id)
    created_at = instants.iso(message.created_at)
    return wire.Message(message.id, sender_id, receiver_id, message.message, message.is_read, created_at)


def conversation(conversation: Conversation) -> wire.Conversation:
    """Render a conversation."""
    last_message = message(conversation.last_message)
    return wire.Conversation(str(conversation.peer_id), conversation.peer_name, last_message, conversation.unread)


def change(entry: FeedEntry) -> wire.Change:
    """Render a feed entry."""
    return wire.Change(entry.type, entry.topic, entry.seq, instants.iso(entry.at), entry.data)


def many(rows: Sequence[Any], walk: Walk, total: int) -> wire.Many[Any]:
    """Render a page of a list in its envelope."""
    paging = wire.Paging(page=walk.page, limit=walk.limit, total=total, next_cursor=walk.next_cursor)
    return wire.Many(data=list(rows), metadata=paging)


def _listing_fields(tree: CourseTree) -> dict[str, Any]:
    course = tree.course
    return {
        **{name: getattr(course, name) for name in _PLAIN_FIELDS},
        **{name: _iso(getattr(course, name)) for name in _TIME_FIELDS},
        "id": str(tree.id),
        "seats_taken": tree.seats_taken,
        "sequential": course.is_sequential,
        "prerequisites": [str(each) for each in course.prerequisites],
        "published": course.is_published,
        "tutor": course_wire.Tutor(str(tree.owner_id), tree.owner_name),
    }


def _course_fields(errors: list[FieldError], body: course_wire.CourseBody | course_wire.CourseChangeBody) -> dict[str, Any]:
    """Return the course's own fields that a body sets."""
    fields = {name: getattr(body, name) for name in _PLAIN_FIELDS}
    times = {name: time for name in _TIME_FIELDS if (time := getattr(body, name)) is not UNSET}
    fields |= {name: parse_instant(errors, name, time) for name, time in times.items()}
    fields |= {"is_sequential": body.sequential, "is_published": body.published}
    if body.prerequisites is not UNSET:
        fields["prerequisites"] = tuple(_course_id(each) for each in body.prerequisites)
    return {name: value for name, value in fields.items() if value is not UNSET}


def _new_modules(errors: list[FieldError], modules: Sequence[course_wire.ModuleBody]) -> tuple[NewModule, ...]:
    return tuple(
        NewModule(
            module.title,
            module.slug,
            tuple(_new_unit(errors, f"modules[{m}].units[{u}]", unit) for u, unit in enumerate(module.units)),
            external_id=module.external_id,
            source=module.source,
        )
        for m, module in enumerate(modules)
    )


def _new_unit(errors: list[FieldError], path: str, unit: course_wire.UnitBody) -> NewUnit:
    rule, threshold = unit.completion.rule, unit.completion.threshold
    completion = Completion(rule, DEFAULT_THRESHOLD.get(rule) if threshold is None else threshold)
    times = Times(*(parse_instant(errors, f"{path}.{name}", getattr(unit, name)) for name in ("opens_at", "closes_at")))
    others = {name: getattr(unit, name) for name in _ORIGIN}
    return NewUnit(unit.title, unit.slug, unit.kind, unit.required, completion, times=times, is_hidden=unit.hidden, **others)


def _new_assessments(errors: list[FieldError], assessments: Sequence[course_wire.AssessmentBody]) -> tuple[NewAssessment, ...]:
    return tuple(
        NewAssessment(
            each.title, each.description, parse_instant(errors, f"assessments[{a}].due_at", each.due_at), each.max_grade
        )
        for a, each in enumerate(assessments)
    )


def _changed_modules(errors: list[FieldError], modules: Sequence[course_wire.ModuleBody]) -> tuple[NewModule, ...]:
    return tuple(
        msgspec.structs.replace(
            new,
            id=_part_id(body.id),
            units=tuple(
                msgspec.structs.replace(new_unit, id=_part_id(unit.id))
                for new_unit, unit in zip(new.units, body.units, strict=True)
            ),
        )
        for new, body in zip(_new_modules(errors, modules), modules, strict=True)
    )


def _changed_assessments(
    errors: list[FieldError], assessments: Sequence[course_wire.AssessmentBody]
) -> tuple[NewAssessment, ...]:
    return tuple(
        msgspec.structs.replace(new, id=_part_id(body.id))
        for new, body in zip(_new_assessments(errors, assessments), assessments, strict=True)
    )


def _part_id(text: str | None) -> int | None:
    return None if text is None else parse_id(text)


def _unit(unit: Unit) -> course_wire.Unit:
    completion = course_wire.Completion(unit.completion.rule, unit.completion.threshold)
    rule = unit.is_required, completion
    times = _iso(unit.times.opens_at), _iso(unit.times.closes_at)
    origin = unit.external_id, unit.source
    return course_wire.Unit(str(unit.id), unit.title, unit.slug, unit.kind, *rule, *origin, *times, unit.is_hidden)


def _course_id(text: str | int) -> int:
    number = parse_id(str(text))
    if number == UNKNOWN_ID:
        raise Invalid.field("prerequisites", f"{shown(str(text))!r} is not an id")
    return number


def _iso(instant: Instant | None) -> str | None:
    return None if instant is None else instants.iso(instant)

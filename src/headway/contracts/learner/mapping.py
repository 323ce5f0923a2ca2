"""From the wire to the domain and back: pure functions."""

from datetime import datetime

from headway.contracts.learner import wire
from headway.domain import instants
from headway.domain.catalogue import CourseTree, NewAssessment, NewCourse, NewModule, NewUnit
from headway.domain.completion import DEFAULT_THRESHOLD, Completion
from headway.domain.errors import Invalid
from headway.domain.instants import Instant


def new_course(body: wire.CourseBody) -> NewCourse:
    """Read a course to be made. Raises Invalid for a prerequisite that is no id."""
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


def course(tree: CourseTree) -> wire.Course:
    """Tell a stored course with everything in it."""
    own = tree.course
    return wire.Course(
        id=str(tree.id),
        title=own.title,
        slug=own.slug,
        description=own.description,
        subject=own.subject,
        level=own.level,
        kind=own.kind,
        capacity=own.capacity,
        seats_taken=tree.seats_taken,
        starts_at=_iso(own.starts_at),
        ends_at=_iso(own.ends_at),
        enroll_from=_iso(own.enroll_from),
        enroll_until=_iso(own.enroll_until),
        access_days=own.access_days,
        sequential=own.is_sequential,
        prerequisites=[str(each) for each in own.prerequisites],
        published=own.is_published,
        tutor=wire.Tutor(str(tree.owner_id), tree.owner_name),
        modules=_modules(tree),
        assessments=[
            wire.Assessment(str(each.id), each.title, each.description, _iso(each.due_at), each.max_grade)
            for each in tree.assessments
            if not each.is_retired
        ],
    )


def _new_module(module: wire.ModuleBody) -> NewModule:
    return NewModule(module.title, module.slug, tuple(_new_unit(unit) for unit in module.units))


def _new_unit(unit: wire.UnitBody) -> NewUnit:
    rule, threshold = unit.completion.rule, unit.completion.threshold
    completion = Completion(rule, DEFAULT_THRESHOLD.get(rule) if threshold is None else threshold)
    return NewUnit(unit.title, unit.slug, unit.kind, unit.required, completion)


def _new_assessment(assessment: wire.AssessmentBody) -> NewAssessment:
    return NewAssessment(assessment.title, assessment.description, _instant(assessment.due_at), assessment.max_grade)


def _modules(tree: CourseTree) -> list[wire.Module]:
    return [
        wire.Module(
            str(module.id),
            module.title,
            module.slug,
            [
                wire.Unit(
                    str(unit.id),
                    unit.title,
                    unit.slug,
                    unit.kind,
                    unit.is_required,
                    wire.Completion(unit.completion.rule, unit.completion.threshold),
                )
                for unit in tree.units
                if unit.module_id == module.id and not unit.is_retired
            ],
        )
        for module in tree.modules
        if not module.is_retired
    ]


def _id(field: str, text: str | int) -> int:
    if not str(text).isascii() or not str(text).isdecimal() or len(str(text)) > 15:
        raise Invalid.field(field, f"{text!r} is not an id")
    return int(text)


def _instant(moment: datetime | None) -> Instant | None:
    return None if moment is None else instants.from_datetime(moment)


def _iso(instant: Instant | None) -> str | None:
    return None if instant is None else instants.iso(instant)

"""Courses as they are, in the form in which a change of them is given."""

from typing import Any

import msgspec

from headway.courses.model import CourseTree, NewAssessment, NewCourse, NewModule, NewUnit, Unit


def unchanged_unit(unit: Unit, **changed: Any) -> NewUnit:
    """Give a unit as it is, but for what is changed."""
    given: dict[str, Any] = {
        "slug": unit.slug,
        "kind": unit.kind,
        "is_required": unit.is_required,
        "completion": unit.completion,
    }
    given |= {"times": unit.times, "is_hidden": unit.is_hidden}
    return NewUnit(unit.title, id=unit.id, **(given | changed))


def unchanged_course(tree: CourseTree, **changed: Any) -> NewCourse:
    """Give a course as it is, without what is retired, but for the fields that are changed."""
    modules = tuple(
        NewModule(
            module.title,
            slug=module.slug,
            units=tuple(unchanged_unit(unit) for unit in tree.units if unit.module_id == module.id and not unit.is_retired),
            id=module.id,
        )
        for module in tree.modules
        if not module.is_retired
    )
    assessments = tuple(
        NewAssessment(each.title, each.description, each.due_at, each.max_grade, each.id)
        for each in tree.assessments
        if not each.is_retired
    )
    return msgspec.structs.replace(tree.course, **({"modules": modules, "assessments": assessments} | changed))

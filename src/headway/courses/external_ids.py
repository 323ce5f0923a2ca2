"""What is named by the ids of other systems, and what is meant here."""

from typing import NamedTuple

from headway.courses.structure import CourseStructure
from headway.errors import FieldError

UNKNOWN_COURSE = 0
"""The course id of what names its course by an external id alone, until that is resolved."""


class ExternalIds(NamedTuple):
    """The external ids by which something names a course, a module and a unit."""

    course: str | None = None
    module: str | None = None
    unit: str | None = None
    is_course_found: bool = False
    """Whether the id of the course follows from its external id, which was given alone."""


class PartIds(NamedTuple):
    """The ids of a module and of a unit."""

    module: int | None
    unit: int | None


def resolve_parts(names: ExternalIds, given: PartIds, structure: CourseStructure) -> PartIds | FieldError:
    """Return the module and the unit of a course that external ids name beside the `given` ids, or what is wrong with them.

    A unit is looked for in the module that is named too, and otherwise in the whole course; units that are not retired come
    first. The course may be named in two ways as well.
    """
    if names.course is not None and not names.is_course_found and names.course != structure.external_id:
        return FieldError("course_external_id", "is not the external id of the course that course_id names")
    module_id = given.module
    if names.module is not None:
        module_id = structure.module_names.get(names.module)
        if module_id is None:
            return FieldError("module_external_id", "is not a module of this course")
        if given.module not in {None, module_id}:
            return FieldError("module_external_id", "is not the external id of the module that module_id names")
    return PartIds(module_id, given.unit) if names.unit is None else _resolve_unit(names.unit, module_id, given, structure)


def _resolve_unit(name: str, module_id: int | None, given: PartIds, structure: CourseStructure) -> PartIds | FieldError:
    found = [structure.units[unit_id] for unit_id in structure.unit_names.get(name, ())]
    if given.unit is not None:
        if all(unit.id != given.unit for unit in found):
            return FieldError("unit_external_id", "is not the external id of the unit that unit_id names")
        return PartIds(module_id, given.unit)
    found = [unit for unit in found if unit.module_id == module_id] or found
    found = [unit for unit in found if not unit.is_retired] or found
    if not found:
        return FieldError("unit_external_id", "is not a unit of this course")
    if len(found) > 1:
        message = "names several units of this course: name the module too, by module_external_id or module_id"
        return FieldError("unit_external_id", message)
    return PartIds(module_id, found[0].id)

"""Courses: what may be said of them, and which of their units are locked."""

from typing import Any

import msgspec
import pytest

from headway.courses.completion import Completion
from headway.courses.model import CourseLimits, CourseTree, Module, NewAssessment, NewCourse, NewModule, NewUnit, Unit
from headway.courses.structure import CourseStructure
from headway.courses.times import Lock, Times
from headway.courses.validation import check_course, check_growth, check_size

NOW = 1_800_000_000_000


def test_a_slug_is_used_once_among_modules_and_once_among_units() -> None:
    units = (NewUnit("A", slug="a"), NewUnit("B", slug="a"))
    course = NewCourse("Course", modules=(NewModule("One", "m", units), NewModule("Two", "m", (NewUnit("C", slug="a"),))))

    assert [error.field for error in check_course(course)] == [
        "modules[1].slug",
        "modules[0].units[1].slug",
        "modules[1].units[0].slug",
    ]


def test_a_part_is_named_once() -> None:
    units = (NewUnit("A", id=1), NewUnit("B", id=1))
    tasks = (NewAssessment("Task", id=3), NewAssessment("Task", id=3))
    course = NewCourse("Course", modules=(NewModule("One", units=units, id=2), NewModule("Two", id=2)), assessments=tasks)

    assert [error.field for error in check_course(course)] == [
        "modules[1].id",
        "modules[0].units[1].id",
        "assessments[1].id",
    ]


def test_a_unit_closes_after_it_opens() -> None:
    units = (NewUnit("A", times=Times(NOW, NOW)), NewUnit("B", times=Times(NOW, NOW + 1)), NewUnit("C", times=Times(None, NOW)))

    errors = check_course(NewCourse("Course", modules=(NewModule("One", units=units),)))

    assert [error.field for error in errors] == ["modules[0].units[0].closes_at"]


def test_parts_without_slug_and_id_are_alike_without_fault() -> None:
    assert check_course(NewCourse("Course", modules=(NewModule("One"), NewModule("One")))) == []


@pytest.mark.parametrize(
    ("units", "assessments", "prerequisites", "fields"),
    [
        ((), 0, 0, []),
        ((1, 2, 0), 2, 1, []),
        ((0, 0, 0, 0), 0, 0, ["modules"]),
        ((4,), 0, 0, ["modules[0].units"]),
        ((3, 0, 1), 0, 0, ["modules[2].units"]),
        ((3, 1, 1), 0, 0, ["modules[1].units"]),
        ((0,) * 4, 3, 2, ["modules", "assessments", "prerequisites"]),
    ],
)
def test_a_course_has_a_largest_size(units: tuple[int, ...], assessments: int, prerequisites: int, fields: list[str]) -> None:
    errors = check_size(CourseLimits(3, 3, 2, 1), units=units, assessments=assessments, prerequisites=prerequisites)

    assert [error.field for error in errors] == fields


@pytest.mark.parametrize(("added", "fields"), [(0, []), (2, []), (3, ["modules", "modules"])])
def test_a_course_does_not_grow_without_end_by_what_it_retires(added: int, fields: list[str]) -> None:
    modules = [Module(i, 1, "Module", None, i, is_retired=i > 1) for i in range(1, 4)]
    units = [unit(i, is_retired=i > 1) for i in range(1, 4)]
    stored = CourseTree(1, NewCourse("Course"), 0, 1, "Tutor", modules, units, [])
    kept = NewModule("Module", id=1, units=(NewUnit("Unit", id=1),))
    change = NewCourse("Course", (kept, *[NewModule("More", units=(NewUnit("More"),))] * added))

    assert [error.field for error in check_growth(change, stored, CourseLimits(1, 1, 1, 1))] == fields


def unit(unit_id: int, *, is_required: bool = True, is_retired: bool = False, **others: Any) -> Unit:
    made = Unit(unit_id, 1, 1, f"Unit {unit_id}", None, None, unit_id, is_required, Completion(), is_retired)
    return msgspec.structs.replace(made, **others)


def structure(*units: Unit, is_sequential: bool = True) -> CourseStructure:
    by_id = {each.id: each for each in units}
    return CourseStructure(
        1, "Course", 1, frozenset({1}), by_id, frozenset(each.id for each in units if each.counts), is_sequential
    )


@pytest.mark.parametrize(("completed", "locked"), [((), [2, 3]), ((1,), [3]), ((2,), [2, 3]), ((1, 2), []), ((1, 2, 3), [])])
def test_units_of_a_sequential_course_open_one_after_the_other(completed: tuple[int, ...], locked: list[int]) -> None:
    course = structure(unit(1), unit(2), unit(3))

    assert [each for each in course.units if course.blocks(each, completed, NOW)] == locked


def test_only_required_units_that_are_not_retired_lock_others() -> None:
    course = structure(unit(1, is_required=False), unit(2, is_retired=True), unit(3))

    assert not course.blocks(3, (), NOW)


def test_units_of_other_courses_are_never_locked() -> None:
    course = structure(unit(1), unit(2), is_sequential=False)

    assert not course.blocks(2, (), NOW)


def test_a_unit_that_has_yet_to_open_locks_those_after_it() -> None:
    course = structure(unit(1, times=Times(opens_at=NOW + 1)), unit(2))

    assert course.find_lock(1, (), NOW) is Lock.NOT_OPEN
    assert course.find_lock(2, (), NOW) is Lock.SEQUENCE
    assert course.find_lock(1, (), NOW + 1) is None


def test_a_unit_that_has_closed_locks_nothing_after_it() -> None:
    course = structure(unit(1, times=Times(closes_at=NOW)), unit(2))

    assert course.find_lock(1, (), NOW) is Lock.CLOSED
    assert course.find_lock(2, (), NOW) is None
    assert course.find_lock(2, (), NOW - 1) is Lock.SEQUENCE


def test_a_hidden_unit_neither_counts_nor_locks() -> None:
    course = structure(unit(1, is_hidden=True), unit(2))

    assert course.required == {2}
    assert course.find_lock(2, (), NOW) is None


def test_times_lock_a_unit_that_was_begun_and_those_before_it_do_not() -> None:
    course = structure(unit(1), unit(2, times=Times(closes_at=NOW)))

    assert course.find_lock(2, (), NOW - 1, is_begun=True) is None
    assert course.find_lock(2, (), NOW, is_begun=True) is Lock.CLOSED


def test_the_phase_changes_when_a_unit_opens_or_closes() -> None:
    course = structure(unit(1, times=Times(10, 30)), unit(2, times=Times(closes_at=20)), unit(3))

    assert [course.phase(now) for now in (9, 10, 19, 20, 29, 30)] == [0, 1, 1, 2, 2, 3]
    assert structure(unit(1)).phase(10) == 0


def test_nobody_can_have_completed_what_has_yet_to_open() -> None:
    later = Times(opens_at=NOW + 1)
    course = structure(unit(1), unit(2, times=later), unit(3, times=later, is_hidden=True), unit(4, times=Times(closes_at=NOW)))

    assert course.share_opened(NOW) == 6_666
    assert course.share_opened(NOW + 1) == 10_000
    assert structure().share_opened(NOW) == 10_000


STORED = CourseTree(1, NewCourse("Course"), 0, 1, "Tutor", [], [], [])


def test_learners_see_neither_hidden_units_nor_modules_of_nothing_else() -> None:
    retired = msgspec.structs.replace(unit(4, is_retired=True), module_id=2)
    hidden = msgspec.structs.replace(unit(3, is_hidden=True), module_id=2)
    modules = [Module(number, 1, f"Module {number}", None, number, False) for number in (1, 2, 3)]
    tree = msgspec.structs.replace(STORED, modules=modules, units=[unit(1), unit(2, is_hidden=True), hidden, retired])

    shown = [(module.id, [each.id for each in units]) for module, units in tree.without_hidden.active_modules]

    assert shown == [(1, [1]), (3, [])]

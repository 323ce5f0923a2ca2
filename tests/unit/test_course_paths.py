"""The next step of a learner in a course."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from headway.courses.completion import NO_EVIDENCE, Completion
from headway.courses.model import Unit
from headway.courses.structure import CourseStructure
from headway.courses.times import Times
from headway.learning.paths import find_last_studied, find_next_step, find_opening
from headway.learning.unit_progress import UnitProgress

NOW = 1_000
LATER, OVER = Times(opens_at=NOW + 1), Times(closes_at=NOW)


def _structure(*units: str, is_sequential: bool = False) -> CourseStructure:
    """Make a course of units whose ids count from 1, from a word for each: `required`, `optional`, `retired`, or one that
    is required and `hidden`, opens `later` or is `over`.
    """
    times = {"later": LATER, "over": OVER}
    made = {
        number: Unit(number, 1, 1, f"Unit {number}", None, None, number, word != "optional", Completion(), word == "retired")
        for number, word in enumerate(units, 1)
    }
    made = {
        number: replace(unit, times=times.get(word, unit.times), is_hidden=word == "hidden")
        for (number, unit), word in zip(made.items(), units, strict=True)
    }
    required = frozenset(unit.id for unit in made.values() if unit.counts)
    return CourseStructure(1, "Course", 1, frozenset({1}), made, required, is_sequential)


def _progress(unit_id: int, *, is_complete: bool = True, at: int = 0) -> UnitProgress:
    return UnitProgress(
        *(7, 1, unit_id, unit_id, True, is_complete, 10_000 if is_complete else 50, 0, NO_EVIDENCE, None),
        *(at, at if is_complete else None, at, at),
    )


def _next(structure: CourseStructure, *progress: UnitProgress) -> int | None:
    found = find_next_step(structure, progress, NOW)
    return None if found is None else found.id


def test_the_next_step_is_the_first_unit_that_is_not_complete() -> None:
    course = _structure("required", "required", "required")

    assert _next(course) == 1
    assert _next(course, _progress(1)) == 2
    assert _next(course, _progress(2)) == 1
    assert _next(course, _progress(1, is_complete=False), _progress(2)) == 1
    assert _next(course, *map(_progress, (1, 2, 3))) is None


def test_optional_units_come_after_all_required_ones() -> None:
    course = _structure("optional", "required", "optional")

    assert _next(course) == 2
    assert _next(course, _progress(2)) == 1
    assert _next(course, _progress(2), _progress(1)) == 3


def test_a_retired_unit_is_never_the_next_step() -> None:
    assert _next(_structure("retired", "required")) == 2
    assert _next(_structure("retired")) is None


def test_the_next_step_is_neither_hidden_nor_closed_nor_yet_to_open() -> None:
    assert _next(_structure("hidden", "later", "over", "required")) == 4
    assert _next(_structure("hidden", "later", "over")) is None
    assert _next(_structure("over", "required"), _progress(1, is_complete=False)) == 2
    assert _next(_structure("over", "hidden", "required", is_sequential=True)) == 3
    assert _next(_structure("later", "required", is_sequential=True)) is None


def test_what_opens_next_is_shown_and_not_complete() -> None:
    course = _structure("required", "later", "later", "over")

    found = find_opening(course, [_progress(2)], NOW)

    assert found is not None
    assert (found.unit.id, found.at) == (3, NOW + 1)
    assert find_opening(course, [_progress(2), _progress(3)], NOW) is None
    assert find_opening(course, [], NOW + 1) is None


def test_an_optional_unit_behind_a_lock_is_not_offered() -> None:
    course = _structure("required", "optional", is_sequential=True)

    assert _next(course) == 1
    assert _next(course, _progress(1)) == 2


@given(
    words=st.lists(st.sampled_from(["required", "optional", "retired"]), max_size=8),
    done=st.sets(st.integers(1, 8)),
    begun=st.sets(st.integers(1, 8)),
    is_sequential=st.booleans(),
)
def test_the_next_step_is_open_and_there_is_one_while_a_required_unit_is_left(
    words: list[str], done: set[int], begun: set[int], *, is_sequential: bool
) -> None:
    course = _structure(*words, is_sequential=is_sequential)
    progress = [_progress(each, is_complete=each in done) for each in sorted(done | begun) if each in course.units]

    found = _next(course, *progress)

    left = [unit for unit in course.units.values() if not unit.is_retired and unit.id not in done]
    required = [unit.id for unit in left if unit.is_required]
    if required:
        assert found is not None
        # In a sequential course the required unit before which all are complete is open.
        assert found == required[0]
    elif found is None:
        assert left == []
    else:
        assert found == left[0].id


def test_the_unit_that_was_studied_last_is_one_of_the_course() -> None:
    course = _structure("required", "required", "retired")

    found = find_last_studied(course, [_progress(1, at=5), _progress(2, at=9), _progress(3, at=11), _progress(4, at=12)])

    assert found is not None
    assert (found.unit.id, found.at) == (2, 9)
    assert find_last_studied(course, []) is None

"""Course files: a course in JSON or YAML, and errors that their authors understand."""

from pathlib import Path

import pytest

from headway.errors import Invalid
from headway.importers import course_file


def error_of(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(Invalid) as refusal:
        course_file.read(path)
    (error,) = refusal.value.fields
    return error.message


def test_a_course_and_its_owner_are_read(tmp_path: Path) -> None:
    path = tmp_path / "course.yaml"
    path.write_text("title: Go\nowner: ada@example.org\nmodules: [{title: Start, units: [{title: Hello}]}]\n")

    course, owner = course_file.read(path)

    assert (course.title, [unit.title for unit in course.modules[0].units], owner) == ("Go", ["Hello"], "ada@example.org")


def test_an_error_names_the_types_of_json(tmp_path: Path) -> None:
    error = error_of(tmp_path / "course.yaml", "title: 5\nowner: ada@example.org\nmodules: []\n")

    assert error == "is not a course: expected string, got integer - at `$.title`"


def test_a_file_that_is_neither_json_nor_yaml_is_refused(tmp_path: Path) -> None:
    assert error_of(tmp_path / "course.yaml", "title: [").startswith("is neither JSON nor YAML")

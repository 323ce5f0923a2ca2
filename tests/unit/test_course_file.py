"""Course files: a course in JSON or YAML, and errors that their authors understand."""

import json
from pathlib import Path

import pytest

from headway.courses.model import CourseLimits, NewCourse
from headway.errors import Invalid
from headway.importers import course_file
from headway.instants import iso

LIMITS = CourseLimits(2, 3, 1, 1)
YAML = "title: Zoë's Go 😀\nowner: ada@example.org\nmodules: [{title: Start, units: [{title: Hello}]}]\n"
JSON = '{\n\t"title": "Zo\\u00eb\'s Go \\ud83d\\ude00",\n\t"owner": "ada@example.org",\n\t"modules": []\n}\n'


def read(path: Path, content: bytes) -> NewCourse:
    path.write_bytes(content)
    course, owner = course_file.read(path, LIMITS)
    assert owner == "ada@example.org"
    return course


def errors_of(path: Path, content: bytes) -> list[str]:
    path.write_bytes(content)
    with pytest.raises(Invalid) as refusal:
        course_file.read(path, LIMITS)
    return [f"{error.field} {error.message}" for error in refusal.value.fields]


@pytest.mark.parametrize("text", [YAML, JSON], ids=["YAML", "JSON"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_course_is_read_in_every_encoding_that_a_mark_tells(tmp_path: Path, text: str, encoding: str, newline: str) -> None:
    course = read(tmp_path / "course", text.replace("\n", newline).encode(encoding))

    assert course.title == "Zoë's Go 😀"


def test_a_time_of_yaml_is_the_text_of_a_body(tmp_path: Path) -> None:
    course = read(tmp_path / "course.yaml", f"{YAML}startsAt: 2026-01-31t12:00:00Z\nendsAt: 2026-02-01 24:00:00\n".encode())

    assert course.starts_at is not None
    assert course.ends_at is not None
    assert (iso(course.starts_at), iso(course.ends_at)) == ("2026-01-31T12:00:00.000Z", "2026-02-02T00:00:00.000Z")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("title: 5\nowner: a\nmodules: []\n", "title expected string, got integer"),
        ("title: no\nowner: a\nmodules: []\n", "title expected string, got boolean"),
        ("title: T\nmodules: []\n", "owner is required"),
        ("title: T\nowner: a\nmodules: [{title: M, units: [{}]}]\n", "modules[0].units[0].title is required"),
        ("title: T\nowner: a\nmodules: []\nstartsAt: 2026-01-31\n", "startsAt must be an RFC 3339 date and time"),
        ("title: T\nowner: a\nmodules: []\nendsAt: 9999-12-31T00:00:00Z\n", "endsAt must lie between the years 1900 and 9998"),
        ("title: T\nowner: a\nmodules: []\nassessments: [{title: A, dueAt: soon}]\n", "assessments[0].dueAt must be"),
        ("", "body must be an object"),
        ("- title\n", "body must be an object"),
    ],
)
def test_an_error_names_the_file_and_the_field(tmp_path: Path, text: str, error: str) -> None:
    (message,) = errors_of(tmp_path / "course.yaml", text.encode())

    assert message.startswith(f"course.yaml, {error}")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"title: T\nowner: [\n", "course.yaml, line 3 is neither JSON nor YAML"),
        (b"title: T\n\towner: a\n", "course.yaml, line 2 is neither JSON nor YAML"),
        (b'{\n"title": "T",\n"owner" "a"}', "course.yaml, line 3 is not valid JSON: Expecting ':' delimiter"),
        (b"title: T\nowner: Zo\xeb\n", "course.yaml, line 2 is not UTF-8 (byte 0xEB): save the file as UTF-8"),
        ("title: T\n".encode("utf-16-le"), "course.yaml is not text, or is UTF-16 without a byte order mark"),
        (b"\xff\xfet\0i\0t", "course.yaml is not valid UTF-16"),
        (b'title: "\\ud83d"\n', "course.yaml has a value that JSON cannot hold"),
        (b"title: T\ncapacity: .nan\n", "course.yaml has a value that JSON cannot hold"),
        (b"title: T\naccessDays: .inf\n", "course.yaml has a value that JSON cannot hold"),
        (b"title: !!binary aGVsbG8=\n", "course.yaml has a value that JSON cannot hold"),
        (b"a: &a [*a]\n", "course.yaml"),
        (b"title: T\x01\n", "course.yaml is neither JSON nor YAML"),
        (b"[" * 200_000, "course.yaml is nested too deeply"),
    ],
)
def test_what_is_no_text_of_json_or_yaml_is_refused_in_one_line(tmp_path: Path, content: bytes, error: str) -> None:
    (message,) = errors_of(tmp_path / "course.yaml", content)

    assert message.startswith(error)
    assert "\n" not in message


def test_json_is_read_as_http_reads_it(tmp_path: Path) -> None:
    wrong = {"title": "T", "owner": "ada@example.org", "modules": [], "capacity": -1, "accessDays": 0}

    messages = errors_of(tmp_path / "course.json", json.dumps(wrong).encode())

    assert [message.partition(" expected")[0] for message in messages] == ["course.json, capacity", "course.json, accessDays"]


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ("modules: [{title: A}, {title: B}, {title: C}]", "modules"),
        ("modules: [{title: A, units: [{title: A}, {title: B}]}, {title: B, units: [&u {title: C}, *u]}]", "modules[1].units"),
        ("modules: []\nassessments: [{title: A}, {title: B}]", "assessments"),
        ("modules: []\nprerequisites: [1, 2]", "prerequisites"),
    ],
)
def test_a_course_that_is_too_large_is_refused_by_the_part(tmp_path: Path, parts: str, field: str) -> None:
    (message,) = errors_of(tmp_path / "course.yaml", f"title: T\nowner: a\n{parts}\n".encode())

    assert message.startswith(f"course.yaml, {field} ")

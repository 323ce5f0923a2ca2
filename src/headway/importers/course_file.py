"""Course files: the body of `POST /api/v1/courses` in JSON or YAML, and the e-mail address of the `owner`."""

import json
from pathlib import Path

import yaml

from headway.contracts.learner import course_wire, mapping
from headway.courses.model import CourseLimits, NewCourse
from headway.errors import FieldError, Invalid, camel_case
from headway.http.decoding import Decoder
from headway.text_files import read_text


class CourseFile(course_wire.CourseBody, kw_only=True, rename="camel"):
    """A course and the e-mail address of its owner."""

    owner: str


class CourseText(course_wire.CourseBody, kw_only=True, rename="camel"):
    """A course whose owner is whoever brings it; the one that a file names has no effect."""

    owner: str | None = None


class _Loader(yaml.SafeLoader):
    """Loads what JSON can hold: a time stays the text that a body has."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_decoder, _text_decoder = Decoder(CourseFile), Decoder(CourseText)
_MAX_CHARACTERS = 4_000_000
"""The most that a file may hold as JSON. References in YAML could otherwise make a few lines of it larger than any memory."""


def read(path: Path, limits: CourseLimits) -> tuple[NewCourse, str]:
    """Return the course of a file and its owner's e-mail address. Raises Invalid naming the line, or each field, at fault."""
    body = _as_json(path.name, read_text(path))
    try:
        course: CourseFile = _decoder.decode(body)
        return mapping.new_course(course, limits), course.owner
    except Invalid as error:
        fields = [FieldError(f"{path.name}, {camel_case(each.field)}", each.message) for each in error.fields]
        raise Invalid(fields) from error


def parse(text: str, limits: CourseLimits) -> NewCourse:
    """Return the course of a text in JSON or YAML. Raises Invalid naming the line, or each field, at fault."""
    course: CourseText = _text_decoder.decode(_as_json("course", text))
    return mapping.new_course(course, limits)


def _as_json(name: str, text: str) -> bytes:
    try:
        # Not by the loader of YAML, to which tabs and the escapes of an emoji mean something else.
        json.loads(text)
    except json.JSONDecodeError as error:
        not_json = error
    except RecursionError as error:
        raise Invalid.field(name, "is nested too deeply") from error
    else:
        return text.encode()
    try:
        value = yaml.load(text, _Loader)  # noqa: S506 - it makes nothing but what a SafeLoader does
        return _dump(name, value).encode()
    except yaml.YAMLError as error:
        if text.lstrip().startswith("{"):
            raise Invalid.field(f"{name}, line {not_json.lineno}", f"is not valid JSON: {not_json.msg}") from not_json
        raise _yaml_error(name, error) from error
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise Invalid.field(name, f"has a value that JSON cannot hold: {error}") from error


def _dump(name: str, value: object) -> str:
    parts, size = list[str](), 0
    for part in json.JSONEncoder(allow_nan=False, ensure_ascii=False).iterencode(value):
        parts.append(part)
        size += len(part)
        if size > _MAX_CHARACTERS:
            raise Invalid.field(name, "is too large")
    return "".join(parts)


def _yaml_error(name: str, error: yaml.YAMLError) -> Invalid:
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    return Invalid.field(name if mark is None else f"{name}, line {mark.line + 1}", f"is neither JSON nor YAML: {reason}")

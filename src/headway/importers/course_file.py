"""Courses as files: the body of `POST /api/v1/courses` in JSON or YAML, plus the address of the `owner`."""

from pathlib import Path

import msgspec
import yaml

from headway.contracts.learner import course_wire, mapping
from headway.courses.model import NewCourse
from headway.errors import Invalid


class CourseFile(course_wire.CourseBody, kw_only=True, rename="camel"):
    """A course and who owns it."""

    owner: str


def read(path: Path) -> tuple[NewCourse, str]:
    """Read a course and its owner's address. Raises Invalid naming what is wrong."""
    try:
        body = msgspec.convert(yaml.safe_load(path.read_bytes()), CourseFile)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Invalid.field(path.name, f"is neither JSON nor YAML: {error}") from error
    except msgspec.ValidationError as error:
        raise Invalid.field(path.name, f"is not a course: {error}") from error
    return mapping.new_course(body), body.owner

"""Course files: the body of `POST /api/v1/courses` in JSON or YAML, and the e-mail address of the `owner`."""

from pathlib import Path

import msgspec
import yaml

from headway.contracts.learner import course_wire, mapping
from headway.courses.model import NewCourse
from headway.errors import Invalid
from headway.http.decoding import describe


class CourseFile(course_wire.CourseBody, kw_only=True, rename="camel"):
    """A course and the e-mail address of its owner."""

    owner: str


def read(path: Path) -> tuple[NewCourse, str]:
    """Return the course of a file and its owner's e-mail address. Raises Invalid."""
    try:
        body = msgspec.convert(yaml.safe_load(path.read_bytes()), CourseFile)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Invalid.field(path.name, f"is neither JSON nor YAML: {error}") from error
    except msgspec.ValidationError as error:
        raise Invalid.field(path.name, f"is not a course: {describe(str(error))}") from error
    return mapping.new_course(body), body.owner

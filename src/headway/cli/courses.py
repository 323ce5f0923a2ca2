"""`headway course` and `headway import`: courses and learners that come as files."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headway import instants
from headway.cli.session import command, database_option, load_settings, open_services, print_json, progress_bar, user_option
from headway.identity import CourseRole

if TYPE_CHECKING:
    from headway.courses.model import CourseTree, NewCourse
    from headway.db.database import WriteTransaction
    from headway.importers.oulad import Summary
    from headway.instants import Day
    from headway.services import Services

_ALL = 2**31 - 1
_course_option = click.option("--course", "course_id", metavar="ID", type=int, required=True)


class _DayType(click.ParamType[int]):
    """A day, as a date or as `today`, in UTC."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "Day":
        if value == "today":
            return instants.system_clock() // instants.DAY
        try:
            return instants.from_datetime(datetime.strptime(value, "%Y-%m-%d")) // instants.DAY
        except ValueError:
            self.fail(f"{value!r} is neither today nor a date such as 2026-01-31", param, ctx)


@click.group()
def course() -> None:
    """Create courses, enroll learners and appoint staff."""


@course.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@database_option
@command
async def import_course(file: Path, **flags: Any) -> None:
    """Create a course from a JSON or YAML file, or change it.

    FILE has the body shape of POST /api/v1/courses, plus `owner`, an e-mail address.

    Safe to repeat for a file with an `externalId`: the course that has it becomes what the file says.

    Prints the course as stored, with all ids, and the `status`: created, updated or unchanged.
    """
    from msgspec import to_builtins

    from headway.contracts.learner import mapping

    async with open_services(load_settings(**flags)) as services, services.database.write() as tx:
        new_course, owner_id = await _read_course(file, services, tx)
        imported, outcome = await services.course_editing.import_course(tx, new_course, owner_id=owner_id)
    print_json({"status": outcome, **to_builtins(mapping.course(imported))})


async def load_course(file: Path, services: "Services", tx: "WriteTransaction") -> "CourseTree":
    """Create the course of a file, for the owner that it names. Raises Invalid, or NotFound for the owner."""
    new_course, owner_id = await _read_course(file, services, tx)
    return await services.course_editing.create(tx, new_course, owner_id=owner_id)


async def _read_course(file: Path, services: "Services", tx: "WriteTransaction") -> "tuple[NewCourse, int]":
    from headway.importers import course_file

    new_course, owner = course_file.read(file, services.course_limits)
    return new_course, (await services.accounts.find_by_email(tx, owner)).id


@course.command("enroll")
@_course_option
@user_option
@database_option
@command
async def enroll(course_id: int, user_id: int, **flags: Any) -> None:
    """Enroll a learner in a course.

    The same rules as over HTTP apply. Prints the enrollment.
    """
    async with open_services(load_settings(**flags)) as services, services.database.write() as tx:
        made = await services.enrollments.enroll_as_operator(tx, user_id, course_id)
    print_json(
        {"user_id": user_id, "course_id": course_id, "status": made.status, "enrolled_at": instants.iso(made.enrolled_at)}
    )


@course.group("staff")
def staff() -> None:
    """List, appoint and remove the staff of a course."""


@staff.command("list")
@_course_option
@database_option
@command
async def list_staff(course_id: int, **flags: Any) -> None:
    """Print the staff of a course, owners first."""
    from headway.contracts.learner import mapping
    from headway.paging.service import Walk

    async with open_services(load_settings(**flags)) as services, services.database.read() as tx:
        await services.courses.find(tx, course_id)
        found, _ = await services.course_staff.list_members(tx, None, course_id, Walk(_ALL, 1))
    print_json([mapping.staff_member(each) for each in found])


@staff.command("set")
@_course_option
@user_option
@click.option("--role", type=click.Choice([role.value for role in CourseRole]), required=True)
@database_option
@command
async def set_staff(course_id: int, user_id: int, role: str, **flags: Any) -> None:
    """Appoint somebody, or change the role.

    The same rules as over HTTP apply. Prints the member of staff.
    """
    from headway.contracts.learner import mapping

    async with open_services(load_settings(**flags)) as services, services.database.write() as tx:
        member = await services.course_staff.set_role(tx, None, course_id, user_id, CourseRole(role))
    print_json(mapping.staff_member(member))


@staff.command("remove")
@_course_option
@user_option
@database_option
@command
async def remove_staff(course_id: int, user_id: int, **flags: Any) -> None:
    """Remove somebody from the staff.

    The last owner cannot go. Running servers notice within two seconds.
    """
    async with open_services(load_settings(**flags)) as services, services.database.write() as tx:
        await services.course_staff.remove(tx, None, course_id, user_id)
    print_json({"course_id": course_id, "user_id": user_id, "role": None})


@click.group("import")
def import_() -> None:
    """Import data from other systems."""


@import_.command("oulad")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--ends",
    metavar="DATE|today",
    type=_DayType(),
    help="Shift all dates of a run by whole days, so that its last interaction falls on this day (UTC).",
)
@database_option
@command
async def import_oulad(folder: Path, ends: "Day | None", **flags: Any) -> None:
    """Import course runs of the Open University.

    Reads the CSV files of the Open University Learning Analytics Dataset in DIR.

    Safe to repeat with the same --ends: existing rows stay unchanged. What lies in the future is left out.

    Prints how many rows there are, and how many of them are new.
    """
    async with open_services(load_settings(**flags)) as services:
        print_json(await load_oulad(folder, services, ends=ends))


async def load_oulad(folder: Path, services: "Services", *, ends: "Day | None" = None) -> "Summary":
    """Import a folder with a progress bar on standard error."""
    from headway.importers import oulad

    task, done = oulad.OuladImport(folder, services, ends=ends), 0
    with progress_bar("Importing") as show:

        def advance(rows: int) -> None:
            nonlocal done
            done += rows
            show(done, task.rows)

        return await task.run(advance)

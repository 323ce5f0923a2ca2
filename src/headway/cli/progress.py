"""`headway progress`: resetting a learner's progress in a course, undoing that, and what was reached before."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from headway.cli.session import command, database_option, load_settings, open_services, print_json, user_option

if TYPE_CHECKING:
    from headway.learning.reset_model import ResetRequest

Command = TypeVar("Command", bound=Callable[..., Any])


def _learner_options(function: Command) -> Command:
    """Name a learner in a course."""
    course = click.option("--course", "course_id", metavar="ID", type=int, required=True)
    return course(user_option(database_option(function)))


_reason_option = click.option("--reason", metavar="TEXT", help="Why, in at most 1,000 characters: the learner can read it.")


@click.group()
def progress() -> None:
    """Reset a learner's progress in a course, and undo it.

    The same rules as over HTTP apply, and the learner, the staff and webhooks are told. See docs/resetting.md.
    """


@progress.command("reset")
@_learner_options
@click.option("--module", "module_id", metavar="ID", type=int, help="Only this module.")
@click.option("--unit", "unit_id", metavar="ID", type=int, help="Only this unit.")
@click.option("--keep-study-time/--without-study-time", default=True, help="[--keep-study-time]")
@_reason_option
@command
async def reset(
    course_id: int,
    user_id: int,
    module_id: int | None,
    unit_id: int | None,
    keep_study_time: bool,
    reason: str | None,
    **flags: Any,
) -> None:
    """Reset a unit, a module, or without either the whole course.

    Events are kept. Prints the reset, with the progress of before.
    """
    from headway.learning.reset_model import ResetRequest

    request = ResetRequest(module_id, unit_id, keeps_study=keep_study_time, reason=reason or None)
    await _reset(course_id, user_id, request, flags)


@progress.command("retake")
@_learner_options
@click.option("--keep-study-time/--without-study-time", default=False, help="[--without-study-time]")
@_reason_option
@command
async def retake(course_id: int, user_id: int, keep_study_time: bool, reason: str | None, **flags: Any) -> None:
    """Begin a new attempt at the course, such as that of another year.

    The earlier one stays readable. Prints the reset that ends it.
    """
    from headway.learning.reset_model import ResetRequest

    await _reset(course_id, user_id, ResetRequest(keeps_study=keep_study_time, reason=reason or None, is_attempt=True), flags)


@progress.command("undo")
@click.argument("reset_id", metavar="RESET", type=int)
@_learner_options
@command
async def undo(reset_id: int, course_id: int, user_id: int, **flags: Any) -> None:
    """Undo the last reset of a learner in a course.

    What was reached since counts too. Prints the reset.
    """
    from headway.contracts.learner import reset_mapping

    async with open_services(load_settings(**flags)) as services, services.database.write() as tx:
        await services.resetting.undo(tx, None, course_id, user_id, reset_id)
        shown = await services.resets.find_reset(tx, None, course_id, user_id, reset_id)
    print_json(reset_mapping.reset(shown))


@progress.command("resets")
@_learner_options
@command
async def list_resets(course_id: int, user_id: int, **flags: Any) -> None:
    """Print the resets of a learner in a course, the newest first.

    Those that were undone are among them.
    """
    from headway.contracts.learner import reset_mapping

    async with open_services(load_settings(**flags)) as services, services.database.read() as tx:
        found = await services.resets.read_resets(tx, None, course_id, user_id)
    print_json([reset_mapping.reset(each) for each in found])


@progress.command("attempts")
@_learner_options
@command
async def list_attempts(course_id: int, user_id: int, **flags: Any) -> None:
    """Print the attempts of a learner at a course, the newest first.

    Each has its progress in the course and its units.
    """
    from headway.contracts.learner import reset_mapping

    async with open_services(load_settings(**flags)) as services, services.database.read() as tx:
        found = await services.resets.read_attempts(tx, None, course_id, user_id)
    print_json([reset_mapping.attempt(each) for each in found])


async def _reset(course_id: int, user_id: int, request: "ResetRequest", flags: dict[str, Any]) -> None:
    from headway.contracts.learner import reset_mapping

    async with open_services(load_settings(**flags)) as services, services.database.write() as tx:
        made = await services.resetting.reset(tx, None, course_id, user_id, request)
        shown = await services.resets.find_reset(tx, None, course_id, user_id, made.id)
    print_json(reset_mapping.reset(shown))

"""Every command that changes something has its entry in the audit log."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import yaml
from sqlalchemy import select

from headway.audit.tables import audit_entries
from headway.cli import main
from headway.courses.model import CourseTree
from headway.identity import CourseRole, Role, Scope
from headway.instants import system_clock
from headway.learning.model import ActivityType, Event, Report
from headway.learning.reset_model import ResetRequest
from headway.settings import Settings
from headway.webhooks.model import NewWebhook
from tests.databases import SECRET_KEY
from tests.processes import run_headway
from tests.world import World


class Deed(NamedTuple):
    """The arguments of a command, in which `{name}` stands for an id, and the actions that are recorded."""

    arguments: str
    actions: tuple[str, ...]


PRIVILEGED = {
    "user create": Deed("--name N --role ADMIN", ("CREATE_USER",)),
    "user change": Deed(
        "{learner} --name Other --role INSTRUCTOR --email other@example.org --external-id other",
        ("CHANGE_NAME", "CHANGE_EMAIL", "CHANGE_ROLE", "CHANGE_EXTERNAL_ID"),
    ),
    "user disable": Deed("{learner}", ("DISABLE_USER",)),
    "user enable": Deed("{learner}", ("ENABLE_USER",)),
    "user erase": Deed("{learner} --confirm {learner}", ("ERASE_USER",)),
    "user export": Deed("{learner} {archive}", ("EXPORT_DATA",)),
    "key create": Deed("--name Relay --scope events:write", ("CREATE_USER", "CREATE_API_KEY")),
    "key revoke": Deed("{key}", ("REVOKE_API_KEY",)),
    "token create": Deed("--user {learner}", ("CREATE_TOKEN",)),
    "course import": Deed("{file}", ("CREATE_COURSE",)),
    "course enroll": Deed("--course {course} --user {learner}", ("ENROLL_LEARNER",)),
    "progress reset": Deed("--course {course} --user {active}", ("RESET_PROGRESS",)),
    "progress retake": Deed("--course {course} --user {active}", ("RESET_PROGRESS",)),
    "progress undo": Deed("{reset} --course {course} --user {reset_learner}", ("UNDO_RESET",)),
    "course staff set": Deed("--course {course} --user {tutor} --role instructor", ("CHANGE_COURSE_ROLE",)),
    "course staff remove": Deed("--course {course} --user {colleague}", ("CHANGE_COURSE_ROLE",)),
    "keys rotate": Deed("", ("ROTATE_KEYS",)),
    "webhook create": Deed("--url https://hooks.example.org/in", ("CREATE_WEBHOOK",)),
    "webhook disable": Deed("{webhook}", ("CHANGE_WEBHOOK",)),
    "webhook enable": Deed("{disabled_webhook}", ("CHANGE_WEBHOOK",)),
    "webhook delete": Deed("{webhook}", ("DELETE_WEBHOOK",)),
}
ELSEWHERE = {
    "import oulad": "test_oulad.py",
    "import roster": "test_roster_import.py",
    "import openedx-tracking": "test_log_import.py",
    "import moodle-log": "test_moodle_import.py",
    "events archive": "test_archive.py",
    "user password-link": "test_forgotten_passwords.py",
    "retention apply": "test_retention.py",
    "backup": "test_backups.py",
    "restore": "restoring/test_restoring.py",
}
"""Commands whose entries are tested where there is more to say about them."""
UNRECORDED = {
    "serve",
    "demo",  # makes a database of its own
    "migrate",
    "verify",
    "audit verify",
    "audit head",
    "ready",
    "doctor",
    "vacuum",
    "mail test",
    "erasure key",
    "erasure verify",
    "course staff list",
    "progress resets",
    "progress attempts",
    "export course",
    "export events",
    "key list",
    "webhook list",
}


def commands(group: click.Group, above: str = "") -> Iterator[str]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{above}{name} ")
        else:
            yield f"{above}{name}"


def test_every_command_is_either_privileged_or_changes_nothing_of_anybody() -> None:
    assert set(commands(main)) == set(PRIVILEGED) | set(ELSEWHERE) | UNRECORDED
    assert [file for file in ELSEWHERE.values() if not (Path(__file__).parent / file).exists()] == []


async def _resettable(world: World, course: CourseTree) -> dict[str, object]:
    """Make a learner with progress, and one whose progress was reset just now."""
    world.clock.now = system_clock()
    learners = [await world.learner(course) for _ in range(2)]
    viewed = Event("viewed", ActivityType.UNIT_VIEW, course.id, unit_id=course.units[1].id)
    reports = [Report(learner.id, world.clock(), (viewed,)) for learner in learners]
    await world.write(world.services.tracking.record, reports, world.clock())
    active, reset_learner = (learner.id for learner in learners)
    made = await world.write(world.services.resetting.reset, None, course.id, reset_learner, ResetRequest())
    return {"active": active, "reset_learner": reset_learner, "reset": made.id}


@pytest.mark.parametrize("command", PRIVILEGED)
async def test_a_command_has_its_entry(world: World, settings: Settings, tmp_path: Path, command: str) -> None:
    owner = await world.user(Role.INSTRUCTOR, email="tutor@example.org")
    file = tmp_path / "course.yaml"
    file.write_text(yaml.safe_dump({"title": "C", "owner": owner.email, "modules": []}))
    course, colleague = await world.course(), await world.user(Role.INSTRUCTOR)
    await world.write(world.services.course_staff.set_role, None, course.id, colleague.id, CourseRole.OWNER)
    people = {"learner": await world.user(), "tutor": owner, "colleague": colleague}
    key, _ = await world.write(world.services.api_keys.create, "Other", [Scope.PROGRESS_READ])
    names: dict[str, object] = {"key": key.id, "course": course.id, "file": file, "archive": tmp_path / "data.zip"} | {
        name: user.id for name, user in people.items()
    }
    webhooks, new = world.services.webhooks, NewWebhook("https://hooks.example.org/other")
    names["webhook"], disabled = [(await world.write(webhooks.create, None, new)).id for _ in range(2)]
    names["disabled_webhook"] = disabled
    await world.write(webhooks.change, None, disabled, lambda stored: stored, enable=False)
    names |= await _resettable(world, course)
    before = len(await world.rows(select(audit_entries.c.seq)))
    deed = PRIVILEGED[command]

    arguments = deed.arguments.format(**names).split()
    ended = await run_headway(*command.split(), *arguments, "--database", settings.database_url, secret_key=SECRET_KEY)

    assert ended.returncode == 0, ended.stderr
    entries = await world.rows(select(audit_entries.c.action, audit_entries.c.actor_id).order_by(audit_entries.c.seq))
    assert entries[before:] == [(action, None) for action in deed.actions]

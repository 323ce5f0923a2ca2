"""The help of commands, and what it costs: only a command that runs imports what it needs."""

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from headway.cli import main

LIGHT = {"click", "headway", "msgspec", "typing_extensions"}
"""What the declarations of commands need beside the standard library."""
GROUND = {
    "headway",
    "headway.cli",
    "headway.errors",
    "headway.identity",
    "headway.instants",
    "headway.settings",
    "headway.smtp_url",
    "headway.text",
}

HELP_OF_ALL = """
import json, sys
before = set(sys.modules)
import click
from click.testing import CliRunner
from headway.cli import main

def helps(command, path):
    yield CliRunner().invoke(main, [*path, "--help"]).exit_code
    for name, each in getattr(command, "commands", {}).items():
        yield from helps(each, [*path, name])

statuses = list(helps(main, []))
json.dump({"statuses": statuses, "modules": sorted(set(sys.modules) - before)}, sys.stdout)
"""


def paths(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    nested = command.commands if isinstance(command, click.Group) else {}
    return [path, *(found for name, each in nested.items() for found in paths(each, (*path, name)))]


def third_party(modules: list[str]) -> set[str]:
    names = {module.partition(".")[0] for module in modules}
    return {name for name in names if name not in sys.stdlib_module_names and not name.startswith("_")}


def test_the_help_of_all_commands_imports_no_library_that_only_a_running_command_needs() -> None:
    ran = subprocess.run([sys.executable, "-c", HELP_OF_ALL], check=True, capture_output=True, text=True)
    found = json.loads(ran.stdout)

    assert found["statuses"] == [0] * len(paths(main))
    assert third_party(found["modules"]) <= LIGHT
    own = {module for module in found["modules"] if module.startswith("headway")}
    assert {module for module in own if not module.startswith("headway.cli.")} <= GROUND
    assert "asyncio" not in found["modules"]


def test_the_completion_of_a_shell_offers_commands_and_options() -> None:
    def complete(*words: str) -> str:
        environment = {"_HEADWAY_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        return CliRunner().invoke(main, prog_name="headway", env=environment).output

    assert "plain,disable" in complete("headway", "user", "di")
    assert "plain,--external-id" in complete("headway", "user", "create", "--ex")


@pytest.mark.parametrize("path", paths(main), ids=" ".join)
def test_every_command_has_a_first_line_of_help_that_fits_into_a_list(path: tuple[str, ...]) -> None:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]

    assert command.help is not None
    shown = command.get_short_help_str(limit=80)
    assert not shown.endswith("...")
    assert command.help.startswith(shown)

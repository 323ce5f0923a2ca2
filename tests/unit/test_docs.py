"""What the README says about settings and commands is what there is."""

import re
from pathlib import Path
from typing import Any

import click
import pytest

from headway.cli import main
from headway.settings import Settings, variable

README = (Path(__file__).parents[2] / "README.md").read_text()


def documented_settings() -> dict[str, str]:
    return dict(re.findall(r"^\| `(HEADWAY_[A-Z_]+)` \| (?:`([^`]*)`)? ?\|", README, re.MULTILINE))


def test_every_setting_is_in_the_readme_and_nothing_else() -> None:
    assert sorted(documented_settings()) == sorted(variable(name) for name in Settings.__struct_fields__)


@pytest.mark.parametrize("name", Settings.__struct_fields__)
def test_the_readme_gives_the_default_of_each_setting(name: str) -> None:
    default: Any = getattr(Settings(), name)
    told = "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
    assert documented_settings()[variable(name)] == told


def commands(group: click.Command, path: str = "headway") -> list[str]:
    if isinstance(group, click.Group):
        return [name for key, each in group.commands.items() for name in commands(each, f"{path} {key}")]
    return [path]


@pytest.mark.parametrize("command", commands(main))
def test_every_command_is_in_the_readme(command: str) -> None:
    group = README[README.index("## Commands") : README.index("## The contract")]
    assert command in group or command.split(" ", 2)[1] + " " + command.rsplit(" ", 1)[1] in group

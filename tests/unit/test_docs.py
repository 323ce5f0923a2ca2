"""The documents describe the settings and commands that exist, and refer to files that exist."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click
import pytest

from headway.cli import main
from headway.settings import Settings, variable

ROOT = Path(__file__).parents[2]
PARTS = ["docs", "benchmarks", "src", "tests"]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(file for part in PARTS for file in (ROOT / part).rglob("*.md"))])
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
COMMANDS = (ROOT / "docs" / "commands.md").read_text()

LINK = re.compile(r"\]\(([^()\s]+)\)")
PATH = re.compile(rf"(?<![\w./-])((?:{'|'.join(PARTS)})/[\w./-]*[\w/])")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def documented_settings() -> dict[str, str]:
    return dict(re.findall(r"^\| `(HEADWAY_[A-Z_]+)` \| (?:`([^`]*)`)? ?\|", SETTINGS, re.MULTILINE))


def anchors(document: Path) -> set[str]:
    """Compute the anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_setting_is_documented_and_nothing_else() -> None:
    assert sorted(documented_settings()) == sorted(variable(name) for name in Settings.__struct_fields__)


@pytest.mark.parametrize("name", Settings.__struct_fields__)
def test_the_default_of_each_setting_is_documented(name: str) -> None:
    default: Any = getattr(Settings(), name)
    expected = "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
    assert documented_settings()[variable(name)] == expected


def commands(group: click.Command, path: str = "headway") -> list[str]:
    if isinstance(group, click.Group):
        return [name for key, each in group.commands.items() for name in commands(each, f"{path} {key}")]
    return [path]


@pytest.mark.parametrize("command", commands(main))
def test_every_command_is_documented(command: str) -> None:
    assert f"`{command}" in COMMANDS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    links = [link for link in LINK.findall(FENCE.sub("", document.read_text())) if "://" not in link]
    broken = []
    for link in links:
        path, _, anchor = unquote(link).partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_every_path_that_a_document_mentions_exists(document: Path) -> None:
    paths = {path.rstrip("/.") for path in PATH.findall(document.read_text())}

    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []

"""docs/tracker.md names what the tracker has: its options, calls, events and limits."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "tracker.md").read_text()
SOURCES = ROOT / "sdk" / "src"


def section(title: str) -> str:
    return GUIDE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_cells(text: str) -> set[str]:
    """Return the names in the first cells of a section's tables, without parameters."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`(\w+)", cell)}


def members(module: str, *interfaces: str) -> set[str]:
    """Return the fields and methods that interfaces of a module declare."""
    text = (SOURCES / f"{module}.ts").read_text()
    found: set[str] = set()
    for name in interfaces:
        (body,) = re.findall(rf"^export interface {name}\b[^{{]*{{\n(.*?)^}}", text, re.MULTILINE | re.DOTALL)
        found |= set(re.findall(r"^  (?:readonly )?(\w+)(?:<.*>)?\??[:(]", body, re.MULTILINE))
    return found


def constant(module: str, name: str) -> float:
    (value,) = re.findall(rf"\b{name} = ([\d_.e]+)", (SOURCES / f"{module}.ts").read_text())
    return float(value.replace("_", ""))


def test_the_pinned_script_is_the_one_that_is_served() -> None:
    script = json.loads((ROOT / "src/headway/web/static/sdk/integrity.json").read_text())["headway.js"]

    assert f'/sdk/{script["hashed"]}" integrity="{script["integrity"]}"' in GUIDE


def test_every_option_is_in_the_guide() -> None:
    assert first_cells(section("Options")) == members("options", "Options", "Credentials")


def test_every_call_is_in_the_guide() -> None:
    assert first_cells(section("API")) == members("tracker", "Tracker")


@pytest.mark.parametrize("name", sorted(members("tracker", "Listeners")))
def test_every_event_of_a_tracker_is_in_the_guide(name: str) -> None:
    assert f'tracker.on("{name}"' in section("API")


@pytest.mark.parametrize("name", re.findall(r"data-headway-[a-z]+(?=[^\w-])", (SOURCES / "pages.ts").read_text()))
def test_every_attribute_is_in_the_guide(name: str) -> None:
    assert name in section("Attributes")


@pytest.mark.parametrize(
    ("name", "divisor", "said"),
    [
        ("BATCH_REPORTS", 1, "with {:g} reports"),
        ("BATCH_BYTES", 1000, "a batch | {:g} kB"),
        ("MAX_REPORT_BYTES", 1000, "a report | {:g} kB"),
        ("LONGEST_BACK_OFF_SECONDS", 1, "… {:g} seconds"),
        ("maxReports", 1, "At most {:,g} reports"),
    ],
)
def test_limits_are_those_of_the_sender(name: str, divisor: float, said: str) -> None:
    assert said.format(constant("sender", name) / divisor) in GUIDE

"""The files of the pages: what can be read from them without a server."""

import re
from pathlib import Path

import pytest

from headway.web.rendering import _TEMPLATES

APP = _TEMPLATES.parent / "static" / "app"
STYLES = sorted(APP.glob("*.css"))
WRITTEN = sorted([*STYLES, *APP.glob("*.js"), *_TEMPLATES.rglob("*.html")])


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_every_block_of_a_style_sheet_is_closed_before_the_next_section(path: Path) -> None:
    depth = 0
    for number, line in enumerate(path.read_text().splitlines(), 1):
        assert not (line.startswith("/*") and depth), f"line {number} begins within a block"
        depth += line.count("{") - line.count("}")
        assert depth >= 0, f"line {number} closes what is not open"
    assert depth == 0


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_no_merge_is_left_half_done(path: Path) -> None:
    assert not re.search(r"^(<<<<<<<|=======$|>>>>>>>)", path.read_text(), re.MULTILINE)

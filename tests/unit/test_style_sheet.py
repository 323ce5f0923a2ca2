"""The style sheet of the pages: a block that is not closed would swallow the sections that follow."""

import re
from pathlib import Path

from headway import web

SHEET = Path(web.__file__).parent / "static" / "app" / "app.css"


def test_every_block_is_closed_and_sections_begin_outside_of_blocks() -> None:
    depth, wrong = 0, list[str]()
    for number, line in enumerate(SHEET.read_text().splitlines(), 1):
        text = re.sub(r'"[^"]*"|/\*.*?\*/', "", line)
        if depth and line.startswith("/*"):
            wrong.append(f"line {number} begins a section inside a block: {line}")
        depth += text.count("{") - text.count("}")
        if depth < 0:
            wrong.append(f"line {number} closes a block too many: {line}")
            depth = 0

    assert wrong == []
    assert depth == 0

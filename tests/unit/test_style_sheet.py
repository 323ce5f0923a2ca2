"""The style sheet of the pages: its blocks are closed, and nothing in it is left over."""

import re
from pathlib import Path

from headway import web
from headway.reports.learner_model import Happening

WEB = Path(web.__file__).parent
SHEET = WEB / "static" / "app" / "app.css"
_BY_LIBRARIES = {"htmx-request"}
_NUMBERED = re.compile(r"-\d$")


def test_every_block_is_closed_and_sections_begin_outside_of_blocks() -> None:
    """A block that is not closed would swallow the sections that follow."""
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


def test_every_class_and_token_is_used() -> None:
    sheet = re.sub(r"/\*.*?\*/", "", SHEET.read_text(), flags=re.DOTALL)
    selectors = re.sub(r"\{[^{}]*\}", " ", sheet)
    # `level-3` comes from `level-${...}` in a script, `quiet-3` from `quiet-{{ ... }}` in a template.
    styled = {_NUMBERED.sub("-", name) for name in re.findall(r"\.([a-z][\w-]*)", selectors)}
    sources = [*WEB.glob("templates/**/*.html"), *WEB.glob("static/app/*.js"), *WEB.glob("pages/*.py")]
    used = {word for path in sources for word in re.findall(r"[a-z][\w-]*", path.read_text())}

    assert len(styled) > 150
    assert styled - used - {each.value for each in Happening} - _BY_LIBRARIES == set()
    assert set(re.findall(r"(--[\w-]+):", sheet)) == set(re.findall(r"var\((--[\w-]+)\)", sheet))

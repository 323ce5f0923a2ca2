"""What the sources hold to beyond what linters check; this is read, not run."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import headway

SOURCE = Path(headway.__file__).parent
MODULES = sorted(path for path in SOURCE.rglob("*.py") if "migrations" not in path.relative_to(SOURCE).parts)
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
STILTED = re.compile(r"(Give|Tell|Say|Let|Have)\b")

Described = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@pytest.fixture(params=MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def text(request: pytest.FixtureRequest) -> str:
    path: Path = request.param
    return path.read_text()


def nodes(text: str) -> Iterator[tuple[str, Described]]:
    """Find what can have a docstring, with where it stands."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Described):
            yield "module" if isinstance(node, ast.Module) else f"{node.name}, line {node.lineno}", node


def lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def test_a_module_has_at_most_400_lines(text: str) -> None:
    assert text.count("\n") <= MAX_MODULE_LINES


def test_a_function_has_at_most_60_lines(text: str) -> None:
    functions = [(place, node) for place, node in nodes(text) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    assert [place for place, node in functions if lines(node) > MAX_FUNCTION_LINES] == []


def test_a_docstring_says_what_is_returned_or_done_in_standard_terms(text: str) -> None:
    assert [place for place, node in nodes(text) if STILTED.match(ast.get_docstring(node) or "")] == []

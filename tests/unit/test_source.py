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


def imports(path: Path) -> set[str]:
    """Return the modules that a module imports, `from a import b` as `a` and as `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def is_store(module: str) -> bool:
    return module.startswith("headway.") and module.rpartition(".")[2].endswith(("store", "tables"))


def test_only_stores_tables_and_the_database_layer_know_sqlalchemy() -> None:
    knowing = {path for path in MODULES if any(name.partition(".")[0] == "sqlalchemy" for name in imports(path))}
    allowed = {path for path in MODULES if is_store(f"headway.{path.stem}") or path.relative_to(SOURCE).parts[0] == "db"} | {
        SOURCE / "schema.py",
        SOURCE / "key_rotation.py",
    }

    assert knowing
    assert knowing - allowed == set()


@pytest.mark.parametrize("room", ["contracts", "live", "web", "http"])
def test_what_speaks_to_clients_imports_no_store(room: str) -> None:
    modules = [path for path in MODULES if path.relative_to(SOURCE).parts[0] == room]

    assert modules
    assert [(path.name, name) for path in modules for name in sorted(imports(path)) if is_store(name)] == []

"""The tracker's sources agree with the server, and name no place that packages came from."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

import headway

SDK = Path(__file__).parents[2] / "sdk"
PACKAGE = json.loads((SDK / "package.json").read_text())
MAX_MODULE_LINES = 400
LOCK = json.loads((SDK / "package-lock.json").read_text())


@pytest.fixture
def wire() -> ModuleType:
    """The generator of the tracker's types."""
    spec = importlib.util.spec_from_file_location("wire", SDK / "wire.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_types_are_those_of_the_openapi_document(wire: ModuleType) -> None:
    assert wire.FILE.read_text() == wire.generate(), "sdk/src/wire.ts is stale: run `make sdk`"


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"$ref": "#/components/schemas/learner.wire.Course"}, "Course"),
        ({"$ref": "#/components/schemas/EngagementMetricsBody"}, "EngagementMetrics"),
        ({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}, "number | null"),
        ({"enum": ["a", 'b"']}, '"a" | "b\\""'),
        ({"type": "array", "items": {"type": "string"}}, "string[]"),
        ({"type": "array", "items": {"enum": [1, 2]}}, "(1 | 2)[]"),
        ({"type": "array", "prefixItems": [{"type": "number"}] * 2, "items": False}, "[number, number]"),
        ({"type": "object"}, "Record<string, unknown>"),
        ({"properties": {"a": {"type": "boolean"}}, "required": ["a"]}, "{ a: boolean; }"),
    ],
)
def test_a_schema_becomes_a_type(wire: ModuleType, schema: dict[str, object], expected: str) -> None:
    assert wire.type_of(schema) == expected


@pytest.mark.parametrize(
    ("default", "is_required", "expected"),
    [
        ({}, True, "  a: number | null;\n"),
        ({}, False, "  a?: number;\n"),
        ({"default": None}, False, "  a?: number;\n"),
        ({"default": 5}, False, "  a: number | null;\n"),
    ],
)
def test_a_field_that_need_not_be_sent_is_optional(
    wire: ModuleType, default: dict[str, object], *, is_required: bool, expected: str
) -> None:
    schema = {"anyOf": [{"type": "number"}, {"type": "null"}], **default}

    assert wire.property_of("a", schema, {"required": ["a"] if is_required else []}) == expected


def test_a_kind_of_schema_that_is_not_known_is_an_error(wire: ModuleType) -> None:
    with pytest.raises(KeyError):
        wire.type_of({"type": "strange"})


def test_the_package_has_the_version_of_the_server() -> None:
    assert PACKAGE["version"] == LOCK["version"] == headway.__version__


def test_packages_are_named_by_their_hashes_alone() -> None:
    packages = {name: each for name, each in LOCK["packages"].items() if name}

    assert packages
    assert [name for name, each in packages.items() if "resolved" in each or not each["integrity"].startswith("sha512-")] == []


def test_versions_of_tools_are_exact() -> None:
    assert [name for name, version in PACKAGE["devDependencies"].items() if not version[0].isdigit()] == []
    assert "dependencies" not in PACKAGE


def test_a_module_has_at_most_400_lines() -> None:
    lines = {path.name: path.read_text().count("\n") for path in (SDK / "src").iterdir()}

    assert len(lines) > 10
    assert [name for name, count in lines.items() if count > MAX_MODULE_LINES] == []

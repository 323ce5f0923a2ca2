"""Generates `src/wire.ts`: what the tracker sends and receives, in TypeScript, as the server's OpenAPI document declares it."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import fill
from typing import Any

import httpx

from headway.app import create_app
from headway.learning.model import OPEN_TYPE_PATTERN
from headway.settings import Settings

FILE = Path(__file__).parent / "src" / "wire.ts"
ROOTS = ("BatchBodySchema", "BatchAnswer", "HeartbeatBody", "HeartbeatAnswer", "Failure", "Progress")
NAMES = {"BatchBodySchema": "BatchBody", "EngagementMetricsBody": "EngagementMetrics", "Progress": "CourseProgress"}
"""How types are called here that have another name in the document."""
HEADER = "/** What is sent and received. Generated from the OpenAPI document by `make sdk`: do not edit. */\n"
MAX_LINE = 130

Schema = Mapping[str, Any]
_TEXTS = {OPEN_TYPE_PATTERN: "`${string}.${string}`"}
"""The types of texts by their patterns."""
_PLAIN = {
    "object": "Record<string, unknown>",
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def generate() -> str:
    """Return the text of the file."""
    schemas = asyncio.run(_document())["components"]["schemas"]
    wanted = list(ROOTS)
    for name in wanted:
        wanted += [each for each in _references(schemas[name]) if each not in wanted]
    return HEADER + "".join(f"\n{_declaration(name, schemas[name])}" for name in sorted(wanted, key=_name))


async def _document() -> Any:
    app: Any = create_app(Settings())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://headway") as client:
        return (await client.get("/openapi.json")).json()


def _references(schema: Any) -> Iterator[str]:
    """Find the names of the schemas to which a schema refers."""
    if isinstance(schema, list):
        for each in schema:
            yield from _references(each)
    elif isinstance(schema, dict):
        if "$ref" in schema:
            yield _referred(schema)
        for each in schema.values():
            yield from _references(each)


def _referred(schema: Schema) -> str:
    return str(schema["$ref"].rpartition("/")[2])


def _name(name: str) -> str:
    # Where contracts have types of the same name, the document prefixes the module.
    return NAMES.get(name, name.rpartition(".")[2])


def _declaration(name: str, schema: Schema) -> str:
    text = _comment(schema, "")
    if schema.get("type") != "object":
        bars = " ".join(f"|\0{each}" for each in type_of(schema).split(" | "))
        union = fill(bars, MAX_LINE, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
        return f"{text}export type {_name(name)} =\n{union};\n".replace("\0", " ")
    lines = [property_of(field, each, schema) for field, each in schema["properties"].items()]
    return f"{text}export interface {_name(name)} {{\n{''.join(lines)}}}\n"


def property_of(name: str, schema: Schema, owner: Schema) -> str:
    """Return the line of a field of the schema `owner`."""
    # The server always sends a field with a default; one whose default is null need not be sent to it.
    default = schema.get("default")
    is_optional = name not in owner.get("required", []) and default is None
    if is_optional:
        schema = _without_null(schema)
    return f"{_comment(schema, '  ')}  {name}{'?' if is_optional else ''}: {type_of(schema)};\n"


def _without_null(schema: Schema) -> Schema:
    kinds = [each for each in schema.get("anyOf", [schema]) if each != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else {**schema, "anyOf": kinds}


def _comment(schema: Schema, indent: str) -> str:
    return f"{indent}/** {schema['description']} */\n" if "description" in schema else ""


def type_of(schema: Schema) -> str:
    """Return the type of a value. Bounds and patterns of numbers and texts have no type: the server checks them."""
    if "$ref" in schema:
        return _name(_referred(schema))
    for key, joint in (("anyOf", " | "), ("allOf", " & ")):
        if key in schema:
            return joint.join(type_of(each) for each in schema[key])
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(each) for each in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return _array(schema)
    if "properties" in schema:
        return "{ " + " ".join(property_of(name, each, schema).strip() for name, each in schema["properties"].items()) + " }"
    return _TEXTS.get(schema.get("pattern", ""), _PLAIN[schema["type"]])


def _array(schema: Schema) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(type_of(each) for each in schema['prefixItems'])}]"
    item = type_of(schema["items"])
    return f"({item})[]" if " | " in item else f"{item}[]"


if __name__ == "__main__":
    made = generate()
    if "--check" in sys.argv and FILE.read_text() != made:
        sys.exit(f"{FILE.name} is stale: run `make sdk`.")
    FILE.write_text(made)

"""The JSON schemas of texts whose rules are in models, for the OpenAPI document: decoders do not check these bounds again."""

from typing import Any

from msgspec import Meta

from headway.text import NOT_BLANK, WITHOUT_CONTROLS

_NO_NUL = r"^[^\x00]*$"


def visible_text(longest: int) -> Meta:
    """Describe a text that is not blank, with a number of characters."""
    return Meta(extra_json_schema={"minLength": 1, "maxLength": longest, "pattern": NOT_BLANK})


def single_line(longest: int) -> Meta:
    """Describe a text that is not blank and has no control characters, with a number of characters."""
    return Meta(extra_json_schema={"minLength": 1, "maxLength": longest, "pattern": WITHOUT_CONTROLS})


def text(longest: int, *, shortest: int = 0) -> Meta:
    """Describe a text with a number of characters."""
    return Meta(extra_json_schema={"minLength": shortest, "maxLength": longest})


def without_nul(schema: Any) -> Any:
    """Return a schema in which every text is without NUL characters, which no database can store."""
    if isinstance(schema, list):
        return [without_nul(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    described = {name: without_nul(each) for name, each in schema.items()}
    if schema.get("type") == "string" and not schema.keys() & {"pattern", "format", "enum", "const"}:
        described["pattern"] = _NO_NUL
    return described

"""The JSON schemas of texts whose rules are in models, for the OpenAPI document: decoders do not check these bounds again."""

from msgspec import Meta


def readable(longest: int, *, shortest: int = 1) -> Meta:
    """Describe a text that is not blank, with a number of characters, none of them NUL."""
    return _text(shortest, longest, r"^[^\x00]*\S[^\x00]*$")


def anything(longest: int, *, shortest: int = 0) -> Meta:
    """Describe a text with a number of characters, none of them NUL."""
    return _text(shortest, longest, r"^[^\x00]*$")


def _text(shortest: int, longest: int, pattern: str) -> Meta:
    return Meta(extra_json_schema={"minLength": shortest, "maxLength": longest, "pattern": pattern})

"""Reading a JSON body into a struct, with an error for every field that is wrong."""

import re
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from headway.domain.errors import FieldError, Invalid

Body = TypeVar("Body", bound=msgspec.Struct)

_LOCATED = re.compile(r"^(?P<message>.*?)(?: - at `(?:\$|key in `\$)(?P<path>[^`]*)`+)?$", re.DOTALL)
_DEEPEST = 32


class Decoder:
    """Decodes bodies of one struct type. `decode` raises Invalid."""

    def __init__(self, kind: type[Body]) -> None:
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)

    def decode(self, body: bytes) -> Any:
        """Read a body. Raises Invalid naming every field that is missing or of the wrong type or range."""
        try:
            return self._decoder.decode(body)
        except (ValueError, RecursionError):
            raise Invalid(explain(body, self._kind)) from None


def explain(body: bytes, kind: type[msgspec.Struct]) -> list[FieldError]:
    """Say what is wrong with a body that could not be decoded; the field `body` stands for the whole."""
    try:
        value = msgspec.json.decode(body)
    except RecursionError:
        return [FieldError("body", "is nested too deeply")]
    except ValueError as error:
        return [FieldError("body", f"is not valid JSON: {error}")]
    if not isinstance(value, dict):
        return [FieldError("body", "must be an object")]
    return list(_wrong_fields(value, kind)) or [FieldError("body", "does not have the expected form")]


def _wrong_fields(value: dict[str, Any], kind: type[msgspec.Struct]) -> Iterator[FieldError]:
    for field in msgspec.structs.fields(kind):
        if field.encode_name not in value:
            if field.required:
                yield FieldError(field.encode_name, "is required")
            continue
        try:
            msgspec.convert(value[field.encode_name], field.type)
        except msgspec.ValidationError as error:
            located = _LOCATED.match(str(error))
            message, path = (located["message"], located["path"] or "") if located else (str(error), "")
            yield FieldError(f"{field.encode_name}{path}", _plain(message))


def _plain(message: str) -> str:
    return message[0].lower() + message[1:] if message else "is not valid"


def check_json(value: object) -> str | None:
    """Say what keeps a JSON value of the client's own from being stored, or None."""
    level: list[object] = [value]
    for _depth in range(_DEEPEST):
        deeper: list[object] = []
        for each in level:
            if isinstance(each, str) and "\0" in each:
                return "must not contain NUL characters"
            if isinstance(each, dict):
                deeper += each.keys()
                deeper += each.values()
            elif isinstance(each, list):
                deeper += each
        if not deeper:
            return None
        level = deeper
    return f"must not be nested deeper than {_DEEPEST} levels"

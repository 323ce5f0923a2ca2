"""Decoding of JSON bodies into structs, with an error for every invalid field."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, TypeVar

import msgspec

from headway.errors import FieldError, Invalid

Body = TypeVar("Body", bound=msgspec.Struct)

_LOCATED = re.compile(r"^(?P<message>.*?)(?: - at `(?:\$|key in `\$)(?P<path>[^`]*)`+)?$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_JSON_NAMES = {"int": "integer", "float": "number", "str": "string", "bool": "boolean", "datetime": "date-time string"}
_TYPE = "(?:int|float|str|bool|datetime|array|object|null)"
_TYPES = re.compile(rf"`({_TYPE}(?: \| {_TYPE})*)`")
_MAX_DEPTH = 32
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]++|[\]}]++|,++', re.DOTALL)


class Decoder:
    """Decodes bodies of one struct type. `decode` raises Invalid."""

    def __init__(self, kind: type[Body]) -> None:
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)

    def decode(self, body: bytes) -> Any:
        """Decode a body. Raises Invalid naming every field that is missing or has the wrong type or range."""
        try:
            return self._decoder.decode(body)
        except (ValueError, RecursionError):
            raise Invalid(explain(body, self._kind)) from None


def explain(body: bytes, kind: type[msgspec.Struct]) -> list[FieldError]:
    """Return the errors of a body that could not be decoded; the field `body` stands for the whole body."""
    try:
        values = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except RecursionError:
        return [FieldError("body", "is nested too deeply")]
    except msgspec.ValidationError:
        return [FieldError("body", "must be an object")]
    except ValueError as error:
        return [FieldError("body", f"is not valid JSON: {error}")]
    return list(_field_errors(values, kind)) or [FieldError("body", "does not have the expected form")]


def _field_errors(values: dict[str, msgspec.Raw], kind: type[msgspec.Struct]) -> Iterator[FieldError]:
    for field in msgspec.structs.fields(kind):
        name, value = field.encode_name, values.get(field.encode_name)
        if value is None:
            if field.required:
                yield FieldError(name, "is required")
            continue
        try:
            msgspec.json.decode(value, type=field.type)
        except RecursionError:
            yield FieldError(name, "is nested too deeply")
        except ValueError as error:
            located = _LOCATED.match(str(error))
            message, path = (located["message"], located["path"] or "") if located else (str(error), "")
            # The keys of a map are client data: errors do not repeat them.
            path = path.partition("[...]")[0]
            yield from _nested_errors(name, value, field.type) or [_located_error(f"{name}{path}", message)]


def _located_error(path: str, message: str) -> FieldError:
    missing = _MISSING.fullmatch(message)
    return FieldError(f"{path}.{missing[1]}", "is required") if missing else FieldError(path, describe(message))


def _nested_errors(name: str, value: msgspec.Raw, kind: object) -> list[FieldError]:
    """Return the errors of the fields of a nested struct; none for other types."""
    info = msgspec.inspect.type_info(kind)
    kinds = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    struct = next((each.cls for each in kinds if isinstance(each, msgspec.inspect.StructType)), None)
    if struct is None or not bytes(value).startswith(b"{"):
        return []
    values = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    return [FieldError(f"{name}.{each.field}", each.message) for each in _field_errors(values, struct)]


def split_list(body: bytes, field: str) -> tuple[list[bytes], bytes] | None:
    """Split the items of a list from a body without decoding them. Return the items and the rest of the body.

    Returns None if the body has no such list. The rest may still be invalid JSON.
    """
    opening = re.compile(rb'"%s"\s*+:\s*+\[' % re.escape(field.encode()))
    depth, begin = 0, -1
    commas: list[int] = []
    for token in _TOKEN.finditer(body):
        at, mark, size = token.start(), body[token.start()], token.end() - token.start()
        if mark in b"[{":
            depth += size
        elif mark in b"]}":
            if begin >= 0 and depth - size <= 1:
                end = at + depth - 2
                edges = pairwise([begin - 1, *commas, end])
                return [body[left + 1 : right].strip() for left, right in edges], body[:begin] + body[end:]
            depth -= size
        elif mark == ord(","):
            commas += range(at, at + size) if depth == 2 and begin >= 0 else ()
        elif depth == 1 and begin < 0 and (match := opening.match(body, at)):
            begin = match.end()
    return None


def describe(message: str) -> str:
    """Return a decoder's message with JSON type names, in lower case: "expected integer or null, got string"."""
    message = _TYPES.sub(lambda match: " or ".join(_JSON_NAMES.get(name, name) for name in match[1].split(" | ")), message)
    message = message.replace(
        "Invalid RFC3339 encoded datetime", "must be an RFC 3339 date and time, such as 2026-01-31T12:00:00Z"
    )
    return message[0].lower() + message[1:] if message else "is not valid"


def check_json(value: object) -> str | None:
    """Return the reason why a client's JSON value cannot be stored, or None if it can."""
    level: list[object] = [value]
    for _depth in range(_MAX_DEPTH):
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
    return f"must not be nested deeper than {_MAX_DEPTH} levels"

"""Decoding of JSON bodies into structs, with an error for every invalid field."""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

import msgspec

from headway.errors import FieldError, Invalid, shown
from headway.text import is_nfc, nfc_json

Body = TypeVar("Body", bound=msgspec.Struct)
Decoded = TypeVar("Decoded")

_LOCATED = re.compile(r"^(?P<message>.*?)(?: - at `(?:\$|key in `\$)(?P<path>[^`]*)`+)?$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_JSON_NAMES = {"int": "integer", "float": "number", "str": "string", "bool": "boolean"}
_TYPE = "(?:int|float|str|bool|array|object|null)"
_TYPES = re.compile(rf"`({_TYPE}(?: \| {_TYPE})*)`")
_QUOTED = re.compile("'(.*)'", re.DOTALL)
_MAX_DEPTH = 32
_LARGE_BYTES = 50_000
VERBATIM = msgspec.Meta(extra={"verbatim": True})
"""Marks a field whose text is not brought into NFC at once: what was stored of it earlier was not either."""
NUL = "must not contain NUL characters"
_ESCAPE = b"\\u"
_NUL_ESCAPE = b"u0000"
"""Part of the only way to write a NUL character in JSON."""
_ZERO = b".0"
_INTEGRAL = re.compile(rb'("(?:[^"\\]++|\\.)*+"?)|(?<![\d.])(-?\d++)\.0++(?![\d.eE])', re.DOTALL)
"""A string, or an integer written as 5.0."""
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]++|[\]}]++|,++', re.DOTALL)


class Decoder:
    """Decodes bodies of one struct type. `decode` raises Invalid."""

    def __init__(self, kind: type[Body]) -> None:
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)
        self._has_integers = _has_integer(msgspec.inspect.type_info(kind))
        fields = msgspec.structs.fields(kind)
        self._texts = [each.encode_name for each in fields if VERBATIM not in getattr(each.type, "__metadata__", ())]

    def decode(self, body: bytes) -> Any:
        """Decode a body. Raises Invalid naming every declared field that is missing or cannot be taken.

        Texts come in Unicode Normalization Form C, and an integer may be written as 5.0, as some queues and languages do. No
        database can store NUL characters. Fields that the struct does not declare are skipped, whatever they contain.
        """
        try:
            decoded = self._decoder.decode(body)
        except msgspec.ValidationError:
            body, decoded = self._decode_integral(body)
        except (ValueError, RecursionError):
            raise Invalid(explain(body, self._kind)) from None
        if self._texts and not (body.isascii() and _ESCAPE not in body):
            decoded = self._in_nfc(decoded)
        if _NUL_ESCAPE in body and (errors := list(_nul_errors(decoded, ""))):
            raise Invalid(errors)
        return decoded

    def _decode_integral(self, body: bytes) -> tuple[bytes, Any]:
        """Decode a body with integers such as 5.0; return it without the zeros. Raises Invalid."""
        if self._has_integers and _ZERO in body:
            body = _INTEGRAL.sub(lambda match: match[1] or match[2], body)
        try:
            return body, self._decoder.decode(body)
        except (ValueError, RecursionError):
            raise Invalid(explain(body, self._kind)) from None

    def _in_nfc(self, decoded: Any) -> Any:
        text = msgspec.json.encode(decoded)
        if is_nfc(text.decode()):
            return decoded
        values = msgspec.json.decode(text)
        normalized = msgspec.json.encode(values | {name: nfc_json(values[name]) for name in self._texts if name in values})
        try:
            # Some characters become several: the bounds are those of the text that is stored.
            return self._decoder.decode(normalized)
        except ValueError:
            raise Invalid(explain(normalized, self._kind)) from None


def is_plain(body: bytes) -> bool:
    """Return whether all texts of a body are in Unicode Normalization Form C and without escapes that could hide others.

    Every part of a text in this form is in it too (Unicode Standard Annex #15, section 2.1). Raises ValueError without UTF-8.
    """
    return _ESCAPE not in body and (body.isascii() or is_nfc(body.decode()))


def _has_integer(kind: msgspec.inspect.Type) -> bool:
    """Return whether values of a type can contain an integer."""
    if isinstance(kind, msgspec.inspect.StructType):
        return any(_has_integer(field.type) for field in kind.fields)
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(_has_integer(each) for each in kind.types)
    if isinstance(kind, msgspec.inspect.Metadata):
        return _has_integer(kind.type)
    if isinstance(kind, msgspec.inspect.ListType):
        return _has_integer(kind.item_type)
    return isinstance(kind, msgspec.inspect.IntType)


async def decode_apart(decode: Callable[[bytes], Decoded], body: bytes) -> Decoded:
    """Decode a body, a large one in a thread: 1 MB of odd JSON takes up to 0.2 s, in which others are to be served."""
    return await asyncio.to_thread(decode, body) if len(body) > _LARGE_BYTES else decode(body)


def _nul_errors(value: object, path: str) -> Iterator[FieldError]:
    if isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(value):
            yield from _nul_errors(getattr(value, field.name), f"{path}.{field.encode_name}" if path else field.encode_name)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _nul_errors(each, f"{path}[{index}]")
    elif isinstance(value, dict | str) and check_json(value) == NUL:
        # The keys of a map are client data: errors do not repeat them.
        yield FieldError(path, NUL)


def explain(body: bytes, kind: type[msgspec.Struct]) -> list[FieldError]:
    """Return the errors of a body that could not be decoded; the field `body` stands for the whole body."""
    try:
        return list(_field_errors(body, kind, "")) or [FieldError("body", "does not have the expected form")]
    except RecursionError:
        return [FieldError("body", "is nested too deeply")]
    except msgspec.ValidationError:
        return [FieldError("body", "must be an object")]
    except ValueError as error:
        return [FieldError("body", f"is not valid JSON: {error}")]


def _field_errors(body: "bytes | msgspec.Raw", kind: type[msgspec.Struct], prefix: str) -> Iterator[FieldError]:
    """Find the errors of each declared field. Raises ValueError or RecursionError if the body is no JSON object."""
    values = msgspec.json.decode(body, type=_undecoded(kind))
    for field in msgspec.structs.fields(kind):
        name, value = prefix + field.encode_name, getattr(values, field.name)
        if not bytes(value):
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
            nested = _struct_in(field.type) if bytes(value).startswith(b"{") else None
            errors = list(_field_errors(value, nested, f"{name}.")) if nested is not None else []
            yield from errors or [_located_error(f"{name}{path}", message)]


@cache
def _undecoded(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Return a struct with the fields of another, each as the bytes that a client sent; empty if it sent none."""
    fields = msgspec.structs.fields(kind)
    return msgspec.defstruct(
        kind.__name__,
        [(field.name, msgspec.Raw, msgspec.Raw()) for field in fields],
        rename={field.name: field.encode_name for field in fields},
    )


def _located_error(path: str, message: str) -> FieldError:
    missing = _MISSING.fullmatch(message)
    return FieldError(f"{path}.{missing[1]}", "is required") if missing else FieldError(path, describe(message))


def _struct_in(kind: object) -> type[msgspec.Struct] | None:
    """Return the struct of a type that is one, or is one or something else."""
    return next((each.cls for each in _alternatives(kind) if isinstance(each, msgspec.inspect.StructType)), None)


@cache
def _alternatives(kind: object) -> Sequence[msgspec.inspect.Type]:
    info = msgspec.inspect.type_info(kind)
    return info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)


def declared_fields(kind: type[msgspec.Struct]) -> Iterator[str]:
    """Return the path of every field of a struct, such as `modules[].units[].title`: as on the wire and as in Python."""
    for field in msgspec.structs.fields(kind):
        for name in {field.encode_name, field.name}:
            yield name
            for each in _alternatives(field.type):
                suffix, inner = "", each
                while isinstance(inner, msgspec.inspect.ListType):
                    suffix, inner = f"{suffix}[]", inner.item_type
                    yield name + suffix
                if isinstance(inner, msgspec.inspect.StructType):
                    yield from (f"{name}{suffix}.{path}" for path in declared_fields(inner.cls))


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


def find_text(body: bytes, field: str) -> str | None:
    """Return the text of a field of an object that as a whole cannot be decoded, or None if it has none that can be."""
    opening = re.compile(rb'"%s"\s*+:\s*+("(?:[^"\\]++|\\.)*+")' % re.escape(field.encode()), re.DOTALL)
    depth, found = 0, None
    for token in _TOKEN.finditer(body):
        mark, size = body[token.start()], token.end() - token.start()
        if mark in b"[{":
            depth += size
        elif mark in b"]}":
            depth -= size
        elif depth == 1 and (match := opening.match(body, token.start())):
            found = match[1]
    try:
        return None if found is None else msgspec.json.decode(found, type=str)
    except ValueError:
        return None


def describe(message: str) -> str:
    """Return a decoder's message with JSON type names, in lower case: "expected integer or null, got string".

    A value that it repeats is cut.
    """
    message = _QUOTED.sub(lambda match: f"'{shown(match[1])}'", message)
    message = _TYPES.sub(lambda match: " or ".join(_JSON_NAMES.get(name, name) for name in match[1].split(" | ")), message)
    return message[0].lower() + message[1:] if message else "is not valid"


def check_json(value: object) -> str | None:
    """Return the reason why a client's JSON value cannot be stored, or None if it can."""
    level: list[object] = [value]
    for _depth in range(_MAX_DEPTH):
        deeper: list[object] = []
        for each in level:
            if isinstance(each, str) and "\0" in each:
                return NUL
            if isinstance(each, dict):
                deeper += each.keys()
                deeper += each.values()
            elif isinstance(each, list):
                deeper += each
        if not deeper:
            return None
        level = deeper
    return f"must not be nested deeper than {_MAX_DEPTH} levels"

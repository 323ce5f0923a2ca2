"""Extreme JSON values, and the places of bodies and queries where a client could put them."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

Place = tuple[str | int, ...]
"""The way to a value in a body: `("modules", 0, "units", 0, "title")`."""

NUMBERS = (
    *("0", "-0", "-0.0", "-1", "-0.25", "0.30000000000000004", "5e-324", "1.5", "100.0349", "101", "1e308", "-1e308"),
    *("2147483648", "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1e309"),
    *("4294967296", "9" * 400),
)
DATES = (
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1899-12-31T23:59:59.999Z", "1900-01-01T00:00:00Z"),
    *("1900-01-01T00:00:00+14:00", "9998-12-31T23:59:59.999Z", "9998-12-31T23:59:59-14:00", "9999-12-31T23:59:59-14:00"),
    *("2016-12-31T23:59:60Z", "2026-01-01T24:00:00Z", "2026-01-01t00:00:00z", "2026-01-01T00:00:00", "2026-02-30T00:00:00Z"),
    *("10000-01-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00+99:99", "1767268800"),
    *("1969-12-31T23:59:59.999z", "9999-01-01T13:59:59+14:00"),
)
TEXTS = (
    *(
        "",
        " ",
        "\t\n\r",
        "\0",
        "x\0y",
        "\x7f\x1b[31m",
        "\u202eabc",
        "\ufeff",
        "\U0001f9d1\u200d\U0001f3eb",
        "zoe\u0308",
        "\u212b",
    ),
    *("'; DROP TABLE users; --", "%_\\", "${learner}", "<script>alert(1)</script>", "javascript:alert(1)", "../../x", "id:1"),
    *(
        "ext:1",
        "null",
        "NaN",
        "true",
        "https://github.com/" + "a" * 3_000,
        "a" * 10_000,
        "\u20ac" * 100_000,
        "\U0001f600" * 501,
    ),
)
OTHERS = (
    *('"\\ud800"', '"\\udc00\\ud800"', "null", "true", "false", "[]", "{}", "[null]", '[""]', '[{"":""}]', '{"":null}'),
    *("[" * 100 + "]" * 100, "[" * 5_000 + "]" * 5_000, '{"a":' * 100 + "1" + "}" * 100, '{"a":' * 5_000 + "1" + "}" * 5_000),
    *("[" + ",".join(["1"] * 20_000) + "]", "[" + ",".join(['"a"'] * 20_000) + "]"),
    *('{"$ref":"#"}', '{"a\\u0000":1}', '{"a":"\\u0000"}', '{"a":1e309}', '{"a":%s}' % ("9" * 400)),
    "{" + ",".join(f'"{number}":{number}' for number in range(5_000)) + "}",
)
VALUES = (*NUMBERS, *(json.dumps(text) for text in (*DATES, *TEXTS)), *OTHERS)
"""Every extreme value, as JSON."""

_MARK = '"\\u0001here\\u0001"'


def places(kind: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of every declared field, also of nested structs and of the first item of a list."""
    info = kind if isinstance(kind, msgspec.inspect.Type) else msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.Metadata):
        yield from places(info.type, place)
    elif isinstance(info, msgspec.inspect.UnionType):
        for each in info.types:
            yield from places(each, place)
    elif isinstance(info, msgspec.inspect.StructType):
        for field in info.fields:
            yield (*place, field.encode_name)
            yield from places(field.type, (*place, field.encode_name))
    elif isinstance(info, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
        yield (*place, 0)
        yield from places(info.item_type, (*place, 0))
    elif isinstance(info, msgspec.inspect.TupleType):
        for index, item in enumerate(info.item_types):
            yield (*place, index)
            yield from places(item, (*place, index))


def shown(place: Place) -> str:
    """Return a place as errors name it: `modules[0].title`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def look(value: Any, place: Place) -> Any:
    """Return what is at a place. Raises LookupError."""
    for part in place:
        value = value[part]
    return value


def put(body: Any, place: Place, value: str) -> bytes:
    """Return a body as JSON, with a JSON value at a place of it."""
    return json.dumps(_marked(body, place)).replace(_MARK, value).encode()


def _marked(body: Any, place: Place) -> Any:
    if not place:
        return "\x01here\x01"
    part, rest = place[0], place[1:]
    if isinstance(body, list):
        return [_marked(each, rest) if index == part else each for index, each in enumerate(body)]
    return {name: _marked(each, rest) if name == part else each for name, each in body.items()}

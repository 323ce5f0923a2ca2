"""Reading a body: every field at fault is named at once, and nothing that can be sent makes it fail otherwise."""

import threading
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar

from headway.errors import Invalid
from headway.http.decoding import Decoder, check_json, declared_fields, decode_apart, explain, find_text, split_list
from headway.http.observations.wire import BatchBody, TrackBody
from headway.http.request import Request, Response
from headway.http.routes import ENDPOINT, make_router, post
from headway.settings import Settings

VALID = b'{"activity_type": "unit_view", "course_id": 1}'


def fields_at_fault(body: bytes, kind: type[msgspec.Struct] = TrackBody) -> list[str]:
    return [error.field for error in explain(body, kind)]


def test_every_missing_field_is_named() -> None:
    assert fields_at_fault(b"{}") == ["activity_type", "course_id"]


def test_every_field_of_a_wrong_type_or_range_is_named() -> None:
    body = (
        b'{"activity_type": "sleep", "course_id": 0, "unit_id": "x", "duration_seconds": -1, "start_time": 5, "metadata": []}'
    )

    assert fields_at_fault(body) == ["activity_type", "course_id", "unit_id", "duration_seconds", "start_time", "metadata"]


def test_missing_and_wrong_fields_are_named_together() -> None:
    assert fields_at_fault(b'{"course_id": "x"}') == ["activity_type", "course_id"]


def test_every_wrong_field_within_an_object_is_named_by_its_path() -> None:
    metrics = b'{"scroll_depth": 101, "video_watch_percentage": -1, "interaction_count": 1.5}'

    assert fields_at_fault(VALID[:-1] + b', "engagement_metrics": ' + metrics + b"}") == [
        "engagement_metrics.scroll_depth",
        "engagement_metrics.video_watch_percentage",
        "engagement_metrics.interaction_count",
    ]


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"9" * 400, b"9" * 9000])
def test_a_number_beyond_any_range_is_told_of_its_field(number: bytes) -> None:
    assert fields_at_fault(VALID[:-1] + b', "duration_seconds": ' + number + b"}") == ["duration_seconds"]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (b'"course_id": 0', "expected integer >= 1"),
        (b'"course_id": "1"', "expected integer, got string"),
        (b'"course_id": 1, "duration_seconds": true', "expected number or null, got boolean"),
        (b'"course_id": 1, "metadata": []', "expected object or null, got array"),
    ],
)
def test_a_message_names_the_types_of_json(field: bytes, message: str) -> None:
    (error,) = explain(b'{"activity_type": "unit_view", ' + field + b"}", TrackBody)

    assert error.message == message


def test_what_is_wrong_within_a_list_is_told_of_its_place() -> None:
    class Numbers(msgspec.Struct):
        numbers: list[int]

    assert fields_at_fault(b'{"numbers": [1, "2"]}', Numbers) == ["numbers[1]"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"course_id": 1,}', b"{'course_id': 1}", b"course_id=1", b'{"a": NaN}', b'{"a": 01}', VALID + b"}", b"\xff"],
)
def test_what_is_no_json_is_told_of_the_body(body: bytes) -> None:
    assert fields_at_fault(body) == ["body"]


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"text"', b"true"])
def test_what_is_no_object_is_told_of_the_body(body: bytes) -> None:
    assert explain(body, TrackBody) == explain(b"[1]", TrackBody)
    assert fields_at_fault(body) == ["body"]


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_body_that_is_nested_without_end_is_refused(opening: bytes) -> None:
    assert fields_at_fault(VALID[:-1] + b', "metadata": {"a": ' + opening * 100_000) == ["body"]


def test_a_decoder_raises_what_explain_says() -> None:
    with pytest.raises(Invalid) as raised:
        Decoder(TrackBody).decode(b'{"course_id": "x"}')

    assert list(raised.value.fields) == explain(b'{"course_id": "x"}', TrackBody)


def test_a_decoder_ignores_fields_that_it_does_not_know() -> None:
    assert Decoder(TrackBody).decode(VALID[:-1] + b', "role": "ADMIN"}') == Decoder(TrackBody).decode(VALID)


def test_a_decoder_leaves_the_items_of_a_list_for_later() -> None:
    body = Decoder(BatchBody).decode(b'{"events": [{"any": "thing"}, 5]}')

    assert [bytes(item) for item in body.events] == [b'{"any": "thing"}', b"5"]


def nested(levels: int) -> object:
    value: object = "the innermost"
    for level in range(levels):
        value = [value] if level % 2 else {"deeper": value}
    return value


@pytest.mark.parametrize(("levels", "is_refused"), [(0, False), (31, False), (32, True), (400, True)])
def test_metadata_may_be_nested_32_levels_deep(levels: int, is_refused: bool) -> None:
    assert (check_json(nested(levels)) is not None) is is_refused


@pytest.mark.parametrize(
    "value", ["a\0", {"a\0": 1}, {"a": "\0"}, ["\0"], {"a": [{"b": "c\0"}]}, [[{"a": {"b\0": None}}]]], ids=repr
)
def test_a_nul_character_anywhere_cannot_be_stored(value: object) -> None:
    assert check_json(value) == "must not contain NUL characters"


@pytest.mark.parametrize("value", [{}, {"a": [1, 2.5, None, True, {"b": "\\0 \x01 \u2028 😀"}]}], ids=repr)
def test_anything_else_can_be_stored(value: object) -> None:
    assert check_json(value) is None


@pytest.mark.parametrize("metadata", [b'{"a": 1e400}', b'{"a": [0, 0, 1e400]}', b'{"a": {"b": ' + b"9" * 9000 + b"}}"])
def test_what_is_wrong_within_metadata_is_told_of_the_metadata_alone(metadata: bytes) -> None:
    assert fields_at_fault(VALID[:-1] + b', "metadata": ' + metadata + b"}") == ["metadata"]


@pytest.mark.parametrize(
    ("body", "items", "rest"),
    [
        (b'{"events": [1, {"a": [2, 3]}, "x,]"]}', [b"1", b'{"a": [2, 3]}', b'"x,]"'], b'{"events": []}'),
        (b'{"a": [9], "events" :[ 1 ], "b": {}}', [b"1"], b'{"a": [9], "events" :[], "b": {}}'),
        (b'{"events": ["\\\\", "\\"", "\\ud83d"]}', [b'"\\\\"', b'"\\""', b'"\\ud83d"'], b'{"events": []}'),
        (b'{"x": "\\"events\\": [7]", "events": [1]}', [b"1"], b'{"x": "\\"events\\": [7]", "events": []}'),
        (b'{"x": {"events": [7]}, "events": [1]}', [b"1"], b'{"x": {"events": [7]}, "events": []}'),
        (b'{"events": [' + b"[" * 5000 + b"]" * 5000 + b", 1]}", [b"[" * 5000 + b"]" * 5000, b"1"], b'{"events": []}'),
    ],
)
def test_a_list_is_cut_into_its_items_without_reading_them(body: bytes, items: list[bytes], rest: bytes) -> None:
    assert split_list(body, "events") == (items, rest)


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b'{"events": 5}', b'{"events": [1', b'{"events": [[1]', b'{"a": [1]}', b'"events": [1]']
)
def test_what_encloses_no_list_is_not_cut(body: bytes) -> None:
    assert split_list(body, "events") is None


class Part(msgspec.Struct, rename="camel"):
    max_grade: int
    titles: list[str] = []
    free: dict[str, object] = {}


class Whole(msgspec.Struct):
    parts: list[Part] = []
    only: Part | None = None
    title: str = ""


def refused(body: bytes, kind: type[msgspec.Struct] = Whole) -> list[str]:
    with pytest.raises(Invalid) as raised:
        Decoder(kind).decode(body)
    return [error.field for error in raised.value.fields]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"title": "a\\u0000"}', "title"),
        (b'{"only": {"maxGrade": 1, "titles": ["a", "\\u0000"]}}', "only.titles[1]"),
        (b'{"parts": [{"maxGrade": 1}, {"maxGrade": 1, "titles": ["\\u0000"]}]}', "parts[1].titles[0]"),
        (b'{"only": {"maxGrade": 1, "free": {"a": {"\\u0000": 1}}}}', "only.free"),
    ],
)
def test_a_nul_character_in_any_declared_field_is_told_of_its_place(body: bytes, field: str) -> None:
    assert refused(body) == [field]


@pytest.mark.parametrize(
    "unknown",
    [
        b'"x": "\\u0000"',
        b'"\\u0000": 1',
        b'"x": 1e999',
        b'"\xff": "\xff"',
        b'"x": [[[{"y": "\\u0000"}]]]',
        b'"x": ' + b"9" * 9000,
    ],
)
def test_fields_that_are_not_declared_are_not_looked_at(unknown: bytes) -> None:
    body = b'{"title": "Go", ' + unknown + b', "only": {"maxGrade": 5, ' + unknown + b"}}"

    assert Decoder(Whole).decode(body) == Whole(only=Part(5), title="Go")
    assert refused(body.replace(b"5,", b'"5",')) == ["only.maxGrade"]


def test_no_more_fields_are_named_than_can_be_read() -> None:
    part = b'{"maxGrade": 1, "titles": ["\\u0000"]}'

    assert len(refused(b'{"parts": [' + b",".join([part] * 500) + b"]}")) == 50


def test_a_refused_value_is_repeated_by_its_first_characters_alone() -> None:
    class Choice(msgspec.Struct):
        color: Literal["red"]

    (error,) = explain(b'{"color": "' + b"b" * 5000 + b'"}', Choice)

    assert error.message == f"invalid enum value '{'b' * 200}…'"


def test_the_declared_fields_of_a_body_are_those_that_errors_can_name() -> None:
    assert set(declared_fields(Whole)) == {
        *("parts", "parts[]", "parts[].maxGrade", "parts[].max_grade", "parts[].titles", "parts[].titles[]", "parts[].free"),
        *("only", "only.maxGrade", "only.max_grade", "only.titles", "only.titles[]", "only.free"),
        "title",
    }


def decoded_or_errors(body: bytes) -> object:
    try:
        return Decoder(Whole).decode(body)
    except Invalid as error:
        return error.fields


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"title": 5}', b'{"only": {"maxGrade": "x"}}', b"\xff" * 50])
@given(data=st.data())
def test_whatever_a_body_is_changed_to_is_decoded_or_refused(body: bytes, data: st.DataObject) -> None:
    for _change in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        piece = data.draw(
            st.sampled_from([b'"', b"{", b"}", b"\xff", b"\\ud800", b"\\u0000", b"1e999", b"[" * 2000, b"null", b",", b":"])
        )
        body = body[:at] + piece + body[at:]

    assert decoded_or_errors(body)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"id": "a"}', "a"),
        (b'{"x": "\\ud83d", "id":"\\u0061"}', "a"),
        (b'{"x": "\xff", "id" : "a", "y": {"id": "b"}}', "a"),
        (b'{"x": [{"id": "b"}, "\\"id\\": \\"c\\""], "id": "a"', "a"),
        (b'{"id": "b", "id": "a"}', "a"),
        (b'{"id": "\\ud83d"}', None),
        (b'{"id": "cut', None),
        (b'{"id": 5}', None),
        (b'{"x": {"id": "b"}}', None),
        (b'[{"id": "b"}]', None),
        (b"", None),
    ],
)
def test_a_text_is_found_in_what_cannot_be_decoded(body: bytes, found: str | None) -> None:
    assert find_text(body, "id") == found


class Counted(msgspec.Struct):
    """A struct with an integer, a number and a text."""

    number: int
    share: float = 0
    text: str = ""


def test_an_integer_may_be_written_with_a_decimal_point() -> None:
    body = b'{"number": -5.0, "share": 3.50, "text": "a \\" 6.0 ", "unknown": 7.0}'

    assert Decoder(Counted).decode(body) == Counted(-5, 3.5, 'a " 6.0 ')


@pytest.mark.parametrize("number", ["5.5", "5.01", "5.0e0", '"5.0"', "null"])
def test_what_is_no_integer_is_refused(number: str) -> None:
    with pytest.raises(Invalid) as refused:
        Decoder(Counted).decode(b'{"number": %s, "share": 2.0}' % number.encode())

    assert [each.field for each in refused.value.fields] == ["number"]


async def test_only_large_bodies_are_decoded_in_a_thread() -> None:
    decoded_in = [await decode_apart(lambda _: threading.current_thread(), b" " * size) for size in (50_000, 50_001)]

    assert decoded_in[0] is threading.current_thread()
    assert decoded_in[1] is not threading.current_thread()


class Placed(msgspec.Struct):
    """A body that knows which thread has decoded it."""

    text: str

    def __post_init__(self) -> None:
        self.text = str(threading.get_ident())


class PlacedRoutes:
    """Returns where the body was decoded."""

    @post("/placed", body=Placed, responses={200: Placed}, public=True)
    async def place(self, request: Request[None, Placed]) -> Response:
        """Return the body."""
        return Response(200, request.body)


async def test_a_route_decodes_a_large_body_outside_the_loop() -> None:
    settings = Settings.load(secret_key="a-secret-key-that-is-only-for-tests")
    transactions: Any = None
    router = make_router("/", "Test", [PlacedRoutes()], transactions=transactions, settings=settings)
    routes: Any = Litestar([router]).routes
    (endpoint,) = [each.opt[ENDPOINT] for route in routes for each in route.route_handlers if ENDPOINT in each.opt]
    scope: Any = {"headers": [], "path_params": {}}
    decoded_in = []
    for size in (1, 60_000):

        async def receive(body: bytes = msgspec.json.encode({"text": "a" * size})) -> Any:
            return {"type": "http.request", "body": body}

        response = await endpoint.respond(scope, receive)
        decoded_in.append(msgspec.json.decode(response.content)["text"])

    assert decoded_in[0] == str(threading.get_ident())
    assert decoded_in[1] != decoded_in[0]

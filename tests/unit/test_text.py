"""One form of text: what looks the same is the same, in texts, in JSON, and in numbers of JSON."""

import json
import re
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from headway.errors import Invalid
from headway.http.decoding import VERBATIM, Decoder
from headway.text import NOT_BLANK, canonical_json, is_blank, is_nfc, nfc, nfc_json, nfd
from headway.words import fold

COMPOSED, DECOMPOSED = "zo\u00eb", "zoe\u0308"
VIETNAMESE = "Vi\u00ea\u0323t"
"""As a keyboard types it: neither composed nor decomposed."""
EXPANDING = "\U0001d160"
"""One character, three in NFC."""


class Part(msgspec.Struct):
    """A part of a body."""

    title: str


class Body(msgspec.Struct, rename="camel"):
    """A body with texts in all places."""

    some_text: Annotated[str, Meta(max_length=5)] | None = None
    words: list[str] = []
    parts: list[Part] = []
    metadata: dict[str, Any] | None = None
    secret: Annotated[str, VERBATIM] = ""
    number: float = 0


def decode(value: object, *, ensure_ascii: bool) -> Body:
    decoded: Body = Decoder(Body).decode(json.dumps(value, ensure_ascii=ensure_ascii).encode())
    return decoded


@pytest.mark.parametrize("text", [COMPOSED, DECOMPOSED])
def test_composed_and_decomposed_are_one(text: str) -> None:
    assert nfc(text) == COMPOSED
    assert nfd(text) == DECOMPOSED


@given(st.text())
def test_the_form_of_a_text_is_a_form_of_its_form(text: str) -> None:
    assert nfc(nfc(text)) == nfc(text)
    assert nfc(nfd(text)) == nfc(text)


@pytest.mark.parametrize("marks", ["\u0301\u0327", "\u0f73", "\uff9e\u0301"], ids=["marks", "Tibetan", "halfwidth"])
@pytest.mark.parametrize("count", [30, 31, 200_000])
def test_a_letter_with_many_marks_takes_no_long_time(marks: str, count: int) -> None:
    text = f"{DECOMPOSED} e{marks * (count // len(marks))} {DECOMPOSED}"

    assert nfc(text).startswith(COMPOSED)
    assert nfc(text).endswith(COMPOSED)
    assert nfd(text).endswith(DECOMPOSED)
    assert fold(text).startswith("zoe e")
    assert fold(text).endswith("zoe")


@pytest.mark.parametrize("ensure_ascii", [True, False], ids=["escaped", "UTF-8"])
def test_all_texts_of_a_body_are_in_one_form(ensure_ascii: bool) -> None:
    sent = {
        "someText": DECOMPOSED,
        "words": ["a", DECOMPOSED],
        "parts": [{"title": VIETNAMESE}],
        "metadata": {DECOMPOSED: {"deep": [DECOMPOSED, 1, 2**60 + 1, None]}},
        "secret": DECOMPOSED,
        "undeclared": DECOMPOSED,
        "number": 0.1,
    }

    found = decode(sent, ensure_ascii=ensure_ascii)

    assert (found.some_text, found.words, found.parts) == (COMPOSED, ["a", COMPOSED], [Part("Vi\u1ec7t")])
    assert found.metadata == {COMPOSED: {"deep": [COMPOSED, 1, 2**60 + 1, None]}}
    assert (found.secret, found.number) == (DECOMPOSED, 0.1)


def test_a_mark_after_an_escape_stays_where_it_is() -> None:
    assert decode({"words": ["\n\u0303"]}, ensure_ascii=False).words == ["\n\u0303"]


@pytest.mark.parametrize("ensure_ascii", [True, False], ids=["escaped", "UTF-8"])
def test_a_text_is_bounded_as_it_is_stored(ensure_ascii: bool) -> None:
    assert decode({"someText": EXPANDING}, ensure_ascii=ensure_ascii).some_text == nfc(EXPANDING)
    with pytest.raises(Invalid) as refused:
        decode({"someText": EXPANDING * 2}, ensure_ascii=ensure_ascii)
    assert [each.field for each in refused.value.fields] == ["someText"]


@given(st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_all_texts_of_a_json_value_are_in_one_form(value: object) -> None:
    assert is_nfc(json.dumps(nfc_json([value]), ensure_ascii=False))


EQUAL = [
    ['{"n":1}', '{"n":1.0}', '{"n":1e0}', '{"n":10E-1}', '{"n":1.000}'],
    ['{"n":0}', '{"n":-0}', '{"n":-0.0}', '{"n":0e5}'],
    ['{"n":100000000000000000000}', '{"n":1e20}'],
    ['{"a":1,"b":[2,{"c":3,"d":4}]}', '{"b":[2.0,{"d":4.0,"c":3.0}],"a":1.0}'],
    ['{"who":"zo\u00eb"}', '{"who":"zoe\u0308"}', '{"who":"zo\\u00eb"}', '{"who":"zo\\u0065\\u0308"}'],
    ['{"zo\u00eb":1}', '{"zoe\u0308":1}'],
    ['{"n":9007199254740992}', '{"n":9007199254740992.0}'],
    ['{"n":0.1}', '{"n":0.10}', '{"n":1e-1}'],
    ['{"n":1e300}', '{"n":1.0e300}'],
    ['{"n":9007199254740993}'],
    ['{"n":9007199254740994}'],
    ['{"n":18446744073709551617}'],
    ['{"n":18446744073709551618}'],
    ['{"n":"1"}'],
    ['{"n":"1.0"}'],
    ['{"n":true}'],
    ['{"n":null}'],
    ["{}"],
    ['{"n":[1,2]}'],
    ['{"n":[2,1]}'],
]


@pytest.mark.parametrize("texts", EQUAL, ids=lambda texts: texts[0])
def test_equal_json_has_one_form(texts: list[str]) -> None:
    assert {canonical_json(msgspec.json.decode(text)) for text in texts} == {canonical_json(msgspec.json.decode(texts[0]))}


def test_other_json_has_another_form() -> None:
    forms = [canonical_json(msgspec.json.decode(texts[0])) for texts in EQUAL]

    assert len(set(forms)) == len(EQUAL)


@pytest.mark.parametrize("texts", EQUAL, ids=lambda texts: texts[0])
def test_the_form_of_json_is_its_own_form(texts: list[str]) -> None:
    form = canonical_json(msgspec.json.decode(texts[-1]))

    assert canonical_json(msgspec.json.decode(form)) == form


@pytest.mark.parametrize("text", ["", " ", "\t\r\n", "\x00", "\x19", "\x1f\x7f", "\x85\xa0\u2003\u3000"])
def test_white_space_and_controls_alone_are_blank(text: str) -> None:
    assert is_blank(text)
    assert not re.search(NOT_BLANK, text)


@pytest.mark.parametrize("text", ["a", " a ", "\n.", "\u5b57", "\U0001f600", "\x19a"])
def test_what_can_be_seen_is_not_blank(text: str) -> None:
    assert not is_blank(text)
    assert re.search(NOT_BLANK, text)

"""Paths as the router sees them, and what becomes of their parameters."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.http.paths import LONGEST_PART, allow, decode_parameter, routable
from headway.ids import MAX_EXTERNAL_ID


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=255))
def test_any_id_that_a_client_encodes_is_that_id(text: str) -> None:
    path = routable(f"/a/{quote(text, safe='')}/b".encode())

    before, part, after = path[1:].split("/")
    assert (before, decode_parameter(part), after) == ("a", text, "b")


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/a/b", "/a/b"),
        (b"/%61/b%2Fc", "/a/b%2Fc"),
        (b"/a%252Fb", "/a%252Fb"),
        (b"/100%", "/100%25"),
        (b"/%zz", "/%25zz"),
        (b"/a/", "/a/"),
        (b"/%C3%A9%FF", "/\u00e9\ufffd"),
    ],
)
def test_only_slashes_and_percent_signs_within_parts_stay_encoded(raw: bytes, path: str) -> None:
    assert routable(raw) == path


def test_what_no_database_can_store_is_part_of_no_id() -> None:
    assert decode_parameter(routable(b"a%00b")) == "a\ufffdb"


@pytest.mark.parametrize("part", [b"x" * 30_000, b"%F0%9F%98%80" * 3_000, b"%2F" * 10_000])
def test_a_part_that_is_too_long_for_an_id_is_cut_and_still_too_long(part: bytes) -> None:
    path = routable(b"/" + part)

    assert len(path) == 1 + LONGEST_PART
    assert len(decode_parameter(path[1:])) > MAX_EXTERNAL_ID


@pytest.mark.parametrize(
    ("methods", "value"), [(["POST"], "OPTIONS, POST"), (["GET"], "GET, HEAD, OPTIONS"), (["PUT", "OPTIONS"], "OPTIONS, PUT")]
)
def test_head_goes_with_get_and_options_with_everything(methods: list[str], value: str) -> None:
    assert allow(methods) == value

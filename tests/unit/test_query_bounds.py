"""Every parameter of every route's query is bounded, and a bad one is named."""

from typing import Any

import msgspec
import pytest

from headway.app import create_app
from headway.errors import Invalid
from headway.http.openapi import operations_of
from headway.http.request import decode_query
from headway.settings import Settings
from tests.app_server import litestar_of


def queries() -> dict[str, Any]:
    """Return the queries of all routes, by their names."""
    litestar = litestar_of(create_app(Settings(secret_key="k" * 32)))
    operations = [operation for route in litestar.routes for operation in operations_of(route)]
    return {each.route.query.__name__: each.route.query for each in operations if each.route.query is not None}


QUERIES = queries()
PARAMETERS = [(name, field.encode_name) for name, kind in QUERIES.items() for field in msgspec.structs.fields(kind)]


@pytest.mark.parametrize(("query", "parameter"), PARAMETERS)
@pytest.mark.parametrize("value", [b"a" * 50_000, b"1" * 50_000, b"%F0%9F%98%80" * 5_000], ids=["text", "digits", "emoji"])
def test_a_parameter_that_is_too_long_is_named_and_not_repeated(query: str, parameter: str, value: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        decode_query(parameter.encode() + b"=" + value, QUERIES[query])

    assert {each.field for each in refused.value.fields} == {parameter}
    assert all(len(each.message) <= 300 for each in refused.value.fields)


@pytest.mark.parametrize(("query", "parameter"), PARAMETERS)
@pytest.mark.parametrize("value", [b"%FF", b"%ED%A0%80", b"\xff", b"%00", b"a%00b"], ids=repr)
def test_what_no_database_can_store_is_refused_by_its_parameter(query: str, parameter: str, value: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        decode_query(parameter.encode() + b"=" + value, QUERIES[query])

    assert {each.field for each in refused.value.fields} == {parameter}


@pytest.mark.parametrize("query", sorted(QUERIES))
def test_parameters_that_are_not_declared_are_not_looked_at(query: str) -> None:
    unknown = b"&".join(b"unknown%d=%%00%%FF" % number for number in range(90))

    assert decode_query(unknown, QUERIES[query]) == QUERIES[query]()


def test_of_a_parameter_that_is_given_twice_the_first_counts() -> None:
    assert decode_query(b"page=2&page=x&limit=5", QUERIES["PageQuery"]) == QUERIES["PageQuery"](page=2, limit=5)


def test_a_query_with_too_many_parameters_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        decode_query(b"&".join([b"a=1"] * 101), QUERIES["PageQuery"])

    assert [each.field for each in refused.value.fields] == ["query"]

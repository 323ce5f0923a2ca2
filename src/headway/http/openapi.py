"""The OpenAPI document, made from the routes: each says what it takes and gives, and its contract how it tells errors."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec
from litestar.handlers import BaseRouteHandler
from litestar.routes import ASGIRoute, BaseRoute, HTTPRoute

import headway
from headway.http.contract import Contract

_REFERENCE = "#/components/schemas/{name}"
_OUTCOMES = {
    200: "Done.",
    400: "Nothing of it is valid; what is wrong is named.",
    201: "Made.",
    202: "Accepted.",
    204: "Done; there is nothing to tell.",
    304: "Nothing has changed.",
    503: "Not now.",
}
_ERRORS = {
    400: "The request is not valid; the fields at fault are named.",
    401: "A bearer token is missing, not valid, expired or revoked.",
    403: "The caller has not the right.",
    404: "There is no such thing.",
    409: "The state of things forbids it.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The Idempotency-Key was used for another request.",
    429: "Too many attempts; try again after the seconds in `Retry-After`.",
    500: "Something went wrong on the server; only a request id is told.",
    503: "Not now; try again after the seconds in `Retry-After`.",
}


_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A repetition of the request with the same key gets the same answer, and nothing is done twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}

Kind: TypeAlias = Any
"""A struct type, or a generic one of something."""


class Operation(NamedTuple):
    """What a route takes and gives, kept in its options under `operation`."""

    method: str
    text: str
    query: type[msgspec.Struct] | None
    body: Kind | None
    answers: Mapping[int, tuple[Kind, ...]]
    tags: tuple[str, ...]
    is_public: bool
    takes_key: bool
    is_body_optional: bool


def documented(  # noqa: PLR0913 - all of them are keywords of one declaration
    method: str,
    endpoint: Callable[..., Any],
    *,
    answers: Mapping[int, Kind],
    query: type[msgspec.Struct] | None = None,
    body: Kind | None = None,
    tag: str,
    is_public: bool = False,
    takes_key: bool = False,
    is_body_optional: bool = False,
) -> dict[str, Any]:
    """Give the options of a route that tell the document what it takes and gives, and whether it wants a caller.

    `takes_key` says that it may be given an Idempotency-Key.
    """
    text = inspect.getdoc(endpoint) or ""
    kinds = {status: kind if isinstance(kind, tuple) else (kind,) for status, kind in answers.items()}
    operation = Operation(method, text, query, body, kinds, (tag,), is_public, takes_key, is_body_optional)
    return {"operation": operation, "public": is_public}


def document(routes: Iterable[BaseRoute], contracts: Sequence[Contract]) -> dict[str, Any]:
    """Make the document: OpenAPI 3.1 for every route that tells of its operation."""
    described = [(route.path_format, operation) for route in routes for operation in _operations(route)]
    kinds = {kind for _, operation in described for each in operation.answers.values() for kind in each}
    kinds |= {operation.body for _, operation in described if operation.body}
    kinds |= {contract.error_schema for contract in contracts}
    ordered = sorted(kinds, key=str)
    schemas, components = msgspec.json.schema_components(ordered, ref_template=_REFERENCE)
    references = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for path, operation in sorted(described, key=lambda each: (each[0], each[1].method)):
        contract = next((each for each in contracts if each.owns(path)), None)
        paths.setdefault(path, {})[operation.method] = _describe(path, operation, contract, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headway", "version": headway.__version__, "description": headway.__doc__},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{"bearer": []}],
    }


def _operations(route: BaseRoute) -> list[Operation]:
    if isinstance(route, HTTPRoute):
        handlers: list[BaseRouteHandler] = [handler for handler, _ in route.route_handler_map.values()]
    else:
        handlers = [route.route_handler] if isinstance(route, ASGIRoute) else []
    return [handler.opt["operation"] for handler in handlers if "operation" in handler.opt]


def _describe(
    path: str, operation: Operation, contract: Contract | None, references: Mapping[Kind, dict[str, Any]]
) -> dict[str, Any]:
    def content(*kinds: Kind) -> dict[str, Any]:
        schemas = [references[kind] for kind in kinds]
        return {"application/json": {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}

    described: dict[str, Any] = {
        "operationId": f"{operation.method} {path}",
        "summary": operation.text.partition("\n")[0],
        "description": operation.text,
        "tags": list(operation.tags),
        "responses": {
            str(status): {"description": _OUTCOMES[status]} | ({"content": content(*kinds)} if kinds else {})
            for status, kinds in operation.answers.items()
        },
    }
    parameters = [*_path_parameters(path), *_query_parameters(operation.query)]
    parameters += [_IDEMPOTENCY_KEY] if operation.takes_key else []
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = {"required": not operation.is_body_optional, "content": content(operation.body)}
    if operation.is_public:
        described["security"] = []
    if contract is not None:
        for status in contract.error_statuses:
            error = {"description": _ERRORS[status], "content": content(contract.error_schema)}
            described["responses"].setdefault(str(status), error)
    return described


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(kind: type[msgspec.Struct] | None) -> list[dict[str, Any]]:
    if kind is None:
        return []
    ((_, components),) = [msgspec.json.schema_components([kind], ref_template="{name}")]
    fields = components[kind.__name__]["properties"]
    return [
        {"name": field.encode_name, "in": "query", "required": field.required, "schema": fields[field.encode_name]}
        for field in msgspec.structs.fields(kind)
    ]

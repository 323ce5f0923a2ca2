"""The OpenAPI document, made from the routes: each says what it takes and gives, and its contract how it tells errors."""

import inspect
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
    503: "Not now.",
}
_ERRORS = {
    400: "The request is not valid; the fields at fault are named.",
    401: "A bearer token is missing, not valid, expired or revoked.",
    403: "The caller has not the right.",
    409: "The state of things forbids it.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    500: "Something went wrong on the server; only a request id is told.",
    503: "Not now; try again after the seconds in `Retry-After`.",
}


Kind: TypeAlias = type[msgspec.Struct]


class Operation(NamedTuple):
    """What a route takes and gives, kept in its options under `operation`."""

    method: str
    text: str
    body: Kind | None
    answers: Mapping[int, tuple[Kind, ...]]
    tags: tuple[str, ...]
    is_public: bool


def documented(
    method: str,
    endpoint: Callable[..., Any],
    *,
    answers: Mapping[int, Kind | tuple[Kind, ...]],
    body: Kind | None = None,
    tag: str,
    is_public: bool = False,
) -> dict[str, Any]:
    """Give the options of a route that tell the document what it takes and gives, and whether it wants a caller."""
    text = inspect.getdoc(endpoint) or ""
    kinds = {status: kind if isinstance(kind, tuple) else (kind,) for status, kind in answers.items()}
    return {"operation": Operation(method, text, body, kinds, (tag,), is_public), "public": is_public}


def document(routes: Iterable[BaseRoute], contracts: Sequence[Contract]) -> dict[str, Any]:
    """Make the document: OpenAPI 3.1 for every route that tells of its operation."""
    described = [(route.path_format, operation) for route in routes for operation in _operations(route)]
    kinds = {kind for _, operation in described for each in operation.answers.values() for kind in each}
    kinds |= {operation.body for _, operation in described if operation.body}
    kinds |= {contract.error_schema for contract in contracts}
    _, components = msgspec.json.schema_components(sorted(kinds, key=lambda kind: kind.__name__), ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for path, operation in sorted(described):
        contract = next((each for each in contracts if each.owns(path)), None)
        paths.setdefault(path, {})[operation.method] = _describe(path, operation, contract)
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


def _describe(path: str, operation: Operation, contract: Contract | None) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": f"{operation.method} {path}",
        "summary": operation.text.partition("\n")[0],
        "description": operation.text,
        "tags": list(operation.tags),
        "responses": {
            str(status): {"description": _OUTCOMES[status], "content": _content(*kinds)}
            for status, kinds in operation.answers.items()
        },
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": _content(operation.body)}
    if operation.is_public:
        described["security"] = []
    if contract is not None:
        for status, meaning in _ERRORS.items():
            described["responses"].setdefault(str(status), {"description": meaning, "content": _content(contract.error_schema)})
    return described


def _content(*kinds: Kind) -> dict[str, Any]:
    references = [{"$ref": _REFERENCE.format(name=kind.__name__)} for kind in kinds]
    return {"application/json": {"schema": references[0] if len(references) == 1 else {"anyOf": references}}}

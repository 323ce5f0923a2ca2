"""The OpenAPI document, made from the routes: each says what it takes and gives, and its contract how it tells errors."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.routes import BaseRoute, HTTPRoute

import headway
from headway.http.contract import Contract

_REFERENCE = "#/components/schemas/{name}"
_COMMON_ERRORS = {
    400: "The request is not valid; the fields at fault are named.",
    401: "A bearer token is missing, not valid, expired or revoked.",
    403: "The caller has not the right.",
    409: "The state of things forbids it.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    500: "Something went wrong on the server; only a request id is told.",
    503: "Not now; try again after the seconds in `Retry-After`.",
}


def documented(
    body: type[msgspec.Struct] | None, answers: Mapping[int, type[msgspec.Struct]], *, public: bool = False
) -> dict[str, Any]:
    """Say what a route takes and gives, as options of its handler."""
    return {"opt": {"body": body, "answers": answers, "public": public}, "status_code": min(answers)}


def document(routes: Iterable[BaseRoute], contracts: Sequence[Contract]) -> dict[str, Any]:
    """Make the document: OpenAPI 3.1 for every route that takes part in it."""
    described = [
        (route.path_format, method.lower(), handler)
        for route in routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if method != "OPTIONS" and handler.resolve_include_in_schema()
    ]
    kinds = {kind for _, _, handler in described for kind in _kinds(handler)} | {c.error_schema for c in contracts}
    ordered = sorted(kinds, key=lambda kind: kind.__name__)
    _, components = msgspec.json.schema_components(ordered, ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for path, method, handler in described:
        contract = next((each for each in contracts if each.owns(path)), None)
        paths.setdefault(path, {})[method] = _operation(handler, contract, f"{method} {path}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headway", "version": headway.__version__, "description": headway.__doc__},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{"bearer": []}],
    }


def _kinds(handler: HTTPRouteHandler) -> list[type[msgspec.Struct]]:
    body = handler.opt.get("body")
    return [*([body] if body else []), *handler.opt.get("answers", {}).values()]


def _operation(handler: HTTPRouteHandler, contract: Contract | None, identity: str) -> dict[str, Any]:
    text = inspect.getdoc(handler.fn) or ""
    operation: dict[str, Any] = {
        "operationId": identity,
        "summary": text.partition("\n")[0],
        "description": text,
        "tags": sorted(handler.resolve_tags()) if hasattr(handler, "resolve_tags") else sorted(handler.tags or ()),
        "responses": {
            str(status): {"description": _outcome(status), "content": _content(kind)}
            for status, kind in handler.opt.get("answers", {}).items()
        },
    }
    if handler.opt.get("body"):
        operation["requestBody"] = {"required": True, "content": _content(handler.opt["body"])}
    if handler.opt.get("public"):
        operation["security"] = []
    if contract is not None:
        for status, meaning in _COMMON_ERRORS.items():
            operation["responses"].setdefault(str(status), {"description": meaning, "content": _content(contract.error_schema)})
    elif not operation["responses"]:
        operation["responses"]["200"] = {"description": "As described."}
    return operation


def _content(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(name=kind.__name__)}}}


def _outcome(status: int) -> str:
    return {200: "Done.", 201: "Made.", 202: "Accepted.", 204: "Done; there is nothing to tell."}[status]

"""The OpenAPI document, built from route declarations and the error envelopes of contracts."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from litestar.routes import BaseRoute, HTTPRoute

import headway
from headway.errors import camel_case
from headway.http.contract import Contract
from headway.http.decoding import declared_fields
from headway.http.routes import Kind, Operation
from headway.http.schemas import without_nul
from headway.settings import Settings

_SETTING = re.compile(r'"\$\{(\w+)\}"')
_PATH_PARAMETER = re.compile(r"{(\w+)}")
_REFERENCE = "#/components/schemas/{name}"
_OUTCOMES = {
    200: "Success.",
    201: "Created.",
    202: "Accepted.",
    204: "Success, without a body.",
    304: "Not modified.",
    400: "No item of the request is valid; `errors` names the reasons.",
    503: "Not available.",
}
_ERRORS = {
    400: "The request is not valid; the error names the invalid fields.",
    401: "The bearer token is missing, invalid, expired or revoked.",
    403: "The caller lacks the permission.",
    404: "The resource does not exist.",
    409: "The state of the resource does not allow the request.",
    413: "The body is too large.",
    415: "The body is of another media type.",
    422: "The Idempotency-Key was used for another request.",
    429: "Too many requests; try again after the seconds in `Retry-After`.",
    500: "The server failed; the response holds a request id and no details.",
    503: "Not available; try again after the seconds in `Retry-After`.",
}
_FILE = "A file, sent part by part. Where it cannot be completed, the response ends without its last chunk."
_API_KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key of a service account, `hk_…`, with the scope that is named.",
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A repeated request with the same key changes nothing and returns the response of the first.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}


def document(routes: Iterable[BaseRoute], contracts: Sequence[Contract], settings: Settings) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of every route that has an operation.

    A bound that is a setting is written as its name in a struct: `extra_json_schema={"maximum": "${max_page_size}"}`.
    """
    described = [(route.path_format, operation) for route in routes for operation in operations_of(route)]
    kinds = {kind for _, operation in described for kinds in operation.route.responses.values() for kind in _each(kinds)}
    kinds |= {operation.route.body for _, operation in described if operation.route.body}
    kinds |= {kind for _, operation in described for kind in operation.route.other_bodies}
    kinds |= {contract.error_schema for contract in contracts}
    ordered = sorted(kinds, key=str)
    schemas, components = msgspec.json.schema_components(ordered, ref_template=_REFERENCE)
    references = dict(zip(ordered, schemas, strict=True))
    components |= {name: schema for contract in contracts for name, schema in contract.schemas.items()}
    paths: dict[str, dict[str, Any]] = {}
    for path, operation in sorted(described, key=lambda each: (each[0], each[1].route.method)):
        contract = next((each for each in contracts if each.owns(path)), None)
        paths.setdefault(path, {})[operation.route.method.lower()] = _describe(path, operation, contract, references)
    described_api = {
        "openapi": "3.1.0",
        "info": {"title": "Headway", "version": headway.__version__, "description": headway.__doc__},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}, "apiKey": _API_KEY},
        },
        "security": [{"bearer": []}],
    }
    text = msgspec.json.encode(without_nul(described_api)).decode()
    filled: dict[str, Any] = msgspec.json.decode(_SETTING.sub(lambda match: str(getattr(settings, match[1])), text))
    return filled


def field_names(routes: Iterable[BaseRoute]) -> frozenset[str]:
    """Return the names of all fields that clients may send, as errors write them: in the case of Python and in camel case."""
    names = {"body", "query", "id", "Idempotency-Key"}
    for route in routes:
        for operation in operations_of(route):
            names |= set(_PATH_PARAMETER.findall(route.path_format))
            for kind in (operation.route.query, operation.route.body):
                names |= set() if kind is None else set(declared_fields(kind))
    return frozenset(names | {camel_case(name) for name in names})


def operations_of(route: BaseRoute) -> list[Operation]:
    """Return the declared operations of a route, one for each method."""
    handlers = [handler for handler, _ in route.route_handler_map.values()] if isinstance(route, HTTPRoute) else []
    return [handler.opt["operation"] for handler in handlers if "operation" in handler.opt]


def _each(kinds: Kind | tuple[Kind, ...]) -> tuple[Kind, ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)


def _describe(
    path: str, operation: Operation, contract: Contract | None, references: Mapping[Kind, dict[str, Any]]
) -> dict[str, Any]:
    def content(*kinds: Kind) -> dict[str, Any]:
        schemas = [references[kind] for kind in kinds]
        return {"application/json": {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}

    route = operation.route
    described: dict[str, Any] = {
        "operationId": f"{route.method.lower()} {path}",
        "summary": operation.description.partition("\n")[0],
        "description": operation.description,
        "tags": [operation.tag],
        "responses": {
            str(status): {"description": _OUTCOMES[status]} | ({"content": content(*_each(kinds))} if kinds else {})
            for status, kinds in route.responses.items()
        },
    }
    if route.streams:
        described["responses"]["200"] = {"description": _FILE, "content": {media_type: {} for media_type in route.streams}}
    parameters = [*_path_parameters(path, operation.path_schemas), *_query_parameters(route.query)]
    parameters += [_IDEMPOTENCY_KEY] if route.idempotent else []
    if parameters:
        described["parameters"] = parameters
    if route.body is not None:
        described["requestBody"] = {"required": not route.optional_body, "content": content(route.body, *route.other_bodies)}
    if route.media_types:
        files = {each: {"schema": {"type": "string", "format": "binary"}} for each in route.media_types}
        described["requestBody"] = {"required": True, "content": files}
    if route.public:
        described["security"] = []
    elif route.scope is not None:
        described["security"] = [{"bearer": []}, {"apiKey": [route.scope.value]}]
    if contract is not None:
        for status in contract.error_statuses:
            error = {"description": _ERRORS[status], "content": content(contract.error_schema)}
            described["responses"].setdefault(str(status), error)
    return described


def _path_parameters(path: str, schemas: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": schemas.get(name, {"type": "string"})}
        for name in _PATH_PARAMETER.findall(path)
    ]


def _query_parameters(kind: type[msgspec.Struct] | None) -> list[dict[str, Any]]:
    if kind is None:
        return []
    _, components = msgspec.json.schema_components([kind], ref_template="{name}")
    fields = components.pop(kind.__name__)["properties"]
    return [
        {"name": field.encode_name, "in": "query", "required": field.required, "schema": _present(_inlined(schema, components))}
        for field in msgspec.structs.fields(kind)
        for schema in [fields[field.encode_name]]
    ]


def _present(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter where it is given: a query has no null."""
    schema = {key: value for key, value in schema.items() if (key, value) != ("default", None)}
    kinds = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    if not kinds:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**kinds[0], **rest} if len(kinds) == 1 else {"anyOf": kinds, **rest}


def _inlined(schema: Any, components: Mapping[str, Any]) -> Any:
    """Return the schema of a parameter with what it refers to, such as an enumeration, in place of the reference."""
    if isinstance(schema, list):
        return [_inlined(each, components) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return components[schema["$ref"]]
    return {key: _inlined(each, components) for key, each in schema.items()}

"""Wire behaviour as case files: YAML lists of requests, each with the status, headers and body that must come back.

A case has a `name`, the `section` of the contract's reference that it holds (or `Settled: …` for what the reference leaves
open) and either one `request` with its `response`, or several of them as `steps`. With `each`, a case is gone through once
for every value, which is put where `${value}` stands, and its number where `${index}` does; where a value is a list,
`${value_0}` is the first of it. Steps in `setup` are gone through once, before. With `keep: {name: path.in.body}` a response is
remembered for later steps as `${name}`; with `has: {path.in.body: value}` only what is at these places is looked at.

In requests and responses `${name}` stands for what the tests have made, such as `${course}`; in responses also `${text}` for
any text, `${number}` for any whole number above 0, `${list}` for any list, `${uuid}` for a UUID of version 7, `${id}` for an id
that is safe to log, and `${request_id}` for the id in the header `X-Request-Id`.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml


class Step(NamedTuple):
    """One request with what must come back."""

    request: dict[str, Any]
    response: dict[str, Any]


class Case(NamedTuple):
    """One behaviour."""

    file: str
    name: str
    section: str
    setup: list[Step]
    steps: list[Step]
    each: list[Any]

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"


class AnyText:
    """Equals any text that matches a pattern, so that a mismatch shows beside the rest of a body."""

    def __init__(self, pattern: str = r"(?s).+") -> None:
        self._pattern = re.compile(pattern)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self._pattern.fullmatch(other) is not None

    def __hash__(self) -> int:
        return hash(self._pattern)

    def __repr__(self) -> str:
        return f"<text like {self._pattern.pattern}>"


class AnyNumber:
    """Equals any whole number above 0."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and not isinstance(other, bool) and other > 0

    def __hash__(self) -> int:
        return hash(AnyNumber)

    def __repr__(self) -> str:
        return "<whole number above 0>"


class AnyList:
    """Equals any list."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list)

    def __hash__(self) -> int:
        return hash(AnyList)

    def __repr__(self) -> str:
        return "<any list>"


UUID7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
MARKS = {
    "text": AnyText(),
    "number": AnyNumber(),
    "list": AnyList(),
    "uuid": AnyText(UUID7),
    "id": AnyText(r"[A-Za-z0-9._-]{1,100}"),
}


class _Deferred(NamedTuple):
    """A tagged value, made once the names in it are known."""

    tag: str
    content: Any

    def make(self, names: Mapping[str, Any]) -> Any:
        return _MAKERS[self.tag](fill(self.content, names))


def _nested(levels: int) -> Any:
    value: Any = "innermost"
    for _level in range(levels):
        value = {"deeper": value}
    return value


def _padded(content: dict[str, Any]) -> dict[str, Any]:
    """Add an unknown field that makes the object's JSON exactly so many bytes long."""
    value = content["json"] | {"padding": ""}
    return {**value, "padding": "x" * (content["bytes"] - len(encode(value)))}


def _failure(content: dict[str, Any]) -> dict[str, Any]:
    errors = [{"field": field, "message": MARKS["text"]} for field in content["fields"]]
    message = content.get("message", MARKS["text"])
    return {"success": False, "message": message, "errors": errors, "request_id": "${request_id}"}


def _rejected(content: dict[str, Any]) -> dict[str, Any]:
    errors = [{"field": field, "message": MARKS["text"]} for field in content["fields"]]
    return {"index": content["index"], "event_id": content.get("event_id"), "status": "rejected", "errors": errors}


_MAKERS: dict[str, Callable[[Any], Any]] = {
    "repeat": lambda content: content[0] * content[1],
    "items": lambda content: [content[0]] * content[1],
    "join": lambda content: "".join(str(part) for part in content),
    "number": int,
    "bytes": lambda content: content.encode("latin-1"),
    "merge": lambda content: content[0] | content[1],
    "nested": _nested,
    "sized": _padded,
    "failure": _failure,
    "rejected": _rejected,
}
"""What each tag makes of its content."""


class _Loader(yaml.SafeLoader):
    """Reads tagged values as deferred ones, and leaves timestamps as text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the library's own form
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _deferred(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> _Deferred:
    if isinstance(node, yaml.MappingNode):
        return _Deferred(tag, loader.construct_mapping(node, deep=True))
    if isinstance(node, yaml.SequenceNode):
        return _Deferred(tag, loader.construct_sequence(node, deep=True))
    assert isinstance(node, yaml.ScalarNode)
    return _Deferred(tag, yaml.safe_load(node.value) if tag == "nested" else node.value)


_Loader.add_multi_constructor("!", _deferred)


def read_cases(folder: Path) -> list[Case]:
    """Read all case files of a folder."""
    return [case for file in sorted(folder.glob("*.yaml")) for case in _read_file(file)]


def _read_file(file: Path) -> Iterator[Case]:
    content = yaml.load(file.read_text(), Loader=_Loader)  # noqa: S506 - a subclass of the safe loader
    for given in content["cases"]:
        steps = given.get("steps") or [{"request": given["request"], "response": given["response"]}]
        section = given.get("section", content.get("section"))
        assert section, f"{file.name}: {given['name']} does not say which section it holds"
        setup, steps = ([Step(**step) for step in each] for each in (given.get("setup", []), steps))
        yield Case(file.stem, given["name"], section, setup, steps, given.get("each", [None]))


def fill(value: Any, names: Mapping[str, Any]) -> Any:
    """Put names and tagged values in their places; a text that is nothing but one name becomes what it stands for."""
    if isinstance(value, _Deferred):
        return fill(value.make(names), names)
    if isinstance(value, dict):
        return {fill(key, names): fill(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, names) for each in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    whole = re.fullmatch(r"\$\{(\w+)\}", value)
    if whole:
        return names.get(whole[1], value)
    return re.sub(r"\$\{(\w+)\}", lambda found: str(names[found[1]]), value)


def encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


Written = Callable[[dict[str, Any], Mapping[str, Any]], dict[str, Any]]
"""Writes an expected response out, where a contract has words of its own for parts of it; the names are those known."""


def _as_it_is(response: dict[str, Any], _names: Mapping[str, Any]) -> dict[str, Any]:
    return response


def in_short(
    response: dict[str, Any], known: Mapping[str, Any], envelope: Callable[[AnyText], dict[str, Any]]
) -> dict[str, Any]:
    """Write out a response of a contract whose errors tell a message alone, given that message's envelope.

    `error: WORD` stands for the envelope of an error whose message has that word, `invalid: [field, …]` for that of one whose
    message names these fields and no others. 204 and 304 have no body.
    """
    if response["status"] in {204, 304}:
        return {**response, "body": None, "headers": {"content-type": None, **response.get("headers", {})}}
    if "error" not in response and "invalid" not in response:
        return response
    told = fill({name: response.get(name) for name in ("error", "invalid")}, known)
    faults = [f"{re.escape(field)} [^;]+" for field in told["invalid"] or ()]
    message = AnyText("; ".join(faults) if faults else rf"(?i).*\b{told['error']}\b.*")
    return {**response, "body": envelope(message)}


def _nothing(_request: dict[str, Any]) -> None:
    pass


async def play(
    case: Case,
    client: httpx.AsyncClient,
    prefix: str,
    names: Mapping[str, Any],
    *,
    written: Written = _as_it_is,
    before: Callable[[dict[str, Any]], None] = _nothing,
) -> None:
    """Go through a case and assert that each response is exactly as it says; `before` sees each request first."""

    async def play_step(step: Step, known: Mapping[str, Any]) -> dict[str, Any]:
        request = fill(step.request, known)
        before(request)
        response = await _send(client, prefix, request, known)
        _check(response, written(step.response, known), {**known, **MARKS})
        kept: dict[str, str] = step.response.get("keep", {})
        return {name: _found(response, path) for name, path in kept.items()}

    shared = {**names, "value": None}
    for step in case.setup:
        shared |= await play_step(step, shared)
    for index, value in enumerate(case.each):
        known = {**shared, "index": index}
        for step in case.steps:
            known |= _taken_apart("value", fill(value, known))
            known |= await play_step(step, known)


def _taken_apart(name: str, value: Any) -> dict[str, Any]:
    """Name a value, and what is in it where it is a list."""
    parts = value if isinstance(value, list) else []
    within = [_taken_apart(f"{name}_{i}", part) for i, part in enumerate(parts)]
    return {name: value, **{inner: part for each in within for inner, part in each.items()}}


async def _send(client: httpx.AsyncClient, prefix: str, request: dict[str, Any], names: Mapping[str, Any]) -> httpx.Response:
    caller, path = request.get("as", "learner"), request["path"]
    headers: dict[str, str | None] = {"Content-Type": "application/json"}
    if caller != "nobody":
        headers["Authorization"] = f"Bearer {names['token_of_' + caller]}"
    headers |= request.get("headers", {})
    return await client.request(
        request.get("method", "POST"),
        path if path.startswith("/") else f"{prefix}/{path}",
        content=encode(request["json"]) if "json" in request else request.get("body"),
        headers={name: each for name, each in headers.items() if each is not None},
    )


def _check(response: httpx.Response, expected: dict[str, Any], names: Mapping[str, Any]) -> None:
    request_id = response.headers.get("X-Request-Id")
    wanted = fill(expected, {**names, "request_id": request_id})
    told = response.json() if response.content else None
    headers = {"content-type": "application/json", **wanted.get("headers", {})}
    shown = repr(names["value"])[:100]

    assert (response.status_code, told) == (wanted["status"], wanted.get("body", told)), f"for {shown}"
    places = wanted.get("has", {})
    assert {place: _found(response, place) for place in places} == places, f"for {shown}"
    assert {name: response.headers.get(name) for name in headers} == headers, f"for {shown}"
    assert request_id, "every response carries an X-Request-Id"


def _found(response: httpx.Response, path: str) -> Any:
    """Give what is at a path of the body, such as `data.0.id`, or a header's text for `header.NAME`."""
    if path.startswith("header."):
        return response.headers[path.removeprefix("header.")]
    value = response.json()
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


async def routes_of(client: httpx.AsyncClient, tag: str) -> set[tuple[str, str]]:
    """Give the routes of a contract, by method and path, as the document has them under the contract's tag."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    return {
        (method.upper(), path)
        for path, operations in paths.items()
        for method, described in operations.items()
        if tag in described["tags"]
    }


def succeeds(route: tuple[str, str], prefix: str, case: Case) -> bool:
    """Say whether a case has a step, written out in full, that asks a route and is answered with a success."""
    method, path = route
    pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path.removeprefix(prefix).removeprefix("/")))
    return any(
        isinstance(step.request, dict)
        and step.request.get("method", "POST") == method
        and pattern.fullmatch(step.request.get("path", "").partition("?")[0].removeprefix("/"))
        and step.response["status"] < 300
        for step in [*case.setup, *case.steps]
    )

"""Case files: YAML lists of requests, each with the response that must come back. README.md describes the language."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.contract.matchers import AnyList, AnyNumber, AnyText


class Step(NamedTuple):
    """One request with what must come back."""

    request: dict[str, Any]
    response: dict[str, Any]


class Case(NamedTuple):
    """One behaviour."""

    file: str
    """Where it stands, from the folder of all contracts."""
    name: str
    section: str
    """The section of the contract's reference that it holds, or what was settled beyond it."""
    setup: list[Step]
    steps: list[Step]
    each: list[Any]

    def __str__(self) -> str:
        return f"{self.file}::{self.name}"


CONTRACTS = Path(__file__).parent
UUID7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
PLACEHOLDERS = {
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
    """Pad an object with an unknown field, so that its JSON has exactly the number of bytes asked for."""
    value = content["json"] | {"padding": ""}
    return {**value, "padding": "x" * (content["bytes"] - len(encode(value)))}


def _failure(content: dict[str, Any]) -> dict[str, Any]:
    errors = [{"field": field, "message": PLACEHOLDERS["text"]} for field in content["fields"]]
    message = content.get("message", PLACEHOLDERS["text"])
    return {"success": False, "message": message, "errors": errors, "request_id": "${request_id}"}


def _rejected(content: dict[str, Any]) -> dict[str, Any]:
    errors = [{"field": field, "message": PLACEHOLDERS["text"]} for field in content["fields"]]
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
"""Makes the value of a tag from its content."""


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


def read_cases(contract: str) -> list[Case]:
    """Read all case files of a contract, named as its folder is."""
    return [case for file in sorted((CONTRACTS / contract / "cases").glob("*.yaml")) for case in _read_file(file)]


def _read_file(file: Path) -> Iterator[Case]:
    content = yaml.load(file.read_text(), Loader=_Loader)  # noqa: S506 - a subclass of the safe loader
    for given in content["cases"]:
        steps = given.get("steps") or [{"request": given["request"], "response": given["response"]}]
        section = given.get("section", content.get("section"))
        assert section, f"{file.name}: {given['name']} does not say which section it holds"
        setup, steps = ([Step(**step) for step in each] for each in (given.get("setup", []), steps))
        yield Case(str(file.relative_to(CONTRACTS)), given["name"], section, setup, steps, given.get("each", [None]))


def fill(value: Any, names: Mapping[str, Any]) -> Any:
    """Return a value with names and tagged values replaced; a text that is nothing but one name becomes that name's value."""
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

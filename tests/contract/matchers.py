"""Values that equal whatever they describe, so that a mismatch shows beside the rest of a body."""

import re


class AnyText:
    """Equals any text that matches a pattern."""

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


class AnyObject:
    """Equals any object that has these fields, whatever else it has."""

    def __init__(self, **fields: object) -> None:
        self._fields = fields

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and other.items() >= self._fields.items()

    def __hash__(self) -> int:
        return hash(tuple(self._fields))

    def __repr__(self) -> str:
        return f"<object with {self._fields}>"

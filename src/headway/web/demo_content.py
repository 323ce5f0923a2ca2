"""What the units of the demo's small course show: texts that come with Headway, and a quiz."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

FOLDER: Final = Path(__file__).parent / "demo-reader"
_UNITS: Final = FOLDER / "units"


class Question(msgspec.Struct, frozen=True):
    """A question with its possible answers; `right` is the place of the right one, from 0."""

    text: str
    answers: tuple[str, ...]
    right: int
    why: str


class Quiz(msgspec.Struct, frozen=True):
    """A quiz."""

    intro: str
    questions: tuple[Question, ...]

    def count_right(self, answers: Sequence[int | None]) -> int:
        """Return how many answers are right; they are in the order of the questions, None where there is none."""
        return sum(answer == question.right for question, answer in zip(self.questions, answers, strict=True))


@cache
def text_of(slug: str) -> str | None:
    """Return the text of a unit as HTML that can be trusted; None if the demo has no such unit. The text has no heading."""
    return _read(f"{slug}.html")


@cache
def quiz_of(slug: str) -> Quiz | None:
    """Return the quiz of a unit; None if it has none."""
    text = _read(f"{slug}.yaml")
    return None if text is None else msgspec.yaml.decode(text, type=Quiz)


def _read(name: str) -> str | None:
    known = {path.name: path for path in _UNITS.iterdir()}
    return known[name].read_text() if name in known else None

"""What the readable page of an export shows: the first records of each section, and where all of them are."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from headway.db.personal import Person, Record
from headway.instants import Instant
from headway.privacy.zip_stream import WrittenFile

SHOWN = 100
"""The page shows so many records of a section; its files have all."""


class ExportedSection:
    """A section as it was exported."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self.files: list[WrittenFile] = []
        self.counts: list[int] = []
        """The records in each file."""
        self.first: list[Record] = []
        """The first `SHOWN` records."""


class ExportedPerson(NamedTuple):
    """An export, as its page tells of it."""

    person: Person
    name: str
    at: Instant
    is_own: bool
    """The person asked for it, not somebody else."""
    sections: Sequence[ExportedSection]
    missing: Sequence[Record]
    """Archives that cannot be read, so that events of theirs are missing."""
    withheld: Sequence[str]
    """The names of sections that are given on request alone."""


RenderPage = Callable[[ExportedPerson], str]
"""Renders the page as HTML, in the language of whoever reads it."""

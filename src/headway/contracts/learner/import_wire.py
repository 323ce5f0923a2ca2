"""Importing rosters on the wire."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headway.rosters.model import MAX_SOURCE, Did, Mode


class ImportQuery(msgspec.Struct, rename="camel"):
    """How a roster is imported, where it does not say so itself."""

    dry_run: bool = False
    source: Annotated[str, Meta(min_length=1, max_length=MAX_SOURCE)] | None = None
    mode: Mode | None = None
    course: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    allow_drops: bool = False


class RosterField(msgspec.Struct):
    """A field that changed."""

    field: str
    old: str | None = None
    new: str | None = None


class RosterChange(msgspec.Struct, rename="camel"):
    """A change of an account (`user`), a course, an enrollment or the staff of a course."""

    kind: str
    did: Did
    name: str
    external_id: str | None = None
    user_id: str | None = None
    course_id: str | None = None
    course: str | None = None
    fields: list[RosterField] = []


class RosterFault(msgspec.Struct):
    """A row that is not taken; line 0 is the file as a whole."""

    file: str
    line: int
    reason: str


class RosterCounts(msgspec.Struct):
    """How many of a kind were created, changed or dropped, and how many are as the roster says."""

    created: int = 0
    changed: int = 0
    dropped: int = 0
    unchanged: int = 0


class RosterReport(msgspec.Struct, rename="camel"):
    """What a roster changed, or with a dry run would change. Up to 1,000 changes of each kind and faults are listed."""

    source: str
    mode: Mode
    is_dry_run: bool
    has_changes: bool
    rows: int
    counts: dict[str, RosterCounts]
    changes: list[RosterChange]
    not_taken_count: int
    not_taken: list[RosterFault]
    left_out: dict[str, int]

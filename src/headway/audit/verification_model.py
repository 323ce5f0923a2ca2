"""What a verification of the audit log found."""

import msgspec

from headway.instants import Instant


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """A verification of the whole log; `faults` is how many entries are missing or not as they were written."""

    verified_at: Instant
    took_ms: int
    entries: int
    faults: int
    first_fault: str | None


class ChainState(msgspec.Struct, frozen=True):
    """The last verification, if there was one, and how many entries the log has now."""

    last: Verification | None
    entries: int
    is_running: bool
    checked: int
    """By the verification that runs in this process, of all `of` entries; 0 if none does."""
    of: int

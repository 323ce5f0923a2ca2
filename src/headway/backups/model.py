"""What stands beside a backup: of what it is, which keys it needs, and what was verified."""

import msgspec

from headway.audit.chain import ChainHead


class VerifiedCopy(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a copy. What was not looked at is None."""

    integrity: str
    """`full`, or `quick`: pages without a comparison of indexes with tables."""
    differences: int | None = None
    """What `headway verify` reports."""
    audit_faults: int | None = None
    """What `headway audit verify` reports."""

    @property
    def faults(self) -> str | None:
        """What is wrong with the data, in words; None if nothing was found."""
        found = []
        if self.differences:
            found.append(f"`headway verify` reports {self.differences} differences")
        if self.audit_faults:
            found.append(f"`headway audit verify` reports {self.audit_faults} faults")
        return " and ".join(found) or None


class ArchiveFile(msgspec.Struct, frozen=True):
    """A file of archived events that belongs to a backup and is not in it."""

    file: str
    """Where it was when it was written."""
    events: int
    size_bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A backup. Everything that was acknowledged before `began_at` is in it."""

    file: str
    sha256: str
    size_bytes: int
    began_at: str
    ended_at: str
    headway_version: str
    schema_version: str
    keys: list[str]
    """The fingerprints of the keys, the newest first: not the keys."""
    audit_head: ChainHead | None
    """The signed end of the audit log; None if there is none, or the log was not verified."""
    archives: list[ArchiveFile] | None
    """None where the database has the schema of another version, which was not read."""
    verified: VerifiedCopy

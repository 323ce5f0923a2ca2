"""The hash chain of the audit log, which shows whether an entry was changed, moved or removed.

The hash of an entry covers all that is stored of it and the hash of the entry before. Content that may be personal is covered
by a hash of its own, so it can be encrypted with another key while the chain stays as it is.
"""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from headway.audit.model import Actor, AuditEntry, Context, EntryStatus, NamedIds, NewAuditEntry, Target, TargetType
from headway.identity import Client, Role
from headway.ids import NewId
from headway.instants import Instant

GENESIS = "0" * 64
"""The previous hash of the first entry."""

_TAMPERED = "This entry is not as it was written, or its key is missing."
_ERASED = "The content of this entry was erased: with a person whom it named, or because of its age."


class ChainLink(msgspec.Struct, frozen=True, array_like=True):
    """The hashed part of an entry: all that is stored of it, its content by its hash."""

    seq: int
    id: str
    action: str
    actor_id: str | None
    is_actor_verified: bool
    recorded_by: int | None
    recorded_role: str
    target_type: str
    target_id: str | None
    status: str
    performed_at: Instant
    content_hash: str
    previous_hash: str

    @property
    def named(self) -> NamedIds:
        """Who is named in the entry's columns."""
        return NamedIds(self.action, self.actor_id, self.recorded_by, self.target_type, self.target_id)

    def hash(self) -> str:
        """Return the SHA-256 of the link as a JSON array, in hexadecimal digits."""
        return sha256(msgspec.json.encode(self))

    def place(self) -> str:
        """Return the hash of the link without its content, which ties a content to its entry."""
        return msgspec.structs.replace(self, content_hash="").hash()


class ChainHead(msgspec.Struct, frozen=True):
    """The newest entry of the log, signed. A copy kept elsewhere shows later whether the log still holds that entry."""

    seq: int
    hash: str
    at: Instant
    signature: str

    @property
    def signed(self) -> str:
        """The text that the signature signs."""
        return f"{self.seq} {self.hash} {self.at}"


class EntryContent(msgspec.Struct, frozen=True, omit_defaults=True):
    """The part of an entry that may be personal. The random salt keeps anybody from guessing it by its hash.

    `place` is `ChainLink.place` of its entry: without the key, nobody can move a content to another entry.
    """

    salt: str
    place: str
    follows_unsigned: bool = False
    """Whether the head of the log was not signed when the entry was appended."""
    actor_name: str | None = None
    actor_email: str | None = None
    actor_role: str | None = None
    target_model: str | None = None
    target_name: str | None = None
    description: str | None = None
    source: str | None = None
    additional_info: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    address: str | None = None
    user_agent: str | None = None


class ChainedEntry(NamedTuple):
    """An entry with its link, the hash of that, and its encoded content, which is still to be encrypted."""

    entry: AuditEntry
    link: ChainLink
    hash: str
    content: str


_encode = msgspec.json.Encoder().encode
decode_content = msgspec.json.Decoder(EntryContent).decode
"""Read a decrypted content. Raises ValueError."""


def extend_chain(
    head: ChainHead,
    new: Sequence[NewAuditEntry],
    now: Instant,
    *,
    new_id: NewId,
    new_salt: Callable[[], str],
    follows_unsigned: bool,
) -> list[ChainedEntry]:
    """Chain entries to the head of the log, in order. `follows_unsigned` marks the first of them for ever."""
    chained: list[ChainedEntry] = []
    previous_hash = head.hash
    for seq, each in enumerate(new, head.seq + 1):
        entry = AuditEntry(**msgspec.structs.asdict(each), seq=seq, id=_entry_id(new_id), performed_at=now)
        placed = _link(entry, previous_hash)
        content = _encode(_content(entry, new_salt(), placed.place(), follows_unsigned=follows_unsigned and not chained))
        link = msgspec.structs.replace(placed, content_hash=sha256(content))
        previous_hash = link.hash()
        chained.append(ChainedEntry(entry, link, previous_hash, content.decode()))
    return chained


def read_entry(link: ChainLink, text: str | None, *, is_erased: bool = False) -> AuditEntry:
    """Read an entry back; `text` is its decrypted content, or None if that is not possible, as where it was erased.

    An entry whose content is missing, or was written for another entry, says so in its description: the reader of a page still
    needs the other entries.
    """
    content = EntryContent("", "", description=_ERASED) if is_erased else _content_at(link, text)
    return AuditEntry(
        seq=link.seq,
        id=link.id,
        performed_at=link.performed_at,
        action=link.action,
        actor=Actor(link.actor_id, content.actor_name, content.actor_email, content.actor_role),
        is_actor_verified=link.is_actor_verified,
        recorded_by=link.recorded_by,
        recorded_role=Role(link.recorded_role),
        target=Target(TargetType(link.target_type), link.target_id, content.target_model, content.target_name),
        context=Context(content.description, content.source, content.additional_info),
        metadata=content.metadata,
        status=EntryStatus(link.status),
        client=None if content.address is None else Client(content.address, content.user_agent),
    )


def sha256(content: bytes) -> str:
    """Return the SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _content_at(link: ChainLink, text: str | None) -> EntryContent:
    if text is not None:
        with suppress(ValueError):
            content = decode_content(text)
            if content.place == link.place():
                return content
    return EntryContent("", "", description=_TAMPERED)


def _entry_id(new_id: NewId) -> str:
    """Shorten a UUIDv7 to 24 hexadecimal digits: its 48 bits of time and 48 of its random bits."""
    digits = new_id().replace("-", "")
    return digits[:12] + digits[-12:]


def _link(entry: AuditEntry, previous_hash: str) -> ChainLink:
    return ChainLink(
        seq=entry.seq,
        id=entry.id,
        action=entry.action,
        actor_id=entry.actor.user_id,
        is_actor_verified=entry.is_actor_verified,
        recorded_by=entry.recorded_by,
        recorded_role=entry.recorded_role.value,
        target_type=entry.target.type.value,
        target_id=entry.target.id,
        status=entry.status.value,
        performed_at=entry.performed_at,
        content_hash="",
        previous_hash=previous_hash,
    )


def _content(entry: NewAuditEntry, salt: str, place: str, *, follows_unsigned: bool) -> EntryContent:
    return EntryContent(
        salt=salt,
        place=place,
        follows_unsigned=follows_unsigned,
        actor_name=entry.actor.name,
        actor_email=entry.actor.email,
        actor_role=entry.actor.role,
        target_model=entry.target.model,
        target_name=entry.target.name,
        description=entry.context.description,
        source=entry.context.source,
        additional_info=entry.context.additional_info,
        metadata=entry.metadata,
        address=None if entry.client is None else entry.client.address,
        user_agent=None if entry.client is None else entry.client.user_agent,
    )

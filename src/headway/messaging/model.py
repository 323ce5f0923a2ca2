"""Messages, conversations and peers."""

from typing import NamedTuple

import msgspec

from headway.errors import Invalid
from headway.instants import Instant
from headway.text import is_blank

MAX_LENGTH = 5_000


class Message(msgspec.Struct, frozen=True):
    """A message from one user to another."""

    id: str
    sender_id: int
    receiver_id: int
    message: str
    is_read: bool
    created_at: Instant


class Conversation(msgspec.Struct, frozen=True):
    """The messages between a user and a peer: the newest one, and how many the user has not read."""

    peer_id: int
    peer_name: str
    last_message: Message
    unread: int


class Peer(NamedTuple):
    """Somebody who learns in the same courses: (id, title) of each."""

    user_id: int
    name: str
    shared_courses: list[tuple[int, str]]


class Correspondent(NamedTuple):
    """Somebody with whom a user has a conversation, or may begin one."""

    user_id: int
    name: str
    may_write: bool
    """Whether the user may write to them now: a shared course may have ended since the last message."""
    unread: int


def check_message(text: str) -> None:
    """Reject an empty message, and one that is too long. Raises Invalid."""
    if is_blank(text) or len(text) > MAX_LENGTH or "\0" in text:
        raise Invalid.field("message", f"must have 1 to {MAX_LENGTH} characters, none of them NUL")

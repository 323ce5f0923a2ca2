"""The messages of `/ws`, and how they are read."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headway.feed.model import LARGEST_SEQ
from headway.http.signed_tokens import MAX_TOKEN_CHARACTERS

Topic = Annotated[str, Meta(max_length=100)]


class Auth(msgspec.Struct, tag_field="type", tag="auth"):
    """The first message."""

    token: Annotated[str, Meta(max_length=MAX_TOKEN_CHARACTERS)]


class Subscribe(msgspec.Struct, tag_field="type", tag="subscribe"):
    """Follow a topic; with `after`, the entries after that number are sent first."""

    topic: Topic
    after: Annotated[int, Meta(ge=0, le=LARGEST_SEQ)] | None = None


class Unsubscribe(msgspec.Struct, tag_field="type", tag="unsubscribe"):
    """Stop following a topic."""

    topic: Topic


class EntryMessage(msgspec.Struct):
    """An entry of a followed topic."""

    type: str
    topic: str
    seq: int
    at: str
    data: msgspec.Raw


encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[Auth | Subscribe | Unsubscribe] = msgspec.json.Decoder(Auth | Subscribe | Unsubscribe)


def with_topic(message: str, topic: str) -> str:
    """Add the topic to the JSON of a message."""
    return f'{{"topic":"{topic}",{message[1:]}'


def gap_message(topic: str) -> str:
    """Return the message for a client that may have missed messages of a topic that are not stored."""
    return encode({"type": "resync", "topic": topic, "scope": "progress"}).decode()


class UnreadableError(Exception):
    """A client sent what is not JSON, or is nested too deeply."""


def decode(text: str) -> Auth | Subscribe | Unsubscribe:
    """Decode a message. Raises UnreadableError, and ValidationError for JSON that is no message."""
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError:
        raise
    except (ValueError, RecursionError) as error:
        raise UnreadableError("A message must be JSON in a text frame, and must not be nested deeply.") from error

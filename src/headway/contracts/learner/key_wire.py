"""Request and response bodies of API keys."""

from typing import Annotated

import msgspec
from msgspec import Meta

from headway.accounts.model import MAX_NAME
from headway.contracts.learner import wire
from headway.http.schemas import visible_text
from headway.identity import Scope


class KeyBody(msgspec.Struct, rename="camel"):
    """An API key to create: for the service account `userId`, or without it for a new one with the same name."""

    name: Annotated[str, visible_text(MAX_NAME)]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=len(Scope))]
    user_id: wire.Id | None = None


class Key(msgspec.Struct, rename="camel"):
    """An API key. `lastUsedAt` is to the minute; `revokedAt` is null while the key is valid."""

    id: str
    name: str
    scopes: list[Scope]
    user_id: str
    created_at: str
    last_used_at: str | None
    revoked_at: str | None


class ListedKey(Key, rename="camel"):
    """An API key with the name of its account."""

    user_name: str


class NewKey(Key, rename="camel"):
    """A new API key with its text, which is shown this once."""

    key: str

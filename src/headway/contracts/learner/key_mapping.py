"""Conversion of API keys: pure functions."""

from typing import Any

from headway import instants
from headway.accounts.key_model import ApiKey
from headway.accounts.key_model import ListedKey as ListedApiKey
from headway.contracts.learner import key_wire


def new_key(key: ApiKey, text: str) -> key_wire.NewKey:
    """Render a new key with its text."""
    return key_wire.NewKey(**_fields(key), key=text)


def listed_key(listed: ListedApiKey) -> key_wire.ListedKey:
    """Render a key of the list."""
    return key_wire.ListedKey(**_fields(listed.key), user_name=listed.user_name)


def _fields(key: ApiKey) -> dict[str, Any]:
    return {
        "id": str(key.id),
        "name": key.name,
        "scopes": sorted(key.scopes),
        "user_id": str(key.user_id),
        "created_at": instants.iso(key.created_at),
        "last_used_at": None if key.used_at is None else instants.iso(key.used_at),
        "revoked_at": None if key.revoked_at is None else instants.iso(key.revoked_at),
    }

"""API keys: long-lived credentials of service accounts, with a name, scopes and an end."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Iterable

import msgspec

from headway.audit.model import Target, TargetType
from headway.errors import Invalid
from headway.identity import Scope
from headway.instants import Instant

PREFIX = "hk_"
_KEY = re.compile(r"hk_([1-9][0-9]{0,14})_([A-Za-z0-9_-]{43})")
_SECRET_BYTES = 32
MAX_KEYS = 100
"""How many keys an account can have at a time."""


class ApiKey(msgspec.Struct, frozen=True):
    """A key as it is listed. `used_at` is to the minute."""

    id: int
    user_id: int
    name: str
    scopes: frozenset[Scope]
    created_at: Instant
    used_at: Instant | None = None
    revoked_at: Instant | None = None

    @property
    def target(self) -> Target:
        """The key as the target of an audit entry."""
        return Target(TargetType.OTHER, str(self.id), "api_keys", self.name)


class ListedKey(msgspec.Struct, frozen=True):
    """A key in a list, with the name of its account."""

    key: ApiKey
    user_name: str


class KeySecret(msgspec.Struct, frozen=True):
    """The id and the secret that the text of a key holds."""

    key_id: int
    secret: str

    @classmethod
    def read(cls, text: str) -> "KeySecret | None":
        """Read the text of a key; None for any other text."""
        found = _KEY.fullmatch(text)
        return None if found is None else cls(int(found[1]), found[2])

    @property
    def text(self) -> str:
        """The key as its owner keeps it."""
        return f"{PREFIX}{self.key_id}_{self.secret}"

    def matches(self, secret_hash: str) -> bool:
        """Return whether a stored hash is of this secret, in a time that tells nothing."""
        return hmac.compare_digest(hash_secret(self.secret), secret_hash)


def new_secret() -> str:
    """Return 256 random bits, which nobody guesses: a plain hash of them needs no salt and no work factor."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def hash_secret(secret: str) -> str:
    """Return what is stored of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def check_scopes(scopes: Collection[Scope]) -> None:
    """Reject a key that would allow nothing. Raises Invalid."""
    if not scopes:
        raise Invalid.field("scopes", f"must have at least one of {', '.join(Scope)}")


def write_scopes(scopes: Iterable[Scope]) -> str:
    """Write scopes as they are stored."""
    return " ".join(sorted(scopes))


def read_scopes(text: str) -> frozenset[Scope]:
    """Read stored scopes. One that this version does not know, allows nothing."""
    return frozenset(Scope(each) for each in text.split() if each in Scope.__members__.values())

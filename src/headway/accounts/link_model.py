"""Links that are mailed, or handed over by an administrator: what they prove, and what ends them."""

import hmac
import re
import secrets
from enum import StrEnum
from typing import NamedTuple

from headway.errors import Invalid
from headway.identity import settle_email
from headway.instants import DAY, HOUR, Instant, Milliseconds

INVITATION_LIFETIME: Milliseconds = 7 * DAY
ADDRESS_LIFETIME: Milliseconds = 24 * HOUR
_TOKEN = re.compile(r"([1-9][0-9]{0,14})-([A-Za-z0-9_-]{43})")
MAX_TOKEN = 1_000
"""In characters; people may paste the whole link."""


class LinkPurpose(StrEnum):
    """What a link allows to do, once."""

    PASSWORD = "password"  # noqa: S105 - the name of a purpose
    ADDRESS = "address"


class LinkToken(NamedTuple):
    """What a link holds: a number that finds it, and a secret of 256 random bits."""

    number: int
    secret: str

    def __str__(self) -> str:
        return f"{self.number}-{self.secret}"


class StoredLink(NamedTuple):
    """A link as stored. `email` is the address that it confirms."""

    secret_hash: str
    email: str | None
    expires_at: Instant


class PasswordLink(NamedTuple):
    """A link to choose a password, to be handed over: its path on this server, and until when it works."""

    path: str
    expires_at: Instant


def new_token(number: int) -> LinkToken:
    """Return a new token."""
    return LinkToken(number, secrets.token_urlsafe(32))


def read_token(text: str) -> LinkToken:
    """Read a token, or a link that ends with one. Raises Invalid naming `token`."""
    found = _TOKEN.fullmatch(text.strip().rpartition("#")[2])
    if found is None:
        raise ended_link()
    return LinkToken(int(found[1]), found[2])


def hash_secret(secret: str, *bound: str | None) -> str:
    """Return what is stored of a secret. It is right only while all that the link is bound to stays as it is.

    The secret is the key, so nobody who reads the hash can try out passwords' hashes or addresses.
    """
    content = "\0".join("" if each is None else f"={each}" for each in bound)
    return hmac.new(secret.encode(), content.encode(), "sha256").hexdigest()


def binding(password_hash: str | None, email: str | None) -> tuple[str | None, str | None]:
    """Return what the links of an account are bound to: its password and its address."""
    return password_hash, None if email is None else settle_email(email)


def is_right(stored: StoredLink | None, secret: str, bound: tuple[str | None, ...], now: Instant) -> bool:
    """Return whether a secret is that of a stored link that has not ended."""
    if stored is None or stored.expires_at <= now:
        return False
    return hmac.compare_digest(stored.secret_hash, hash_secret(secret, *bound))


def ended_link() -> Invalid:
    """Return the error of a link that is wrong, used, replaced or too old: which of these is not told."""
    return Invalid.field("token", "is wrong, was used, or has expired: ask for a new link")

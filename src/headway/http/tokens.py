"""Bearer tokens that Headway signs itself: JWT (RFC 7519) with HS256, a fixed issuer, audience and type."""

import os
import secrets
from typing import NamedTuple

import jwt

from headway.domain.accounts import User
from headway.domain.errors import Unauthenticated
from headway.domain.instants import SECOND, Clock
from headway.settings import Settings, SettingsError
from headway.storage.sqlite import path_of

_ALGORITHM = "HS256"
_ISSUER = _AUDIENCE = "headway"
_MOST_REMEMBERED = 10_000


class AccessClaims(NamedTuple):
    """What a token says: who, under which version of the account's tokens, until when (seconds since 1970)."""

    user_id: int
    token_version: int
    expires_at: int


class Tokens:
    """Signs access tokens and verifies them; verified ones are remembered until they expire."""

    def __init__(self, secret_key: str, clock: Clock, *, lifetime_seconds: int) -> None:
        self._key = secret_key
        self._clock = clock
        self._lifetime_seconds = lifetime_seconds
        self._verified: dict[str, AccessClaims] = {}

    def issue(self, user: User, *, lifetime_seconds: int | None = None) -> str:
        """Sign an access token for an account."""
        now = self._clock() // SECOND
        payload = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "typ": "access",
            "sub": str(user.id),
            "ver": user.token_version,
            "iat": now,
            "exp": now + (self._lifetime_seconds if lifetime_seconds is None else lifetime_seconds),
        }
        return jwt.encode(payload, self._key, algorithm=_ALGORITHM)

    def verify(self, token: str) -> AccessClaims:
        """Check signature, algorithm, issuer, audience, type and expiry. Raises Unauthenticated."""
        claims = self._verified.get(token)
        if claims is None:
            claims = self._decode(token)
            if len(self._verified) >= _MOST_REMEMBERED:
                self._verified.clear()
            self._verified[token] = claims
        if claims.expires_at <= self._clock() // SECOND:
            self._verified.pop(token, None)
            raise Unauthenticated("The token has expired.")
        return claims

    def _decode(self, token: str) -> AccessClaims:
        try:
            payload = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                audience=_AUDIENCE,
                # Expiry is checked against Headway's own clock, each time.
                options={"require": ["exp", "sub", "iss", "aud"], "verify_exp": False, "verify_iat": False},
            )
            if payload.get("typ") != "access":
                raise Unauthenticated("This is not an access token.")
            return AccessClaims(int(payload["sub"]), int(payload["ver"]), int(payload["exp"]))
        except (jwt.PyJWTError, KeyError, ValueError, TypeError) as error:
            raise Unauthenticated("The token is not valid.") from error


def signing_key(settings: Settings) -> str:
    """Give the key that signs tokens: the setting, or one made once and kept beside the SQLite file for its owner only.

    Raises SettingsError on PostgreSQL, where every server has to be given the same key.
    """
    if settings.secret_key is not None:
        return settings.secret_key
    if not settings.is_sqlite:
        raise SettingsError("HEADWAY_SECRET_KEY is required with PostgreSQL: at least 32 bytes, the same for all servers.")
    database = path_of(settings.database_url)
    path = database.with_name(database.name + ".key")
    database.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    if not path.exists():
        # Written aside and linked into place, so that of two processes that start at once both use the same whole key.
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()

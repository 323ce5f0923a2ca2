"""Decoding of signed tokens (JWT, RFC 7519): whatever a token contains, it can be used, or it is Unauthenticated."""

import re
from typing import Annotated, Any, TypeVar

import jwt
import msgspec
from msgspec import Meta

from headway.errors import Unauthenticated

Claims = TypeVar("Claims", bound=msgspec.Struct)

Seconds = Annotated[float, Meta(ge=0, le=1e15)]
"""A time in seconds since 1970, which may have a fraction (RFC 7519, section 2)."""

MAX_TOKEN_CHARACTERS = 16_384
"""A subject of 500 characters takes up to 8,000 of them, where the provider escapes each one."""
_FORM = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}")
"""Base64 decoders skip other characters: with them, one signature would verify any number of tokens."""
_FAULTS = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


class Header(msgspec.Struct):
    """The header of a token, which is not verified."""

    alg: str | None = None
    kid: str | None = None


def read_token_header(token: str) -> Header:
    """Return the header of a token. Raises Unauthenticated."""
    _check_form(token)
    try:
        return msgspec.convert(jwt.get_unverified_header(token), Header)
    except _FAULTS as error:
        raise _invalid() from error


def decode(token: str, key: "jwt.PyJWK | str", *, algorithms: list[str], issuer: str, audience: str) -> dict[str, Any]:
    """Verify signature, issuer and audience, and return the payload. Raises Unauthenticated.

    Times are not checked: that is done against Headway's own clock, at every use.
    """
    _check_form(token)
    try:
        payload: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=algorithms,
            issuer=issuer,
            audience=audience,
            options={"require": ["exp", "sub"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except _FAULTS as error:
        raise _invalid() from error
    return payload


def read_claims(payload: dict[str, Any], kind: type[Claims]) -> Claims:
    """Convert a payload to the claims that are needed. Raises Unauthenticated if one has another type or is out of range."""
    try:
        return msgspec.convert(payload, kind)
    except _FAULTS as error:
        raise _invalid() from error


def _check_form(token: str) -> None:
    if len(token) > MAX_TOKEN_CHARACTERS or _FORM.fullmatch(token) is None:
        raise _invalid()


def _invalid() -> Unauthenticated:
    return Unauthenticated("The token is not valid.")

"""Bearer tokens of an external identity provider (OpenID Connect): RS256 or ES256, keys from a PEM file or JWKS (RFC 7517)."""

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import msgspec
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from headway.accounts.model import MAX_NAME, is_email
from headway.errors import Unauthenticated, Unavailable
from headway.http import signed_tokens
from headway.http.outbound import fetch
from headway.http.signed_tokens import Seconds, read_claims, read_token_header
from headway.identity import settle_email
from headway.ids import MAX_EXTERNAL_ID
from headway.instants import SECOND, Clock, Instant, Milliseconds
from headway.settings import Settings, SettingsError
from headway.text import nfc

_ALGORITHM_OF: dict[Any, str] = {"RSA": "RS256", "EC": "ES256"}
"""The algorithm of each type of key."""
_ALGORITHMS = list(_ALGORITHM_OF.values())
_SHORTEST_RSA_BITS = 2048
_SOUND = f"a public RSA key of {_SHORTEST_RSA_BITS} bits or more, or a public EC key on P-256"
_REFRESH_AFTER = 600 * SECOND
_RETRY_AFTER = 10 * SECOND

log = structlog.get_logger(__name__)


class ProviderKey(msgspec.Struct, frozen=True, eq=False):
    """A public key of the provider, with the id by which tokens name it."""

    id: str | None
    published: Any
    """The key as the provider publishes it."""
    verifier: "jwt.PyJWK | str"


_Keys = dict[str | None, ProviderKey]


class OutsideClaims(NamedTuple):
    """The claims of an external token, and the key that verified it; `expires_at` is in seconds since 1970."""

    subject: str
    name: str
    expires_at: int
    key: ProviderKey
    email: str | None = None
    """The address, if the provider says that it has verified that it is the subject's."""


class _Payload(msgspec.Struct):
    sub: str
    exp: Seconds
    nbf: Seconds | None = None
    name: Any = None
    preferred_username: Any = None
    email: Any = None
    email_verified: Any = None

    @property
    def verified_email(self) -> str | None:
        """The address that the provider has verified (OpenID Connect Core 1.0, section 5.1); None without one."""
        email = settle_email(self.email) if isinstance(self.email, str) and self.email_verified is True else ""
        return email if is_email(email) else None

    @property
    def display_name(self) -> str:
        """The name that the provider states, else the subject."""
        stated = (_storable(each).strip() for each in (self.name, self.preferred_username) if isinstance(each, str))
        return next(filter(None, stated), self.sub)[:MAX_NAME]


class IdentityProvider:
    """Verifies tokens of one issuer. Keys are fetched again when they are old or when a token names an unknown key."""

    def __init__(self, *, issuer: str, audience: str, keys: str, clock: Clock) -> None:
        self._issuer = issuer
        self._audience = audience
        self._source = keys
        self._clock = clock
        self._keys: _Keys = {}
        self._fetched_at: Instant | None = None
        self._fetching = asyncio.Lock()

    @classmethod
    def from_settings(cls, settings: Settings, clock: Clock) -> "IdentityProvider | None":
        """Return the provider of the settings, or None. Raises SettingsError if the file of keys cannot be read."""
        if settings.idp_issuer is None or settings.idp_audience is None or settings.idp_keys is None:
            return None
        provider = cls(issuer=settings.idp_issuer, audience=settings.idp_audience, keys=settings.idp_keys, clock=clock)
        if not provider._is_remote:
            try:
                provider._keys = _parse_keys(Path(settings.idp_keys).read_bytes())
            except (OSError, ValueError, jwt.PyJWTError) as error:
                raise SettingsError(f"HEADWAY_IDP_KEYS cannot be read: {error}") from error
        return provider

    def issued(self, token: str) -> bool:
        """Return whether a token uses an algorithm of external tokens; Headway's own tokens use another."""
        try:
            return read_token_header(token).alg in _ALGORITHMS
        except Unauthenticated:
            return False

    async def verify(self, token: str) -> OutsideClaims:
        """Verify signature, algorithm, issuer, audience and expiry. Raises Unauthenticated, or Unavailable without keys."""
        return (await self.verify_payload(token))[1]

    async def verify_payload(self, token: str) -> tuple[dict[str, Any], OutsideClaims]:
        """Verify a token as `verify` does, and return all its claims, and what they say. Raises as `verify`."""
        payload, claims = self._decode(token, await self._key_for(token))
        if claims.expires_at <= self._clock() // SECOND:
            raise Unauthenticated("The token has expired.")
        return payload, claims

    async def is_current(self, key: ProviderKey) -> bool:
        """Return whether the provider still publishes a key, as of the last 10 minutes, or of when it was last in reach."""
        if self._is_due() and not self._fetching.locked():
            await self._fetch()
        return self._keys.get(key.id) is key

    def _decode(self, token: str, key: ProviderKey) -> tuple[dict[str, Any], OutsideClaims]:
        payload = signed_tokens.decode(
            token, key.verifier, algorithms=_ALGORITHMS, issuer=self._issuer, audience=self._audience
        )
        claims = read_claims(payload, _Payload)
        subject = nfc(claims.sub)
        if not 1 <= len(subject) <= MAX_EXTERNAL_ID or subject != _storable(subject):
            raise Unauthenticated(f"The token's subject must have 1 to {MAX_EXTERNAL_ID} characters.")
        if claims.nbf is not None and claims.nbf > self._clock() // SECOND + 60:
            raise Unauthenticated("The token is not valid yet.")
        return payload, OutsideClaims(subject, claims.display_name, int(claims.exp), key, claims.verified_email)

    async def _key_for(self, token: str) -> ProviderKey:
        key_id = read_token_header(token).kid
        if self._is_due() or (self._is_remote and key_id not in self._keys):
            await self._fetch()
        if key_id in self._keys:
            return self._keys[key_id]
        if len(self._keys) == 1 and (key_id is None or None in self._keys):
            return next(iter(self._keys.values()))
        raise Unauthenticated("The token is signed with an unknown key.")

    async def _fetch(self) -> None:
        async with self._fetching:
            if self._age is not None and self._age < _RETRY_AFTER:
                return
            try:
                published = _parse_keys(await fetch(self._source))
            except (OSError, ValueError, jwt.PyJWTError) as error:
                log.warning("The identity provider's keys cannot be fetched.", reason=str(error))
                if not self._keys:
                    raise Unavailable("The identity provider's keys cannot be fetched.", retry_after_seconds=10) from error
            else:
                self._keys = {key_id: self._known(key) for key_id, key in published.items()}
            self._fetched_at = self._clock()

    def _known(self, key: ProviderKey) -> ProviderKey:
        """Return the key that is known already if it is the same: what it verified stays verified."""
        known = self._keys.get(key.id)
        return known if known is not None and known.published == key.published else key

    def _is_due(self) -> bool:
        age = self._age
        return self._is_remote and (age is None or age > _REFRESH_AFTER)

    @property
    def _age(self) -> Milliseconds | None:
        """The time since the last attempt to fetch keys; None before the first, or after the clock was set back."""
        age = None if self._fetched_at is None else self._clock() - self._fetched_at
        return age if age is not None and age >= 0 else None

    @property
    def _is_remote(self) -> bool:
        return self._source.startswith(("http://", "https://"))


async def count_keys(source: str) -> int:
    """Read the keys of a file or URL, and count those that can be used. Raises OSError, ValueError."""
    try:
        remote = source.startswith(("http://", "https://"))
        return len(_parse_keys(await fetch(source) if remote else await asyncio.to_thread(Path(source).read_bytes)))
    except jwt.PyJWTError as error:
        raise ValueError(str(error)) from error


def _parse_keys(document: bytes) -> _Keys:
    """Parse a PEM public key or a JWKS document into keys by their id; a PEM key has the id None. Raises ValueError."""
    if document.lstrip().startswith(b"-----BEGIN"):
        try:
            key = load_pem_public_key(document)
        except UnsupportedAlgorithm as error:
            raise ValueError(str(error)) from error
        if not _is_sound(key):
            raise ValueError(f"the key must be {_SOUND}")
        return {None: ProviderKey(None, document, document.decode())}
    keys: _Keys = {}
    for entry in msgspec.json.decode(document, type=_KeySet).keys:
        try:
            keys[entry.get("kid")] = ProviderKey(entry.get("kid"), entry, _verification_key(entry))
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            # RFC 7517, section 5: ignore keys that cannot be used.
            log.info("Ignored an unusable key of the identity provider.", kid=entry.get("kid"), reason=str(error))
    if not keys:
        raise ValueError(f"the document has no key for signatures that is {_SOUND}")
    return keys


def _verification_key(entry: dict[str, Any]) -> jwt.PyJWK:
    """Return the key of an entry of a JWKS. Raises ValueError, TypeError or PyJWTError if it cannot be used."""
    algorithm = _ALGORITHM_OF.get(entry.get("kty"))
    if algorithm is None or entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm:
        raise ValueError("it is for something else")
    key = jwt.PyJWK(entry, algorithm=algorithm)
    if not _is_sound(key.key):
        raise ValueError(f"it is not {_SOUND}")
    return key


def _is_sound(key: object) -> bool:
    """Return whether a key verifies RS256 (RFC 7518, section 3.3) or ES256 (section 3.4)."""
    if isinstance(key, RSAPublicKey):
        return key.key_size >= _SHORTEST_RSA_BITS
    return isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


def _storable(text: str) -> str:
    """Return a text in NFC without what no database can store: NUL characters and unpaired surrogates."""
    return nfc(text.replace("\0", "").encode(errors="ignore").decode())

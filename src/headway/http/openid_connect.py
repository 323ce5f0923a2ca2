"""Signing in through an OpenID Connect provider, as its relying party: the authorization code flow with PKCE.

What the flow remembers between its two requests (state, nonce, code verifier) is sealed into a text that the browser keeps in a
cookie: no server process has to remember anything. Authlib builds the requests and checks the claims of the ID token; its
signature is verified with the same keys, by the same code, as the tokens of an outside identity provider.
See OpenID Connect Core 1.0, section 3.1, RFC 7636 and RFC 9207.
"""

import asyncio
import base64
import hmac
import secrets
from typing import NamedTuple
from urllib.parse import quote_plus

import msgspec
import structlog
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc.errors import JoseError

from headway.errors import Unauthenticated, Unavailable
from headway.http.identity_provider import IdentityProvider, OutsideClaims
from headway.http.outbound import fetch, origin_of
from headway.http.signed_tokens import read_token_header
from headway.instants import MINUTE, SECOND, Clock, Instant
from headway.settings import Settings

_DISCOVERED_FOR = 60 * MINUTE
_RETRY_AFTER = 10 * SECOND
FLOW_LIFETIME = 10 * MINUTE
"""How long somebody may take to sign in at the provider."""
_CLOCK_SKEW_SECONDS = 60
_LONGEST_TEXT = 4_096
_SCOPE = "openid profile email"

log = structlog.get_logger(__name__)


class ProviderConfiguration(msgspec.Struct):
    """What Headway needs of a provider's configuration (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct):
    id_token: str
    access_token: str | None = None


class _Flow(msgspec.Struct, array_like=True, frozen=True):
    """A sign-in that is under way at the provider."""

    expires_at: Instant
    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    next: str


class Answer(NamedTuple):
    """What the provider sends the browser back with."""

    state: str | None = None
    code: str | None = None
    error: str | None = None
    issuer: str | None = None


class Begun(NamedTuple):
    """Where to send the browser, and what it has to keep until it comes back."""

    url: str
    sealed: str


class SignedIn(NamedTuple):
    """Who has signed in, and where to go on."""

    claims: OutsideClaims
    next: str


class OpenIdConnect:
    """The relying party of one provider. Its configuration is fetched when it is needed, and again when it is an hour old."""

    def __init__(self, settings: Settings, secret_key: str, clock: Clock) -> None:
        assert settings.oidc_issuer is not None and settings.oidc_client_id is not None  # noqa: S101, PT018 - see `from_settings`
        self._issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        self._client_secret = settings.oidc_client_secret
        self.name = settings.oidc_name
        self._clock = clock
        self._key = hmac.digest(secret_key.encode(), b"headway openid connect", "sha256")
        self._known: tuple[ProviderConfiguration, IdentityProvider] | None = None
        self._looked_at: Instant | None = None
        self._looking = asyncio.Lock()

    @classmethod
    def from_settings(cls, settings: Settings, secret_key: str, clock: Clock) -> "OpenIdConnect | None":
        """Return the relying party of the settings; None without a provider."""
        return None if settings.oidc_issuer is None else cls(settings, secret_key, clock)

    async def begin(self, redirect_uri: str, next_page: str) -> Begun:
        """Begin a sign-in that comes back to `redirect_uri` and goes on to `next_page`. Raises Unavailable."""
        discovery, _ = await self._discover()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        url = prepare_grant_uri(
            discovery.authorization_endpoint,
            client_id=self._client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=_SCOPE,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        flow = _Flow(self._clock() + FLOW_LIFETIME, state, nonce, verifier, redirect_uri, next_page)
        return Begun(url, self._seal(flow))

    async def complete(self, sealed: str | None, answer: Answer) -> SignedIn:
        """Complete the sign-in that the browser has kept, with the provider's answer.

        Raises Unauthenticated: SIGN_IN_EXPIRED if this browser has begun none, or too long ago, SIGN_IN_REFUSED if the provider
        refuses, SIGN_IN_INVALID for an answer that cannot be trusted; Unavailable while the provider does not respond.
        """
        flow = self._unseal(sealed)
        if flow is None or flow.expires_at <= self._clock():
            raise Unauthenticated("This sign-in has expired.", code="SIGN_IN_EXPIRED")
        if not hmac.compare_digest((answer.state or "").encode(), flow.state.encode()):
            raise _invalid("the state is another one")
        discovery, provider = await self._discover()
        if answer.issuer != self._issuer and (
            answer.issuer is not None or discovery.authorization_response_iss_parameter_supported
        ):
            raise _invalid("the answer is of another issuer")
        if answer.error is not None or not answer.code or len(answer.code) > _LONGEST_TEXT:
            log.info("The identity provider refused a sign-in.", error=answer.error)
            raise Unauthenticated("The identity provider refused the sign-in.", code="SIGN_IN_REFUSED")
        tokens = await self._redeem(discovery, answer.code, flow)
        return SignedIn(await self._verify(provider, tokens, flow), flow.next)

    async def _redeem(self, discovery: ProviderConfiguration, code: str, flow: _Flow) -> _Tokens:
        """Exchange the code for tokens (RFC 6749, section 4.1.3)."""
        parameters = {"code": code, "code_verifier": flow.verifier}
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        methods = discovery.token_endpoint_auth_methods_supported
        if self._client_secret is None:
            parameters["client_id"] = self._client_id
        elif "client_secret_basic" in methods or "client_secret_post" not in methods:
            # RFC 6749, section 2.3.1: both are encoded as in a form before they are joined.
            account = f"{quote_plus(self._client_id)}:{quote_plus(self._client_secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(account.encode()).decode()}"
        else:
            parameters |= {"client_id": self._client_id, "client_secret": self._client_secret}
        form = prepare_token_request("authorization_code", redirect_uri=flow.redirect_uri, **parameters)
        try:
            body = await fetch(discovery.token_endpoint, form=form, headers=headers)
            return msgspec.json.decode(body, type=_Tokens)
        except (msgspec.DecodeError, ValueError) as error:
            raise _invalid("the token response cannot be read") from error
        except OSError as error:
            if str(error).startswith(("400:", "401:")):
                raise _invalid("the code was refused") from error
            raise Unavailable("The identity provider does not respond.", retry_after_seconds=10) from error

    async def _verify(self, provider: IdentityProvider, tokens: _Tokens, flow: _Flow) -> OutsideClaims:
        """Verify the ID token (OpenID Connect Core 1.0, section 3.1.3.7)."""
        payload, claims = await provider.verify_payload(tokens.id_token)
        header = {"alg": read_token_header(tokens.id_token).alg}
        parameters = {"nonce": flow.nonce, "client_id": self._client_id, "access_token": tokens.access_token}
        try:
            CodeIDToken(payload, header, {}, parameters).validate(self._clock() // SECOND, _CLOCK_SKEW_SECONDS)
        except JoseError as error:
            raise _invalid(f"the ID token has a wrong claim: {error.description}") from error
        return claims

    async def _discover(self) -> tuple[ProviderConfiguration, IdentityProvider]:
        """Return the provider's configuration and keys; older ones while it does not respond."""
        async with self._looking:
            age = None if self._looked_at is None else abs(self._clock() - self._looked_at)
            if age is None or age > (_RETRY_AFTER if self._known is None else _DISCOVERED_FOR):
                self._looked_at = self._clock()
                await self._look()
            if self._known is None:
                raise Unavailable("The identity provider does not respond.", retry_after_seconds=10)
            return self._known

    async def _look(self) -> None:
        try:
            found = await read_configuration(self._issuer)
        except (OSError, ValueError) as error:
            log.warning("The identity provider's configuration cannot be read.", reason=str(error))
            return
        provider = None if self._known is None or self._known[0].jwks_uri != found.jwks_uri else self._known[1]
        made = IdentityProvider(issuer=self._issuer, audience=self._client_id, keys=found.jwks_uri, clock=self._clock)
        self._known = found, provider or made

    def _seal(self, flow: _Flow) -> str:
        content = msgspec.msgpack.encode(flow)
        return base64.urlsafe_b64encode(hmac.digest(self._key, content, "sha256") + content).rstrip(b"=").decode()

    def _unseal(self, sealed: str | None) -> _Flow | None:
        try:
            raw = base64.urlsafe_b64decode((sealed or "").encode("ascii") + b"=" * (-len(sealed or "") % 4))
        except ValueError:
            return None
        if not hmac.compare_digest(raw[:32], hmac.digest(self._key, raw[32:], "sha256")):
            return None
        flow: _Flow = msgspec.msgpack.decode(raw[32:], type=_Flow)
        return flow


async def read_configuration(issuer: str) -> ProviderConfiguration:
    """Fetch the configuration of a provider. Raises OSError, ValueError."""
    found = msgspec.json.decode(
        await fetch(f"{issuer.removesuffix('/')}/.well-known/openid-configuration"), type=ProviderConfiguration
    )
    if found.issuer != issuer:
        raise ValueError(f"it is of the issuer {found.issuer[:100]!r}")
    scheme = origin_of(issuer).partition(":")[0]
    for url in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
        if not url.startswith(("https://", f"{scheme}://")) or any(ord(each) <= 32 for each in url):
            raise ValueError(f"{url[:100]!r} is no address to use")
    return found


def _invalid(reason: str) -> Unauthenticated:
    log.warning("An answer of the identity provider cannot be trusted.", reason=reason)
    return Unauthenticated("The identity provider's answer is not valid.", code="SIGN_IN_INVALID")

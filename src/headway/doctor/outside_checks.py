"""What Headway asks over the network: Valkey, and the providers of identities."""

from typing import Any

from headway.doctor.patient import Area, Patient
from headway.health.findings import Found, ok, problem, warning
from headway.http.identity_provider import count_keys
from headway.http.openid_connect import read_configuration

area = Area("Other services")

_TIMEOUT_SECONDS = 3


@area.check("Valkey", why="Without it servers compute what they could share, and each counts rate limits in the database.")
async def valkey(patient: Patient) -> Found | None:
    """Ask Valkey how it is set up."""
    if patient.settings.valkey_url is None:
        return None
    from valkey.asyncio import Valkey  # noqa: PLC0415 - an optional dependency
    from valkey.exceptions import ResponseError, ValkeyError  # noqa: PLC0415

    client: Any = Valkey.from_url(
        patient.settings.valkey_url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS
    )
    try:
        await client.ping()
        try:
            limits = await client.config_get("maxmemory", "maxmemory-policy")
        except ResponseError:
            return ok("Valkey answers; it does not tell how it is set up.")
        return _limits(int(limits["maxmemory"]), limits["maxmemory-policy"])
    except (ValkeyError, OSError, TimeoutError) as error:
        return problem(
            f"Valkey does not answer at HEADWAY_VALKEY_URL: {error}", "Start it, or correct the address or password."
        )
    finally:
        await client.aclose()


def _limits(most: int, policy: str) -> Found:
    if most == 0:
        return warning(
            "Valkey has no maxmemory: it may take all memory of its machine.",
            "Set maxmemory, and maxmemory-policy allkeys-lru.",
        )
    if policy == "noeviction":
        return problem(
            "Valkey refuses writes when its memory is full (maxmemory-policy noeviction).", "Set maxmemory-policy allkeys-lru."
        )
    return ok(f"Valkey answers, and makes room by {policy}.")


@area.check("Single sign-on", why="While the provider does not answer, nobody can sign in through it.")
async def open_id(patient: Patient) -> Found | None:
    """Read the configuration of the OpenID Connect provider, and its keys."""
    issuer = patient.settings.oidc_issuer
    if issuer is None:
        return None
    try:
        keys = await count_keys((await read_configuration(issuer)).jwks_uri)
    except (OSError, ValueError) as error:
        return problem(
            f"The configuration of {issuer} cannot be read: {_first_words(error)}",
            "Correct HEADWAY_OIDC_ISSUER, or let this machine reach the provider.",
        )
    return ok(f"{issuer} answers, with {keys} keys.")


@area.check("Identity provider", why="Without its keys no token of the provider is accepted.")
async def identity_provider(patient: Patient) -> Found | None:
    """Read the keys of the external identity provider."""
    source = patient.settings.idp_keys
    if source is None:
        return None
    try:
        keys = await count_keys(source)
    except (OSError, ValueError) as error:
        return problem(
            f"{source} cannot be read: {_first_words(error)}", "Correct HEADWAY_IDP_KEYS, or let this machine reach it."
        )
    return ok(f"{source} holds {keys} keys that can be used.")


def _first_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    return " ".join(str(error).split())[:200] or type(error).__name__

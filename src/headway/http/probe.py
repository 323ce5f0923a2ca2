"""Asking a server on this machine whether it is ready."""

import asyncio
import json
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from headway.settings import Settings

_TIMEOUT_SECONDS = 4
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - where a server listens everywhere, ask it here


async def find_fault(settings: Settings) -> str | None:
    """Return why the server of these settings is not ready, or None if it is."""
    host = _ANY.get(settings.host, settings.host)
    try:
        status, body = await asyncio.to_thread(_ask, host, settings)
    except (OSError, HTTPException) as error:
        return f"No server answers at {host}, port {settings.port}: {error}"
    if status == 200:
        return None
    try:
        reason = json.loads(body)["reason"]
    except (ValueError, KeyError, TypeError):
        reason = f"it answers with {status}"
    return f"The server is not ready: {reason}"


def _ask(host: str, settings: Settings) -> tuple[int, bytes]:
    connection: HTTPConnection
    if settings.tls_certificate is None:
        connection = HTTPConnection(host, settings.port, timeout=_TIMEOUT_SECONDS)
    else:
        # The certificate is of a name by which others know this machine.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = HTTPSConnection(host, settings.port, timeout=_TIMEOUT_SECONDS, context=context)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        return response.status, response.read(10_000)
    finally:
        connection.close()

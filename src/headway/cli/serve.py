"""`headway serve`."""

import os
import signal
import sys
from contextlib import ExitStack
from typing import Any

import click

from headway.cli.session import database_option, errors_in_one_line
from headway.settings import Settings, SettingsError, variable

_GRACE_SECONDS = 30

host_option = click.option("--host", help="Address to listen on. [HEADWAY_HOST, 127.0.0.1]")
port_option = click.option("--port", type=int, help="Port to listen on. [HEADWAY_PORT, 8000]")


@click.command()
@host_option
@port_option
@database_option
@click.option("--valkey", "valkey_url", help="Valkey or Redis to share cached answers and limits through. [HEADWAY_VALKEY_URL]")
@click.option("--workers", type=int, help="Server processes; more than one needs PostgreSQL. [HEADWAY_WORKERS, 1]")
@click.option("--tls-certificate", metavar="FILE", help="Certificate chain, as PEM: serve HTTPS. [HEADWAY_TLS_CERTIFICATE]")
@click.option("--tls-key", metavar="FILE", help="The certificate's key, as PEM. [HEADWAY_TLS_KEY]")
@click.option("--require-https", is_flag=True, default=None, help="Redirect or reject plain HTTP. [HEADWAY_REQUIRE_HTTPS]")
def serve(**flags: Any) -> None:
    """Migrate the database and serve until SIGTERM or Ctrl-C."""
    with errors_in_one_line():
        run(Settings.load(**flags))


def run(settings: Settings) -> None:
    """Serve with these settings. Raises SettingsError, FileInUseError, WrongKeyError or Unavailable before it listens."""
    import asyncio

    from headway import schema
    from headway.db import sqlite
    from headway.db.keyring import signing_key
    from headway.telemetry import configure_logging

    configure_logging(settings.log_level)
    if settings.workers > 1 and settings.is_sqlite:
        raise SettingsError("Several workers need PostgreSQL: one server process owns a SQLite file.")
    _check_transport(settings)
    check_address(settings)
    signing_key(settings)
    with ExitStack() as owned:
        if settings.is_sqlite:
            path = settings.sqlite_path
            path.parent.mkdir(parents=True, exist_ok=True)
            owned.enter_context(sqlite.own(path))
        asyncio.run(schema.migrate(settings, is_owner=settings.is_sqlite))
        asyncio.run(schema.prove_keys(settings))
        _run_uvicorn(settings)


def check_address(settings: Settings) -> None:
    """Check that the server can listen on its address, before anything is changed. Raises SettingsError."""
    import socket

    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        is_of_system = error.errno is not None and error.errno > 0
        reason = os.strerror(error.errno) if is_of_system else error.strerror  # type: ignore[arg-type]
        raise SettingsError(f"Headway cannot listen on {settings.host}, port {settings.port}: {reason}.") from error


def _check_transport(settings: Settings) -> None:
    """Check that the certificate loads, and that HTTPS is possible where it is required. Raises SettingsError."""
    from headway.http.connections import tls_context

    is_plain = tls_context(settings) is None
    if is_plain and settings.require_https and settings.trusted_proxies is None:
        both = f"{variable('tls_certificate')} or {variable('trusted_proxies')}"
        raise SettingsError(f"{variable('require_https')} needs {both}: no request could use HTTPS.")


def _run_uvicorn(settings: Settings) -> None:
    import tempfile

    import uvicorn

    from headway.app import create_app
    from headway.http.connections import raise_descriptor_limit
    from headway.http.protocols import accept
    from headway.http.web_socket_protocol import WebSocketProtocol
    from headway.telemetry import SHARED_FOLDER

    raise_descriptor_limit(settings)

    # uvicorn drains on SIGTERM and then raises the signal again: a clean shutdown is success.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        # Forwarded addresses are believed only of trusted proxies.
        "proxy_headers": settings.trusted_proxies is not None,
        "forwarded_allow_ips": settings.trusted_proxies or "",
        "timeout_graceful_shutdown": _GRACE_SECONDS,
        "lifespan": "on",
        # A worker that is busy, or starts on a busy machine, is not replaced.
        "timeout_worker_healthcheck": _GRACE_SECONDS,
        # HTTP includes TLS, so uvicorn gets no certificate.
        "http": accept,
        "ws": WebSocketProtocol,
        "ws_max_size": 65_536,
        "ws_per_message_deflate": False,
    }
    if settings.workers == 1:
        uvicorn.run(create_app(settings), **options)
        return
    # Worker processes read their settings from the environment, so flags have to be put there.
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if value is not None:
            os.environ[variable(name)] = str(value)
    with tempfile.TemporaryDirectory(prefix="headway-metrics-") as folder:
        os.environ[SHARED_FOLDER] = folder
        uvicorn.run("headway.app:app_from_environment", factory=True, workers=settings.workers, **options)

"""The URL of a mail server: `smtp://user:password@host:587`, `smtps://host` for TLS from the first byte."""

from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

_PORTS = {"smtp": 587, "smtps": 465}
_OPTIONS = {"tls", "ca"}
_LONGEST_HOST = 253


class SmtpServer(NamedTuple):
    """Where mail is handed over, and how. `ca_file` holds authorities that are trusted besides those of the system."""

    host: str
    port: int
    user: str | None = None
    password: str | None = None
    is_tls_from_start: bool = False
    uses_starttls: bool = True
    """If not, and not TLS from the start, the connection is not encrypted."""
    ca_file: str | None = None


def parse_smtp_url(url: str) -> SmtpServer:
    """Read a URL; its options are `tls=none` and `ca=FILE`. Raises ValueError with what it must be."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError("must start with smtp:// or smtps://")
    try:
        host, port = parts.hostname, parts.port or _PORTS[parts.scheme]
    except ValueError:
        raise ValueError("has a port that is not a number from 1 to 65535") from None
    if not host or len(host) > _LONGEST_HOST or any(character.isspace() for character in host):
        raise ValueError("must name a host")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.path not in {"", "/"} or parts.fragment or set(options) - _OPTIONS or options.get("tls", "none") != "none":
        raise ValueError("must have nothing after the port but ?tls=none or ?ca=FILE")
    user, password = (None if each is None else unquote(each) for each in (parts.username, parts.password))
    if any(each is not None and not each.isprintable() for each in (user, password)):
        raise ValueError("must not have control characters in its user or password")
    if bool(user) != bool(password):
        raise ValueError("must have both a user and a password, or neither")
    is_tls_from_start, is_plain = parts.scheme == "smtps", "tls" in options
    if is_plain and is_tls_from_start:
        raise ValueError("must not have ?tls=none with smtps://")
    if is_plain and user and not _is_local(host):
        raise ValueError("must not send a password without TLS to another machine")
    return SmtpServer(
        host, port, user or None, password or None, is_tls_from_start, not (is_tls_from_start or is_plain), options.get("ca")
    )


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

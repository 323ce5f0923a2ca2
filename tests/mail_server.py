"""A real mail server for tests, which takes mails, or does what mail servers do on bad days."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Received(NamedTuple):
    """A mail as it came in."""

    sender: str
    to: list[str]
    message: EmailMessage

    @property
    def text(self) -> str:
        part = self.message.get_body(("plain",))
        assert part is not None
        return str(part.get_content())

    @property
    def html(self) -> str:
        part = self.message.get_body(("html",))
        assert part is not None
        return str(part.get_content())

    @property
    def link(self) -> str:
        return next(line for line in self.text.splitlines() if line.startswith("http"))

    @property
    def token(self) -> str:
        return self.link.partition("#")[2]


class MailServer:
    """The handler of aiosmtpd. `mode` says what it does; with a dictionary `by_address`, for one address."""

    def __init__(self) -> None:
        self.mode = "take"
        self.by_address: dict[str, str] = {}
        self.port = 0
        self.attempts = 0
        self.received: list[Received] = []
        self.arrived = asyncio.Event()
        self.secure: list[bool] = []
        self.users: list[str | None] = []

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}?tls=none"

    def to(self, address: str) -> list[Received]:
        return [each for each in self.received if address in each.to]

    async def handle_MAIL(self, _server: SMTP, _session: Any, envelope: Envelope, address: str, options: Any) -> str:  # noqa: N802
        if self.mode == "refuse sender":
            return f"553 5.7.1 <{address}>: Sender address rejected: not owned by user"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, _server: SMTP, _session: Any, envelope: Envelope, address: str, _options: Any) -> str:  # noqa: N802
        self.attempts += 1
        mode = self.by_address.get(address, self.mode)
        if mode == "refuse":
            return f"550 5.1.1 <{address}>: there is no such mailbox"
        if mode == "grey":
            return "451 4.7.1 Greylisted, please try again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Envelope) -> str:  # noqa: N802
        mode = self.by_address.get(envelope.rcpt_tos[0], self.mode)
        if mode == "refuse data":
            return "554 5.7.1 This looks like spam"
        if mode == "hang":
            self.arrived.set()
            await asyncio.sleep(3600)
        if mode == "die":
            _abort(server)
            return "250 OK"
        self._keep(envelope, session)
        if mode == "die after taking":
            _abort(server)
        return "250 2.0.0 Queued as 12345"

    def _keep(self, envelope: Envelope, session: Any) -> None:
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        self.received.append(Received(str(envelope.mail_from), list(envelope.rcpt_tos), message))
        self.secure.append(session.ssl is not None)
        self.arrived.set()

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        is_right = data == LoginPassword(b"mailer", b"p@ss:word")
        self.users.append(data.login.decode() if is_right else None)
        # Not handled: aiosmtpd is to answer itself.
        return AuthResult(success=is_right, handled=False)


def _abort(server: SMTP) -> None:
    transport: Any = server.transport
    transport.abort()


@asynccontextmanager
async def run_mail_server(
    *, tls: ssl.SSLContext | None = None, is_tls_from_start: bool = False, needs_password: bool = False
) -> AsyncIterator[MailServer]:
    """Run a mail server at a free port of this machine, in the loop of the test."""
    handler = MailServer()
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {"hostname": "mail.test", "loop": loop}
    if tls is not None and not is_tls_from_start:
        options |= {"tls_context": tls, "require_starttls": True}
    if needs_password:
        options |= {"auth_required": True, "authenticator": handler.authenticate, "auth_require_tls": tls is not None}
    server = await loop.create_server(lambda: SMTP(handler, **options), "127.0.0.1", 0, ssl=tls if is_tls_from_start else None)
    handler.port = server.sockets[0].getsockname()[1]
    try:
        yield handler
    finally:
        server.close()


def make_certificate(folder: Path, name: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """Make a certificate of its own authority; return the context of a server, and the file of the authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test")])
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name[0].isdigit():
        names = [x509.IPAddress(ip_address(name))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "mail.pem", folder / "mail.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key_file)
    return context, certificate_file

"""The network side of mail: one letter on one connection, verified and bounded in time."""

import asyncio
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as FORMAT
from email.utils import format_datetime, parseaddr
from typing import NamedTuple

import aiosmtplib
import certifi

from headway.instants import Instant, to_datetime
from headway.mail.model import MAX_ANSWER, Attempt, Outcome, Written, is_mailbox, one_line
from headway.settings import Settings
from headway.smtp_url import SmtpServer, parse_smtp_url

_PERMANENT = 500
_SIGN_IN = {530, 534, 535, 538}
"""What asks for another way to sign in (RFC 4954, section 6)."""


class MailAddress(NamedTuple):
    """A name and an address, as in `Example School <no-reply@school.example>`."""

    name: str
    address: str


def read_address(text: str) -> MailAddress:
    """Read a name and an address, as in a header; without a name it is the product's."""
    name, address = parseaddr(text)
    return MailAddress(name or "Headway", address)


class MailTransport:
    """Hands letters over to a mail server."""

    def __init__(self, server: SmtpServer, sender: MailAddress, *, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self.sender = sender
        self._server = server

    @classmethod
    def from_settings(cls, settings: Settings) -> "MailTransport | None":
        """Return the transport to the mail server of the settings; None without one."""
        if settings.smtp_url is None or settings.mail_from is None:
            return None
        server, sender = parse_smtp_url(settings.smtp_url), read_address(settings.mail_from)
        return cls(server, sender, timeout_seconds=settings.mail_timeout_seconds)

    async def send(self, message_id: str, to: str, written: Written, at: Instant) -> Attempt:
        """Send a letter to an address; the answer is the server's, or says what did not work."""
        if not is_mailbox(to):
            return Attempt(Outcome.FAILED, "No mail can be sent to this address.")
        message = compose(self.sender, message_id, to, written, at)
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return Attempt(Outcome.SENT, await self._hand_over(message, to))
        except TimeoutError:
            return Attempt(Outcome.RETRIED, f"The mail server did not answer within {self.timeout_seconds:g} s.")
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            return _attempt_of(error)

    async def find_fault(self) -> str | None:
        """Connect, sign in and name the sender, without sending anything; return what does not work, or None."""
        try:
            client = self._client()
            try:
                async with asyncio.timeout(self.timeout_seconds):
                    await client.connect()
                    await client.mail(self.sender.address)
            finally:
                client.close()
        except TimeoutError:
            return f"it did not answer within {self.timeout_seconds:g} s"
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            return _attempt_of(error).answer
        return None

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            # The name of this machine would be looked up, and is nobody's business.
            local_hostname=self.sender.address.rpartition("@")[2].encode("idna").decode(),
            timeout=self.timeout_seconds,
            use_tls=server.is_tls_from_start,
            start_tls=server.uses_starttls,
            tls_context=_trust(server.ca_file) if server.is_tls_from_start or server.uses_starttls else None,
        )

    async def _hand_over(self, message: EmailMessage, to: str) -> str:
        client = self._client()
        try:
            await client.connect()
            _, answer = await client.send_message(message, sender=self.sender.address, recipients=[to])
        finally:
            # What was accepted stays so: nobody waits for the end of the connection.
            client.close()
        return one_line(answer)


def compose(sender: MailAddress, message_id: str, to: str, written: Written, at: Instant) -> EmailMessage:
    """Return a letter as it is sent: text and HTML. No name or subject can add a header or a receiver."""
    message = EmailMessage(policy=FORMAT)
    message["From"] = Address(one_line(sender.name), addr_spec=sender.address)
    message["To"] = Address(addr_spec=to)
    message["Subject"] = one_line(written.subject)
    message["Date"] = format_datetime(to_datetime(at))
    message["Message-ID"] = f"<{message_id}@{sender.address.rpartition('@')[2]}>"
    # Nobody's absence is answered (RFC 3834, section 5).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(written.text, cte="quoted-printable")
    message.add_alternative(written.html, subtype="html", cte="quoted-printable")
    # The content takes such headers with it, so it comes last.
    message["Content-Language"] = written.language
    return message


def _attempt_of(error: Exception) -> Attempt:
    """Return what an error means: that this letter is refused for good, or that it may be taken later.

    A refused sign-in or sender, or a certificate that is not trusted, is mended by the operator; the letter is not at fault.
    """
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        refused: aiosmtplib.SMTPResponseException = error.recipients[0]
        return _refused(refused)
    if isinstance(error, aiosmtplib.SMTPDataError | aiosmtplib.SMTPRecipientRefused):
        return _refused(error)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return Attempt(Outcome.RETRIED, f"{error.code} {one_line(error.message)}"[:MAX_ANSWER])
    if isinstance(error, aiosmtplib.SMTPNotSupported) and "SMTPUTF8" in str(error):
        return Attempt(Outcome.FAILED, "The mail server takes no addresses with other than ASCII characters.")
    said = one_line(str(error)) or type(error).__name__
    # A certificate that is not trusted is an OSError and a ValueError.
    is_faulty = isinstance(error, ValueError) and not isinstance(error, OSError)
    return Attempt(Outcome.FAILED if is_faulty else Outcome.RETRIED, said[:MAX_ANSWER])


def _refused(error: aiosmtplib.SMTPResponseException) -> Attempt:
    is_final = error.code >= _PERMANENT and error.code not in _SIGN_IN
    outcome = Outcome.FAILED if is_final else Outcome.RETRIED
    return Attempt(outcome, f"{error.code} {one_line(error.message)}"[:MAX_ANSWER])


def _trust(ca_file: str | None) -> ssl.SSLContext:
    """Trust the authorities of the system, those that browsers trust, and those of a file. Raises OSError naming it."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise OSError(f"{ca_file} holds no authorities that can be read: {error.strerror or error}") from error
    return context

"""Mail that anybody may ask for, for any address: the same work and the same answer for all, and not too much of it."""

from headway.db.database import Database
from headway.errors import Conflict
from headway.identity import Client
from headway.instants import Clock
from headway.limits.limiter import DatabaseRateLimiter
from headway.limits.model import RateLimit
from headway.mail.model import Letter
from headway.mail.outbox import Outbox
from headway.settings import Settings

_HOUR_SECONDS = 3_600


class AskedMail:
    """Stores what was asked for. Who has the address is looked up when the mail is sent: see `MailSender.resolvers`."""

    def __init__(self, database: Database, clock: Clock, outbox: Outbox, settings: Settings) -> None:
        self._database = database
        self._limiter = DatabaseRateLimiter(database, clock)
        self._per_address = RateLimit("mail address", settings.mails_per_address, _HOUR_SECONDS)
        self._per_client = RateLimit("mail client", settings.mails_per_client, _HOUR_SECONDS)
        self.outbox = outbox

    def require(self, instead: str) -> None:
        """Check that this server sends mail; `instead` says what to do if not. Raises Conflict MAIL_NOT_SET_UP."""
        if not self.outbox.is_on:
            raise Conflict(f"This server sends no mail: {instead}.", code="MAIL_NOT_SET_UP")

    async def ask(self, letter: Letter, client: Client) -> None:
        """Count and store what a client asks for. Opens its own transactions. Raises RateLimited."""
        await self.count(letter.to, client)
        async with self._database.write() as tx:
            await self.outbox.write(tx, letter)

    async def count(self, email: str, client: Client) -> None:
        """Count a mail to a normalized address, whoever has it. Opens its own transaction. Raises RateLimited."""
        limits = {f"mail address {email}": self._per_address, f"mail client {client.network}": self._per_client}
        await self._limiter.take_all(limits)

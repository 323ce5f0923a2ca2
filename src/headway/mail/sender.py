"""The sender of mail: hands over what is in the outbox."""

from collections.abc import Awaitable, Callable, Sequence

import structlog

from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.db.keyring import WrongKeyError
from headway.instants import SECOND, Clock, Instant
from headway.mail import store
from headway.mail.model import Attempt, Letter, Mail, MailKind, MailStatus, Outcome, Written, random_jitter
from headway.mail.outbox import Outbox
from headway.mail.transport import MailTransport
from headway.sending import CLAIM_MARGIN, Sender
from headway.telemetry import Metrics

Resolve = Callable[[WriteTransaction, Letter], Awaitable[Letter | None]]
"""Turns what was asked for into the letter to send, or into none."""
Write = Callable[[Letter], Written]
_QUEUE = 0

log = structlog.get_logger(__name__)


class MailSender(Sender[Mail]):
    """Sends mails, in the order in which they are due; `write` writes a letter out in the language of its receiver."""

    name = "mail"
    at_once = 4

    def __init__(
        self, database: Database, clock: Clock, outbox: Outbox, metrics: Metrics, transport: MailTransport, write: Write
    ) -> None:
        super().__init__(database, clock)
        self._outbox = outbox
        self._metrics = metrics
        self._transport = transport
        self._write = write
        self._claimed_for = round(transport.timeout_seconds * SECOND) + CLAIM_MARGIN
        self.resolvers: dict[MailKind, Resolve] = {}
        """By what is asked for. They run in the transaction that claims, so no request takes longer for it."""
        self.jitter: Callable[[], float] = random_jitter

    def _listen(self, wake: Callable[[], None]) -> None:
        self._outbox.on_written = wake

    def _queue_of(self, parcel: Mail) -> int:
        return _QUEUE

    async def _find_queues(self, tx: ReadTransaction, now: Instant) -> list[int]:
        return [_QUEUE] if await store.has_due(tx, now) else []

    async def _measure(self, tx: ReadTransaction, now: Instant) -> None:
        pending, oldest_at = await store.read_backlog(tx)
        self._metrics.mails_pending.set(pending)
        self._metrics.mails_oldest_seconds.set(0 if oldest_at is None else max(now - oldest_at, 0) / SECOND)

    async def _claim(self, tx: WriteTransaction, queue: int, room: int, now: Instant) -> list[Mail]:
        del queue
        claimed = await store.claim(tx, now, limit=room, until=now + self._claimed_for)
        late = [each for each in claimed if each.until_at <= now]
        for each in late:
            each.give_up(each.answer or "It could not be sent in time.", now)
            self._metrics.mail_attempts.labels(Outcome.FAILED.value).inc()
        asked = {each.id for each in claimed if each.kind in self.resolvers}
        begun: list[Mail] = []
        idle: list[Mail] = []
        for mail in claimed:
            if mail.status is not MailStatus.PENDING:
                continue
            try:
                (begun if await self._resolve(tx, mail, now) else idle).append(mail)
            except WrongKeyError:
                # It is looked at again when the claim ends, and holds up no other meanwhile.
                log.warning("A mail cannot be read: a key is missing.", mail=mail.id, kind=mail.kind.value)
        if len(begun) < len(claimed):
            # There is room for more of them.
            self.wake()
        await store.settle(tx, [*late, *(each for each in begun if each.id in asked)])
        await store.delete_all(tx, [each.id for each in idle])
        return begun

    async def _resolve(self, tx: WriteTransaction, mail: Mail, now: Instant) -> bool:
        """Put the letter to send in place of what was asked for; return False if there is none. Raises WrongKeyError."""
        if mail.letter is None:
            raise WrongKeyError("No present key decrypts this mail.")
        if mail.kind not in self.resolvers:
            return True
        letter = await self.resolvers[mail.kind](tx, mail.letter)
        if letter is None:
            return False
        mail.kind, mail.letter, mail.user_id, mail.to = letter.kind, letter, letter.user_id, letter.to
        mail.next_at, mail.until_at = now + self._claimed_for, now + letter.lifetime
        return True

    async def _send(self, parcel: Mail) -> None:
        assert parcel.letter is not None  # noqa: S101 - `_claim` leaves out those without one
        attempt = await self._transport.send(parcel.message_id, parcel.letter.to, self._write(parcel.letter), parcel.at)
        self._note(parcel, attempt)

    def _note(self, mail: Mail, attempt: Attempt) -> None:
        mail.settle(attempt, self._clock(), jitter=self.jitter())
        outcome = Outcome.RETRIED.value if mail.status is MailStatus.PENDING else mail.status.value
        self._metrics.mail_attempts.labels(outcome).inc()
        if mail.status is not MailStatus.SENT:
            # Without the answer of the server, which may name the address.
            log.warning("A mail was not taken.", mail=mail.id, kind=mail.kind.value, outcome=outcome, tries=mail.tries)

    async def _store(self, tx: WriteTransaction, settled: Sequence[Mail], now: Instant) -> None:
        del now
        await store.settle(tx, settled)

    async def _release(self, tx: WriteTransaction, claimed: Sequence[Mail], now: Instant) -> None:
        await store.release(tx, claimed, now)

    async def _close(self) -> None:
        """Do nothing: each letter has a connection of its own."""

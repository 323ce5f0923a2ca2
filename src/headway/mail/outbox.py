"""The outbox: letters are stored in the transaction of what they tell."""

from collections.abc import Callable, Sequence

from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.ids import NewId
from headway.instants import DAY, Clock
from headway.mail import store
from headway.mail.model import Letter, Mail, MailFacts


class Outbox:
    """Stores letters. Without a mail server (`is_on`) it stores nothing."""

    def __init__(self, clock: Clock, new_id: NewId, *, is_on: bool, kept_days: int) -> None:
        self._clock = clock
        self._new_id = new_id
        self._kept = kept_days * DAY
        self.is_on = is_on
        self.on_written: Callable[[], None] = _do_nothing
        """Runs after each commit with letters."""

    async def write(self, tx: WriteTransaction, *letters: Letter) -> None:
        """Store letters, which are sent after the commit."""
        if self.is_on and letters:
            await store.insert_letters(tx, [(self._new_id(), each) for each in letters], self._clock())
            tx.after_commit(self.on_written)

    async def read_facts(self, tx: ReadTransaction) -> MailFacts:
        """Return what waits and what failed."""
        return await store.read_facts(tx)

    async def list_of_user(self, tx: ReadTransaction, user_id: int) -> Sequence[Mail]:
        """List the mails to an account that are still known, the oldest first."""
        return await store.list_of_user(tx, user_id)

    async def forget_user(self, tx: WriteTransaction, user_id: int) -> None:
        """Delete the mails to an account; what is not sent yet is not sent."""
        await store.delete_of_user(tx, user_id)

    async def purge(self, database: Database) -> None:
        """Delete the mails of which has been known long enough what became of them. Opens its own transactions."""
        more = 1
        while more:
            async with database.write() as tx:
                more = await store.purge(tx, self._clock() - self._kept)


def _do_nothing() -> None:
    """Stand in where nothing is sent, as in commands."""

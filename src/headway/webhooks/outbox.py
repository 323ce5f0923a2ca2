"""The outbox: what transactions announce becomes deliveries, in the same transaction."""

from collections.abc import Callable, Sequence

import msgspec

from headway.db.database import WriteTransaction
from headway.ids import NewId
from headway.instants import SECOND, Clock, Instant
from headway.webhooks import deliveries_store as deliveries
from headway.webhooks import store
from headway.webhooks.announcements import Announcement
from headway.webhooks.model import Subscription

_FRESH_FOR = SECOND


class Outbox:
    """Writes deliveries. It remembers who subscribes: changes of this process are seen at once, those of others in a second."""

    def __init__(self, clock: Clock, new_id: NewId) -> None:
        self._clock = clock
        self._new_id = new_id
        self._subscriptions: list[Subscription] = []
        self._read_at: Instant | None = None
        self._changes = 0
        self.on_written: Callable[[], None] = _do_nothing
        """Runs after each commit with deliveries."""

    def forget(self) -> None:
        """Forget who subscribes: somebody has changed it."""
        self._read_at = None
        self._changes += 1

    async def write(self, tx: WriteTransaction, announced: Sequence[Announcement]) -> None:
        """Write a delivery of each announcement for each webhook that subscribes to it. Nobody else's row is written."""
        subscriptions = await self._read(tx)
        if not subscriptions:
            return
        now = self._clock()
        found = []
        for each in announced:
            takers = [taker for taker in subscriptions if taker.takes(each.type, each.course_id)]
            if takers:
                data = msgspec.json.encode(each.fields()).decode()
                message_id = self._new_id()
                found += [
                    (taker.webhook_id, message_id, each.type.value, each.learner_id, each.course_id, data, now)
                    for taker in takers
                ]
        if found:
            await deliveries.insert_announced(tx, found)
            tx.after_commit(self.on_written)

    async def _read(self, tx: WriteTransaction) -> list[Subscription]:
        now = self._clock()
        if self._read_at is None or not 0 <= now - self._read_at < _FRESH_FOR:
            changes = self._changes
            self._subscriptions = await store.list_subscriptions(tx)
            # What was changed meanwhile may not be among them.
            self._read_at = now if changes == self._changes else None
        return self._subscriptions


def _do_nothing() -> None:
    """Stand in where nothing is sent, as in commands."""

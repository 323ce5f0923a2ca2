"""Reading the feed."""

from collections.abc import Collection

from headway.db.database import ReadTransaction
from headway.feed import store as feed_store
from headway.feed.model import FeedEntry, Position


class Feed:
    """The entries of all topics. `Subscriptions` decides who may follow a topic."""

    async def read_after(self, tx: ReadTransaction, topic: str, after: int, *, limit: int) -> tuple[list[FeedEntry], Position]:
        """Read the entries after a number in order, up to `limit`, and the position of the topic."""
        return await feed_store.entries_after(tx, topic, after, limit=limit), await feed_store.position(tx, topic)

    async def read_newest(self, tx: ReadTransaction, topics: Collection[str]) -> dict[str, int]:
        """Return the newest number of each of these topics that has one."""
        return await feed_store.newest(tx, topics)

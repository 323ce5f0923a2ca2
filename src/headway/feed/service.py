"""Reading the feed."""

from collections.abc import Collection

from headway.db.database import Database, Listener
from headway.feed import store as feed_store
from headway.feed.model import FeedEntry, Position


class Feed:
    """The entries of all topics; who may follow a topic is decided elsewhere."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_after(self, topic: str, after: int, *, limit: int) -> tuple[list[FeedEntry], Position]:
        """Read the entries after a number in order, up to `limit`, and the position of the topic."""
        async with self._database.read() as tx:
            return await feed_store.entries_after(tx, topic, after, limit=limit), await feed_store.position(tx, topic)

    async def read_newest(self, topics: Collection[str]) -> dict[str, int]:
        """Return the newest number of each of these topics that has one."""
        async with self._database.read() as tx:
            return await feed_store.newest(tx, topics)

    def listen(self, listener: Listener) -> None:
        """Call `listener` with the topics that have new entries, or with None if any topic may have some."""
        self._database.listen(listener)

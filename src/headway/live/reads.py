"""The reads of live clients: the only place where the hub and the sockets open transactions."""

from collections.abc import Collection

from headway.db.database import Database, Listener
from headway.feed.model import FeedEntry
from headway.feed.service import Feed
from headway.identity import Caller
from headway.live.subscriptions import Subscriptions, find_required_course


class LiveReads:
    """Reads the feed and checks subscriptions, each call in a short snapshot of its own. All raise Unavailable."""

    def __init__(self, database: Database, feed: Feed, subscriptions: Subscriptions) -> None:
        self._database = database
        self._feed = feed
        self._subscriptions = subscriptions

    async def check(self, caller: Caller, topic: str) -> None:
        """Check that a caller may follow a topic; only topics of courses need the database. Raises Invalid, Forbidden."""
        if find_required_course(caller, topic) is not None:
            async with self._database.read() as tx:
                await self._subscriptions.check(tx, caller, topic)

    async def read_after(self, topic: str, after: int, *, limit: int) -> list[FeedEntry]:
        """Read the entries of a topic after a number in order, up to `limit`."""
        async with self._database.read() as tx:
            entries, _ = await self._feed.read_after(tx, topic, after, limit=limit)
        return entries

    async def read_newest(self, topics: Collection[str]) -> dict[str, int]:
        """Return the newest number of each of these topics that has one."""
        async with self._database.read(single_statement=True) as tx:
            return await self._feed.read_newest(tx, topics)

    def listen(self, listener: Listener) -> None:
        """Call `listener` with the topics that have new entries, or with None if any topic may have some."""
        self._database.listen(listener)

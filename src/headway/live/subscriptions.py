"""Following the feed: who may, and what there is after a number."""

import re
from collections.abc import Collection

from headway.db.database import Database, Listener
from headway.enrollments.access import is_staff
from headway.errors import Forbidden, Invalid
from headway.feed import store as feed
from headway.feed.model import Entry, Position
from headway.identity import Caller

_TOPIC = re.compile(r"(user|course):([1-9][0-9]{0,14})", re.ASCII)


class Subscriptions:
    """The feed as its readers see it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def check(self, caller: Caller, topic: str) -> None:
        """Let users follow their own topic, and staff that of their courses. Raises Invalid, Forbidden."""
        match = _TOPIC.fullmatch(topic)
        if match is None:
            raise Invalid.field("topic", "must be user:ID or course:ID")
        kind, number = match[1], int(match[2])
        if kind == "user":
            may = number == caller.user_id
        else:
            async with self._database.read() as tx:
                may = await is_staff(tx, caller, number)
        if not may:
            raise Forbidden("This topic is not yours to follow.")

    async def read(self, caller: Caller, topic: str, *, after: int, limit: int) -> tuple[list[Entry], Position]:
        """Read what comes after a number, in order, up to `most`, and how far the topic goes. Raises as `check`."""
        await self.check(caller, topic)
        return await self.after(topic, after, limit=limit)

    async def after(self, topic: str, after: int, *, limit: int) -> tuple[list[Entry], Position]:
        """Read what comes after a number, whoever asks."""
        async with self._database.read() as tx:
            return await feed.entries_after(tx, topic, after, limit=limit), await feed.position(tx, topic)

    async def newest(self, topics: Collection[str]) -> dict[str, int]:
        """Give the newest number of each of these topics that has one."""
        async with self._database.read() as tx:
            return await feed.newest(tx, topics)

    def listen(self, listener: Listener) -> None:
        """Have `listener` called with the topics in which there is something new, or None where that may be any."""
        self._database.listen(listener)

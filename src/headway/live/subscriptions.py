"""Who may follow which topic."""

import re

from headway.db.database import Database
from headway.enrollments.authorization import read_access
from headway.errors import Forbidden, Invalid
from headway.feed.model import FeedEntry, Position
from headway.feed.service import Feed
from headway.identity import Caller

_TOPIC = re.compile(r"(user|course):([1-9][0-9]{0,14})", re.ASCII)


class Subscriptions:
    """The feed as a caller may see it: users follow their own topic, staff those of their courses."""

    def __init__(self, database: Database, feed: Feed) -> None:
        self._database = database
        self._feed = feed

    async def check(self, caller: Caller, topic: str) -> None:
        """Check that a caller may follow a topic. Raises Invalid, Forbidden."""
        match = _TOPIC.fullmatch(topic)
        if match is None:
            raise Invalid.field("topic", "must be user:ID or course:ID")
        if not await self._may_follow(caller, match[1], int(match[2])):
            raise Forbidden("This topic is not yours to follow.")

    async def read(self, caller: Caller, topic: str, *, after: int, limit: int) -> tuple[list[FeedEntry], Position]:
        """Read the entries after a number in order, up to `limit`, and the position of the topic. Raises as `check`."""
        await self.check(caller, topic)
        return await self._feed.read_after(topic, after, limit=limit)

    async def _may_follow(self, caller: Caller, kind: str, number: int) -> bool:
        if kind == "user":
            return number == caller.user_id
        if caller.sees_all:
            return True
        async with self._database.read() as tx:
            return (await read_access(tx, caller, number)).is_staff

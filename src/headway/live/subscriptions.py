"""Decides who may follow which topic, and reads topics for live clients."""

import re
from collections.abc import Collection

from headway.db.database import Database, Listener, ReadTransaction
from headway.disclosures.disclosing import disclose
from headway.disclosures.model import RecordKind
from headway.enrollments.authorization import read_access
from headway.errors import Forbidden, Invalid
from headway.feed.model import FeedEntry, Position
from headway.feed.service import Feed
from headway.identity import Caller

TOPIC_PATTERN = "^(user|course):([1-9][0-9]{0,14})$"
_TOPIC = re.compile(TOPIC_PATTERN)


class Subscriptions:
    """The feed as a caller may see it: users follow their own topic, staff those of their courses."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    async def check(self, tx: ReadTransaction, caller: Caller, topic: str) -> None:
        """Check that a caller may follow a topic. Raises Invalid, Forbidden."""
        course_id = find_required_course(caller, topic)
        if course_id is not None and not (await read_access(tx, caller, course_id)).is_staff:
            raise not_yours()
        followed = find_course(topic)
        if followed is not None:
            disclose(tx, caller, RecordKind.LIVE, course_id=followed)

    async def read(
        self, tx: ReadTransaction, caller: Caller, topic: str, *, after: int, limit: int
    ) -> tuple[list[FeedEntry], Position]:
        """Read the entries after a number in order, up to `limit`, and the position of the topic. Raises as `check`."""
        await self.check(tx, caller, topic)
        return await self._feed.read_after(tx, topic, after, limit=limit)


class LiveReads:
    """Reads the feed and checks subscriptions, each call in a short snapshot of its own. All raise Unavailable."""

    def __init__(self, database: Database, feed: Feed, subscriptions: Subscriptions) -> None:
        self._database = database
        self._feed = feed
        self._subscriptions = subscriptions

    async def check(self, caller: Caller, topic: str) -> None:
        """Check that a caller may follow a topic; only topics of courses need the database. Raises Invalid, Forbidden."""
        if find_required_course(caller, topic) is not None or find_course(topic) is not None:
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
        """Call `listener` with the payload of each notification, and with None if some may have been missed."""
        self._database.listen(listener)

    async def look_for_others(self) -> None:
        """Call the listeners with None if others have changed something without a notification."""
        await self._database.look_for_others()


def find_required_course(caller: Caller, topic: str) -> int | None:
    """Return the course whose staff the caller must belong to in order to follow a topic; None if nothing more is required.

    Raises Invalid, and Forbidden for the topic of another user.
    """
    match = _TOPIC.fullmatch(topic)
    if match is None:
        raise Invalid.field("topic", "must be user:ID or course:ID")
    number = int(match[2])
    if match[1] == "course":
        return None if caller.sees_all else number
    if number != caller.user_id:
        raise not_yours()
    return None


def find_course(topic: str) -> int | None:
    """Return the course of a topic; None for one of a user."""
    match = _TOPIC.fullmatch(topic)
    return int(match[2]) if match is not None and match[1] == "course" else None


def not_yours() -> Forbidden:
    """Return the error for a topic that the caller may not follow."""
    return Forbidden("This topic is not yours to follow.")

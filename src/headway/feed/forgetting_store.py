"""Forgets feed entries by their age; numbers are not given again."""

from typing import Any

from sqlalchemy import Text, and_, bindparam, delete, func, select

from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.forgetting import Forgotten, Found
from headway.feed.tables import feed, feed_topics
from headway.instants import Instant

_AT_ONCE = 50
_is_old = feed.c.at < bindparam("before", type_=feed.c.at.type)
_old = select(func.count().label("number"), func.min(feed.c.at).label("oldest"), func.max(feed.c.at).label("newest")).where(
    _is_old
)
_topics = (
    select(feed_topics.c.topic)
    .where(feed_topics.c.topic > bindparam("after", type_=Text()))
    .order_by(feed_topics.c.topic)
    .limit(_AT_ONCE)
    .with_for_update()
)
_newest_old = select(func.max(feed.c.seq).label("seq")).where(feed.c.topic == bindparam("of_topic"), _is_old)
_delete = delete(feed).where(and_(feed.c.topic == bindparam("of_topic"), feed.c.seq <= bindparam("upto")))


class OldFeedEntries:
    """Entries of all topics."""

    name = "feed"

    async def find(self, tx: ReadTransaction, before: Instant) -> Found:
        """Count the entries of before an instant."""
        return Found(*await tx.one(_old, before=before))

    async def forget(self, tx: WriteTransaction, before: Instant, place: Any | None) -> Forgotten:
        """Delete the old entries of some topics, from their beginnings on: what is left has no gaps."""
        topics = [row["topic"] for row in await tx.all(_topics, after=place or "")]
        count = 0
        for topic in topics:
            newest = (await tx.one(_newest_old, of_topic=topic, before=before))["seq"]
            if newest is not None:
                count += await tx.run(_delete, of_topic=topic, upto=newest)
        return Forgotten(count, topics[-1] if len(topics) == _AT_ONCE else None)

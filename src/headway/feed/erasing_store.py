"""What an erasure takes from the feed: the person's own topic, and the texts in the topics of others."""

from collections.abc import Collection

from sqlalchemy import Text, bindparam, delete, or_, select, update

from headway.db.database import WriteTransaction
from headway.db.dialects import is_one_of, rows
from headway.db.personal_keys import PERSONAL
from headway.feed.model import ERASED_DATA, PERSONAL_TYPES, user_topic
from headway.feed.tables import feed, feed_topics

_topics = rows("topics", {"topic": Text()})
_delete = delete(feed).where(feed.c.topic == bindparam("of_topic"))
_delete_topic = delete(feed_topics).where(feed_topics.c.topic == bindparam("of_topic"))
_blank = (
    update(feed)
    .where(
        is_one_of(feed.c.topic, select(_topics.c.topic)),
        or_(*(feed.c.type == kind for kind in sorted(PERSONAL_TYPES))),
        feed.c.data.not_like(PERSONAL),
    )
    .values(data=ERASED_DATA)
)


async def erase(tx: WriteTransaction, user_id: int, others: Collection[str]) -> dict[str, int]:
    """Delete the topic of a user. In the topics of others, texts under the user's key become unreadable with it.

    Those of before there were personal keys are removed whoever they are of: nothing else tells before they are decrypted.
    """
    deleted = await tx.run(_delete, of_topic=user_topic(user_id))
    await tx.run(_delete_topic, of_topic=user_topic(user_id))
    await tx.run(_blank, topics=[(topic,) for topic in sorted(others)])
    return {"feedEntries": deleted}

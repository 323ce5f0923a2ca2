"""The feed as rows."""

from collections import Counter
from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import BigInteger, Text, bindparam, delete, func, or_, select, true

from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import WriteRows, insert, lookup, rows
from headway.db.personal_keys import PersonalTexts, reader, texts_for
from headway.feed import notices
from headway.feed.model import ERASED_DATA, PERSONAL_TYPES, FeedEntry, FeedEvent, NewFeedEntry, Position
from headway.feed.tables import feed, feed_topics
from headway.instants import Instant

KEPT = 1_000
"""How many of the newest entries of a topic can be replayed; up to `_PRUNED_EVERY` more may be there."""
_PRUNED_EVERY = 100

_counted = rows("counted", {"topic": Text(), "count": BigInteger()})
_first_numbers = insert(feed_topics).from_select(
    # The condition keeps SQLite from reading ON CONFLICT as the beginning of a join.
    ["topic", "seq"],
    select(_counted.c.topic, _counted.c.count).where(true()).order_by(_counted.c.topic),
)
_take_numbers = _first_numbers.on_conflict_do_update(
    index_elements=["topic"], set_={"seq": feed_topics.c.seq + _first_numbers.excluded.seq}
).returning(feed_topics.c.topic, feed_topics.c.seq)
_insert = WriteRows(feed, ["topic", "seq", "type", "at", "data"])
_prune = delete(feed).where(feed.c.topic == bindparam("of_topic"), feed.c.seq <= bindparam("upto"))
_after = (
    select(feed)
    .where(feed.c.topic == bindparam("topic"), feed.c.seq > bindparam("after"))
    .order_by(feed.c.seq)
    .limit(bindparam("limit"))
)
_topics = rows("topics", {"topic": Text()})
_found = lookup(_topics, feed_topics, feed_topics.c.topic == _topics.c.topic)
_oldest = select(func.min(feed.c.seq)).where(feed.c.topic == feed_topics.c.topic).correlate(feed_topics).scalar_subquery()
_positions = select(feed_topics.c.topic, feed_topics.c.seq, _oldest.label("oldest")).select_from(_found)
_newest = select(feed_topics.c.topic, feed_topics.c.seq).select_from(_found)


async def publish(tx: WriteTransaction, entries: Sequence[NewFeedEntry], now: Instant, *, missed: Collection[str] = ()) -> None:
    """Append entries to their topics in order, and tell their followers after the commit; of events that are not stored too.

    Followers of the topics `missed` are told to read the state anew. Topics stay locked until the transaction ends: publish
    once, and last in it but for the audit log.
    """
    stored = [entry for entry in entries if entry.event.is_stored]
    if stored:
        await _append(tx, stored, now)
    if entries or missed:
        await tx.notify(notices.payloads(entries, now, missed=missed))


async def _append(tx: WriteTransaction, entries: Sequence[NewFeedEntry], now: Instant) -> None:
    counts = Counter(entry.topic for entry in entries)
    people = {each for entry in entries if entry.event.is_personal for each in entry.event.people}
    # Before topics are locked.
    personal = await texts_for(tx, people) if people else PersonalTexts(tx.keyring, {})
    numbered = await tx.all(_take_numbers, counted=sorted(counts.items()))
    newest = {row["topic"]: row["seq"] for row in numbered}
    upcoming = {topic: newest[topic] - count for topic, count in counts.items()}
    values = []
    event: FeedEvent | None = None
    data = ""
    for entry in entries:
        upcoming[entry.topic] += 1
        if entry.event is not event:
            # An event goes into several topics, one after the other.
            event, data = entry.event, entry.event.render()
            if event.is_personal:
                data = personal.encrypt(data, event.people)
        values.append((entry.topic, upcoming[entry.topic], event.type, now, data))
    await tx.write_rows((_insert, values))
    for topic, seq in newest.items():
        if seq % _PRUNED_EVERY < counts[topic] and seq > KEPT:
            await tx.run(_prune, of_topic=topic, upto=seq - KEPT)


async def entries_after(tx: ReadTransaction, topic: str, after: int, *, limit: int) -> list[FeedEntry]:
    """Read the entries of a topic after a number in order, up to `limit`."""
    found = await tx.all(_after, topic=topic, after=after, limit=limit)
    entries = []
    personal = await reader(tx, [row["data"] for row in found if row["type"] in PERSONAL_TYPES])
    for _, seq, kind, at, stored in found:
        # Submissions of before they were encrypted begin as JSON does.
        is_encrypted = kind in PERSONAL_TYPES and not stored.startswith("{")
        data = (personal.read(stored) or ERASED_DATA) if is_encrypted else stored
        entries.append(FeedEntry(topic, seq, kind, at, msgspec.Raw(data.encode())))
    return entries


async def position(tx: ReadTransaction, topic: str) -> Position:
    """Return the position of a topic."""
    row = await tx.first(_positions, topics=[(topic,)])
    # All entries may be forgotten: then the next one is the oldest that can be read.
    return Position(0, 0) if row is None else Position(row["seq"], row["oldest"] or row["seq"] + 1)


async def newest(tx: ReadTransaction, topics: Collection[str]) -> dict[str, int]:
    """Return the newest number of each of these topics that has one."""
    return {row["topic"]: row["seq"] for row in await tx.all(_newest, topics=[(topic,) for topic in topics])}


_last_seq = func.coalesce(func.max(feed.c.seq), 0)
_span = _last_seq - func.coalesce(func.min(feed.c.seq), 1) + 1
_wrong_topics = (
    select(
        feed_topics.c.topic,
        feed_topics.c.seq,
        _last_seq.label("last"),
        _span.label("span"),
        func.count(feed.c.seq).label("stored"),
    )
    .outerjoin(feed, feed.c.topic == feed_topics.c.topic)
    .group_by(feed_topics.c.topic, feed_topics.c.seq)
    # Of a topic of which nobody wrote for long, retention leaves no entry.
    .having(func.count(feed.c.seq) > 0, or_(feed_topics.c.seq != _last_seq, _span != func.count(feed.c.seq)))
    .order_by(feed_topics.c.topic)
)


async def find_wrong_topics(tx: ReadTransaction) -> Sequence[Row]:
    """Find the topics whose last entry is not number `seq`, or whose stored entries have gaps.

    The rows have topic, seq, last, span and stored.
    """
    return await tx.all(_wrong_topics)

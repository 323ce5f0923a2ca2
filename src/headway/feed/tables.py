"""The tables of the feed."""

from sqlalchemy import BigInteger, Column, Table, Text, and_, or_

from headway.db.types import Timestamp, encrypted_column, metadata
from headway.feed.model import PERSONAL_TYPES, people_of_entry

feed_topics = Table(
    "feed_topics",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)
"""The newest `seq` of each topic. A transaction that appends locks the row, so that numbers become visible in order."""

feed = Table(
    "feed",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("type", Text, nullable=False),
    Column("at", Timestamp, nullable=False),
    encrypted_column(
        "data",
        rows=lambda table: and_(
            or_(*(table.c.type == kind for kind in sorted(PERSONAL_TYPES))),
            # Submissions of before they were encrypted.
            table.c.data.not_like("{%"),
        ),
        people=people_of_entry,
        comment="JSON; encrypted where it is personal",
    ),
    sqlite_with_rowid=False,
)
"""The newest feed entries of each topic, in order."""

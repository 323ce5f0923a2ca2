"""Verify the numbers of feed entries."""

from headway.db.database import ReadTransaction
from headway.feed import store
from headway.verify import Difference, Findings


async def check_topics(tx: ReadTransaction, findings: Findings) -> None:
    """Compare each topic's number with that of its last entry, and find gaps between its stored entries."""
    findings.add(
        Difference("feed_topics", {"topic": row["topic"]}, "seq", row["seq"], row["last"])
        if row["seq"] != row["last"]
        else Difference("feed", {"topic": row["topic"]}, "seq", row["stored"], f"{row['span']} entries without gaps")
        for row in await store.find_wrong_topics(tx)
    )

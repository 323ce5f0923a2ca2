"""Verify the numbers of unread messages."""

from headway.db.database import ReadTransaction
from headway.messaging import store
from headway.verify import Difference, Findings


async def check_unread(tx: ReadTransaction, findings: Findings) -> None:
    """Compare each conversation's number of unread messages with its messages."""
    findings.add(
        Difference(
            "conversations", {"user_id": row["user_id"], "peer_id": row["peer_id"]}, "unread", row["unread"], row["count"]
        )
        for row in await store.find_wrong_unread(tx)
    )

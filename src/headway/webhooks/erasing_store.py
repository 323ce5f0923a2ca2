"""What an erasure takes from webhooks: what was, or is to be, sent about the person."""

from sqlalchemy import bindparam, delete

from headway.db.database import WriteTransaction
from headway.webhooks.tables import webhook_deliveries

_delete = delete(webhook_deliveries).where(webhook_deliveries.c.user_id == bindparam("of_user"))


async def erase(tx: WriteTransaction, user_id: int) -> dict[str, int]:
    """Delete the deliveries about a user, pending ones too, with the responses of receivers."""
    return {"webhookDeliveries": await tx.run(_delete, of_user=user_id)}

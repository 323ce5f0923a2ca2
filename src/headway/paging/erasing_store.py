"""What an erasure takes from stored orders of lists: all of a person's own."""

from sqlalchemy import bindparam, delete

from headway.db.database import WriteTransaction
from headway.paging.tables import list_orders

_delete = delete(list_orders).where(list_orders.c.user_id == bindparam("of_user"))


async def erase(tx: WriteTransaction, user_id: int) -> None:
    """Delete the orders of the lists that a user pages through."""
    await tx.run(_delete, of_user=user_id)

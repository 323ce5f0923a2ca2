"""What an erasure takes from rosters: that they named the person."""

from sqlalchemy import bindparam, delete

from headway.db.database import WriteTransaction
from headway.rosters.tables import roster_places

_delete = delete(roster_places).where(roster_places.c.user_id == bindparam("of_user"))


async def erase(tx: WriteTransaction, user_id: int) -> dict[str, int]:
    """Forget where rosters have had a user."""
    return {"rosterPlaces": await tx.run(_delete, of_user=user_id)}

"""What an erasure takes from what staff noted: notes, dismissals, who was written to, and filters by the person's name."""

from collections.abc import Collection
from urllib.parse import unquote_plus

from sqlalchemy import BindParameter, bindparam, delete, select

from headway.attention.tables import attention_dismissals, attention_messages, course_notes, saved_filters
from headway.db.database import WriteTransaction
from headway.db.dialects import DeleteRows
from headway.db.types import Id
from headway.words import fold

_of_user: BindParameter[int] = bindparam("of_user", type_=Id)
_notes = delete(course_notes).where(course_notes.c.user_id == _of_user)
_others = {
    "dismissals": delete(attention_dismissals).where(attention_dismissals.c.user_id == _of_user),
    "texts": delete(attention_messages).where(attention_messages.c.user_id == _of_user),
    "filters": delete(saved_filters).where(saved_filters.c.user_id == _of_user),
}
_filters = select(saved_filters)
_delete_filters = DeleteRows(saved_filters)


async def erase(tx: WriteTransaction, user_id: int, words: Collection[str]) -> dict[str, int]:
    """Delete notes and dismissals about a user, the user's own filters, and those of others that hold one of some words."""
    counts = {"notes": await tx.run(_notes, of_user=user_id)}
    for statement in _others.values():
        await tx.run(statement, of_user=user_id)
    folded = [fold(each) for each in words]
    named = [
        (row["user_id"], row["course_id"], row["name"])
        for row in await tx.all(_filters)
        if any(each and each in fold(f"{row['name']} {unquote_plus(row['query'])}") for each in folded)
    ]
    await tx.write_rows((_delete_filters, named))
    return counts

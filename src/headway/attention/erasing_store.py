"""What an erasure takes from what staff noted: notes, dismissals, who was written to, and filters by the person's name."""

from collections.abc import Collection
from urllib.parse import parse_qsl

from sqlalchemy import BindParameter, bindparam, delete, select

from headway.attention.tables import attention_dismissals, attention_messages, course_notes, saved_filters
from headway.db.database import WriteTransaction
from headway.db.dialects import DeleteRows
from headway.db.types import Id
from headway.words import Mentions, words

_of_user: BindParameter[int] = bindparam("of_user", type_=Id)
_notes = delete(course_notes).where(course_notes.c.user_id == _of_user)
_others = {
    "dismissals": delete(attention_dismissals).where(attention_dismissals.c.user_id == _of_user),
    "texts": delete(attention_messages).where(attention_messages.c.user_id == _of_user),
    "filters": delete(saved_filters).where(saved_filters.c.user_id == _of_user),
}
_filters = select(saved_filters)
_delete_filters = DeleteRows(saved_filters)
_SHORTEST = 3
"""A shorter part of a name is in the names of many."""


async def erase(tx: WriteTransaction, user_id: int, name: str, others: Collection[str]) -> dict[str, int]:
    """Delete notes and dismissals about a user, the user's own filters, and those of others that tell of the person.

    These are called by a part of the name, look for parts of it, or hold one of the `others`: addresses and external ids.
    """
    counts = {"notes": await tx.run(_notes, of_user=user_id)}
    for statement in _others.values():
        await tx.run(statement, of_user=user_id)
    named, mentions = words(name), Mentions(each for each in (name, *others) if len(each) >= _SHORTEST)
    telling = [
        (row["user_id"], row["course_id"], row["name"])
        for row in await tx.all(_filters)
        if _tells(row["name"], row["query"], named, mentions)
    ]
    await tx.write_rows((_delete_filters, telling))
    return counts


def _tells(title: str, query: str, named: Collection[str], mentions: Mentions) -> bool:
    sought = [value for field, value in parse_qsl(query) if field == "q"]
    if any(map(mentions.are_in, (title, *sought))):
        return True
    parts = [part for value in sought for part in words(value) if len(part) >= _SHORTEST]
    return any(part in each for part in parts for each in named) or any(
        each in words(title) for each in named if len(each) >= _SHORTEST
    )

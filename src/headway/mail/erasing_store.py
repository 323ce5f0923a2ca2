"""What an erasure takes from mails: those to the person, and those that wait or failed and tell of the person."""

from collections.abc import Collection

from sqlalchemy import BindParameter, bindparam, delete, or_, select

from headway.db.database import WriteTransaction
from headway.db.dialects import DeleteRows
from headway.db.types import Id
from headway.mail.tables import mails

_of_user: BindParameter[int] = bindparam("of_user", type_=Id)
_own = delete(mails).where(mails.c.user_id == _of_user)
# What is sent has neither.
_with_text = select(mails.c.id, mails.c.recipient, mails.c.letter, mails.c.answer).where(
    or_(mails.c.recipient.is_not(None), mails.c.letter.is_not(None), mails.c.answer.is_not(None))
)
_delete = DeleteRows(mails)


async def erase(tx: WriteTransaction, user_id: int, words: Collection[str]) -> dict[str, int]:
    """Delete the mails to a user, and those of others that hold one of some words: what is sent has no text any more."""
    own = await tx.run(_own, of_user=user_id)
    folded = [each.lower() for each in words]
    telling = []
    for row in await tx.all(_with_text):
        texts = [tx.keyring.decrypt(row[name]).lower() for name in ("recipient", "letter", "answer") if row[name] is not None]
        if any(word in text for text in texts for word in folded):
            telling.append((row["id"],))
    await tx.write_rows((_delete, telling))
    return {"mails": own + len(telling)}

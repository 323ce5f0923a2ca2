"""What an erasure takes from mails: those to the person, and those with one of the person's addresses."""

from collections.abc import Collection

import msgspec
from sqlalchemy import BindParameter, bindparam, delete, or_, select

from headway.db.database import WriteTransaction
from headway.db.dialects import DeleteRows
from headway.db.keyring import WrongKeyError
from headway.db.types import Id
from headway.mail.model import Letter, MailKind
from headway.mail.tables import mails
from headway.words import Mentions

_decode = msgspec.json.Decoder(Letter).decode
_of_user: BindParameter[int] = bindparam("of_user", type_=Id)
_own = delete(mails).where(mails.c.user_id == _of_user)
# What is sent has neither; what is to somebody with an account has that person's address.
_nobodys = select(mails.c.id, mails.c.recipient, mails.c.letter, mails.c.answer).where(
    mails.c.user_id.is_(None), or_(mails.c.recipient.is_not(None), mails.c.letter.is_not(None), mails.c.answer.is_not(None))
)
_delete = DeleteRows(mails)


async def erase(tx: WriteTransaction, user_id: int, addresses: Collection[str]) -> dict[str, int]:
    """Delete the mails to a user, and those to nobody with an account that the user asked for, or that hold an address."""
    own = await tx.run(_own, of_user=user_id)
    mentions = Mentions(addresses)
    telling = []
    for row in await tx.all(_nobodys):
        recipient, letter, answer = (_decrypt(tx, row[name]) for name in ("recipient", "letter", "answer"))
        if _is_asked_by(user_id, letter) or any(map(mentions.are_in, (recipient, letter, answer))):
            telling.append((row["id"],))
    await tx.write_rows((_delete, telling))
    return {"mails": own + len(telling)}


def _is_asked_by(user_id: int, letter: str) -> bool:
    """Return whether somebody asked for a letter to another address: the link in it begins with the id of the account."""
    if not letter:
        return False
    asked = _decode(letter)
    return asked.kind is MailKind.ADDRESS_CHANGE_ASKED and asked.values.get("token", "").startswith(f"{user_id}-")


def _decrypt(tx: WriteTransaction, token: str | None) -> str:
    """Decrypt a text; nothing is known of one that no present key decrypts."""
    try:
        return tx.keyring.decrypt_if(token) or ""
    except WrongKeyError:
        return ""

"""Users as clients name them by strings: one meaning for the same string wherever it is used."""

from headway.accounts import store as users
from headway.db.database import ReadTransaction
from headway.errors import Conflict
from headway.identity import Caller, UserIds, UserRef


async def find_user(tx: ReadTransaction, caller: Caller, text: str) -> UserIds | None:
    """Find the user whom a caller names; None if there is no such user. The caller's own ids always mean the caller.

    Raises Conflict AMBIGUOUS_USER for a bare text that is the id of an account and the external id of another one.
    """
    ref = UserRef.parse(text)
    if ref.is_of(caller.ids):
        return caller.ids
    found = await users.find_ids(tx, ref)
    if len(found) > 1:
        message = f"{text} is an account and the external id of another one: send id:{text} or ext:{text}."
        raise Conflict(message, code="AMBIGUOUS_USER")
    return found[0] if found else None

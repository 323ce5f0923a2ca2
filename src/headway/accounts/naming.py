"""Users as clients name them by strings: one meaning for the same string wherever it is used."""

from collections.abc import Collection

from headway.accounts import store as users
from headway.accounts.model import User
from headway.db.database import ReadTransaction
from headway.errors import Conflict, HeadwayError, NotFound, shown
from headway.identity import Caller, UserIds, UserRef
from headway.text import nfc


async def find_user(tx: ReadTransaction, caller: Caller, text: str) -> UserIds | None:
    """Find the user whom a caller names; None if there is no such user. The caller's own ids always mean the caller.

    Only who sees all data finds somebody else by an address: others would learn whose it is.
    Raises Conflict AMBIGUOUS_USER for a bare text that is the id of an account and the external id of another one.
    """
    ref = UserRef.parse(text)
    if caller.is_named_by(ref):
        return caller.ids
    if ref.email is not None:
        user = await users.find_by_email(tx, ref.email) if caller.sees_all else None
        return None if user is None else UserIds(user.id, user.external_id)
    found = await users.find_ids(tx, ref)
    if len(found) > 1:
        raise _ambiguous(text)
    return found[0] if found else None


async def find_users(tx: ReadTransaction, texts: Collection[str]) -> dict[str, User | HeadwayError]:
    """Find the users whom texts name, with a statement for each kind of name however many there are.

    Each text has its user, or why there is none: NotFound USER_NOT_FOUND, Conflict AMBIGUOUS_USER. Unlike `find_user` it asks
    nothing of the caller's rights: for those who may know every account.
    """
    refs = {text: UserRef.parse(nfc(text)) for text in texts}
    by_id = await users.find_by_ids(tx, {ref.user_id for ref in refs.values() if ref.user_id is not None})
    by_external_id = await users.find_by_external_ids(
        tx, {ref.external_id for ref in refs.values() if ref.external_id is not None}
    )
    emails = {ref.email for ref in refs.values() if ref.email is not None}
    by_email = await users.find_by_emails(tx, sorted(emails)) if emails else {}
    found: dict[str, User | HeadwayError] = {}
    for text, ref in refs.items():
        named = (by_id.get(ref.user_id or 0), by_external_id.get(ref.external_id or ""), by_email.get(ref.email or ""))
        accounts = {user.id: user for user in named if user is not None}
        if not accounts:
            found[text] = NotFound(f"There is no user {shown(text)}.", code="USER_NOT_FOUND")
        else:
            found[text] = _ambiguous(text) if len(accounts) > 1 else accounts.popitem()[1]
    return found


def _ambiguous(text: str) -> Conflict:
    message = f"{text} is an account and the external id of another one: send id:{text} or ext:{text}."
    return Conflict(message, code="AMBIGUOUS_USER")

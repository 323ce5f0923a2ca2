"""Links of accounts as rows: one of each purpose. Their secrets are hashed, and addresses to confirm are encrypted."""

from sqlalchemy import and_, bindparam, delete, select

from headway.accounts.link_model import LinkPurpose, StoredLink
from headway.accounts.tables import account_links
from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import WriteRows, delete_before
from headway.db.index_keys import encrypting
from headway.instants import Instant

_l = account_links.c
_VALUES = ["secret_hash", "email", "created_at", "expires_at"]
_write = WriteRows(account_links, ["user_id", "purpose", *_VALUES], update=_VALUES)
_one = and_(_l.user_id == bindparam("of_user"), _l.purpose == bindparam("of_purpose"))
_find = select(_l.secret_hash, _l.email, _l.expires_at).where(_one)
_delete = delete(account_links).where(_one)
_delete_of_user = delete(account_links).where(_l.user_id == bindparam("of_user"))
_delete_expired = delete_before(_l.expires_at)


async def write(tx: WriteTransaction, user_id: int, purpose: LinkPurpose, link: StoredLink, now: Instant) -> None:
    """Store a link, in place of an older one of the same purpose."""
    email = None if link.email is None else (await encrypting(tx)).encrypt(link.email)
    row = (user_id, purpose.value, link.secret_hash, email, now, link.expires_at)
    await tx.write_rows((_write, [row]))


async def find(tx: ReadTransaction, user_id: int, purpose: LinkPurpose) -> StoredLink | None:
    """Read a link of an account. Whoever is to use it locks the account first."""
    row = await tx.first(_find, of_user=user_id, of_purpose=purpose.value)
    return None if row is None else StoredLink(row["secret_hash"], tx.keyring.decrypt_if(row["email"]), row["expires_at"])


async def end(tx: WriteTransaction, user_id: int, purpose: LinkPurpose) -> None:
    """Delete a link of an account."""
    await tx.run(_delete, of_user=user_id, of_purpose=purpose.value)


async def delete_of_user(tx: WriteTransaction, user_id: int) -> None:
    """Delete all links of an account."""
    await tx.run(_delete_of_user, of_user=user_id)


async def delete_expired(tx: WriteTransaction, now: Instant) -> int:
    """Delete some of the links that had expired at an instant; return how many."""
    return await tx.run(_delete_expired, before=now)

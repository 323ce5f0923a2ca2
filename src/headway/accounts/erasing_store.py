"""What an erasure takes from an account: everything that tells of its owner. The row stays, so that ids go on to mean it."""

from collections.abc import Collection

from sqlalchemy import BindParameter, bindparam, delete, func, null, select, update

from headway.accounts.tables import account_links, api_keys, registrations, sessions, users
from headway.db import index_keys, personal_keys
from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import lookup, rows
from headway.db.types import Id
from headway.identity import ERASED_NAME, Role, settle_email
from headway.instants import Instant
from headway.words import fold

_of_user: BindParameter[int] = bindparam("of_user", type_=Id)
_erase = (
    update(users)
    .where(users.c.id == _of_user)
    .values(
        **dict.fromkeys(("email", "email_hash", "external_id", "password_hash", "interests", "learning_goals"), null()),
        seen_at=null(),
        name=ERASED_NAME,
        folded_name=fold(ERASED_NAME),
        shows_streak=False,
        is_disabled=True,
        token_version=users.c.token_version + 1,
        updated_at=bindparam("now"),
        erased_at=bindparam("now"),
    )
)
_delete_sessions = delete(sessions).where(sessions.c.user_id == _of_user)
_delete_links = delete(account_links).where(account_links.c.user_id == _of_user)
_delete_registrations = delete(registrations).where(registrations.c.email_hash == bindparam("of_hash"))
_name_keys = update(api_keys).where(api_keys.c.user_id == _of_user).values(name=ERASED_NAME)
_revoke_keys = (
    update(api_keys).where(api_keys.c.user_id == _of_user, api_keys.c.revoked_at.is_(None)).values(revoked_at=bindparam("now"))
)
_ids = rows("ids", {"user_id": Id})
_erased_among = (
    select(users.c.id).select_from(lookup(_ids, users, users.c.id == _ids.c.user_id)).where(users.c.erased_at.is_not(None))
)
_count_erased = select(func.count().label("count")).where(users.c.erased_at.is_not(None))
_other_admins = (
    select(users.c.id)
    .where(users.c.role == Role.ADMIN.value, users.c.is_disabled.is_(False), users.c.id != _of_user)
    .order_by(users.c.id)
    .limit(1)
    .with_for_update(key_share=True)
)


async def erase(tx: WriteTransaction, user_id: int, addresses: Collection[str], now: Instant) -> dict[str, int]:
    """Take name, address, external id, password, interests, goals and sessions, end API keys, and destroy the personal key.

    What was registered with the person's addresses and is not proven yet is deleted.
    """
    emails = sorted({settle_email(each) for each in addresses})
    for hashed in await index_keys.email_hashes(tx, emails) if emails else ():
        await tx.run(_delete_registrations, of_hash=hashed)
    counts = {
        "sessions": await tx.run(_delete_sessions, of_user=user_id),
        "apiKeys": await tx.run(_revoke_keys, of_user=user_id, now=now),
    }
    await tx.run(_delete_links, of_user=user_id)
    await tx.run(_name_keys, of_user=user_id)
    await tx.run(_erase, of_user=user_id, now=now)
    await personal_keys.destroy(tx, user_id)
    return counts


async def count_erased(tx: ReadTransaction) -> int:
    """Count the erased accounts; it reads all."""
    return int((await tx.one(_count_erased))["count"])


async def find_erased(tx: ReadTransaction, user_ids: Collection[int]) -> set[int]:
    """Return those of these accounts whose owners were erased."""
    return {row["id"] for row in await tx.all(_erased_among, ids=[(each,) for each in sorted(set(user_ids))])}


async def has_other_admin(tx: WriteTransaction, user_id: int) -> bool:
    """Return whether there is another administrator who can sign in, and lock that account."""
    return await tx.first(_other_admins, of_user=user_id) is not None

"""Invitations as rows. Addresses are encrypted, and looked up by their hashes."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Text, bindparam, delete, func, select

from headway.accounts.tables import users
from headway.db import index_keys
from headway.db.database import ReadTransaction, Row, WriteTransaction
from headway.db.dialects import DeleteRows, UpdateRows, WriteRows, delete_before, lookup, rows
from headway.enrollments.enrolling_model import Invitation
from headway.enrollments.tables import invitations
from headway.instants import Instant
from headway.paging.service import Slice

_columns = [invitations.c[name] for name in Invitation._fields]
_in_course = invitations.c.course_id == bindparam("in_course")
_RENEWED = ["access_until", "invited_by", "invited_at"]
_insert = WriteRows(invitations, [*_RENEWED, "course_id", "email", "email_hash"])
_renew = UpdateRows(invitations, _RENEWED)
_hashes = rows("hashes", {"email_hash": Text()})
_by_hash = select(*_columns).select_from(lookup(_hashes, invitations, invitations.c.email_hash == _hashes.c.email_hash))
_page = (
    select(*_columns).where(_in_course).order_by(invitations.c.id.desc()).limit(bindparam("limit")).offset(bindparam("offset"))
)
_page_after = _page.where(invitations.c.id < bindparam("after"))
_count = select(func.count().label("total")).select_from(invitations).where(_in_course)
_count_since = _count.where(invitations.c.invited_at >= bindparam("since"))
_withdraw = delete(invitations).where(_in_course, invitations.c.id == bindparam("invitation_id")).returning(*_columns)
_delete = DeleteRows(invitations)
_forget = delete_before(invitations.c.invited_at)
_addresses = select(invitations.c.id, invitations.c.email).order_by(invitations.c.id)
_set_hash = UpdateRows(invitations, ["email_hash"])
_set_links = UpdateRows(invitations, ["link_hash", "mailed_at"])
_one = select(*_columns).where(_in_course, invitations.c.id == bindparam("invitation_id"))
_lock = _one.with_for_update()
_linked = select(*_columns, invitations.c.link_hash).where(invitations.c.id == bindparam("invitation_id"))
_fulfilled = (
    select(invitations.c.id, users.c.id.label("user_id"))
    .join(users, users.c.email_hash == invitations.c.email_hash)
    .order_by(invitations.c.id)
)


def _invitation_of(tx: ReadTransaction, row: Row) -> Invitation:
    values: dict[str, Any] = {name: row[name] for name in Invitation._fields}
    return Invitation(**values | {"email": tx.keyring.decrypt(row["email"])})


async def lock_addresses(tx: WriteTransaction, addresses: Sequence[str]) -> None:
    """Lock normalized addresses until the transaction ends, which invites them, or gives accounts to their owners.

    So nobody invites an address of which somebody else's transaction is making an account.
    """
    await tx.lock_names([f"address {each}" for each in await index_keys.email_hashes(tx, addresses)])


async def write(
    tx: WriteTransaction,
    course_id: int,
    invited: Mapping[str, Instant | None],
    known: Mapping[str, Invitation],
    *,
    invited_by: int | None,
    now: Instant,
) -> dict[str, Invitation]:
    """Invite normalized addresses, which must be locked, anew or with the `known` invitations; return that of each.

    `invited` says when the access of each is to end.
    """
    new = [address for address in invited if address not in known]
    encrypt = (await index_keys.encrypting(tx)).encrypt
    hashed = zip(new, await index_keys.email_hashes(tx, new), strict=True)
    inserted = [(invited[each], invited_by, now, course_id, encrypt(each), email_hash) for each, email_hash in hashed]
    renewed = [(invited[each], invited_by, now, known[each].id) for each in invited if each in known]
    await tx.write_rows((_insert, inserted), (_renew, renewed))
    return await find_in_course(tx, course_id, list(invited))


async def find_in_course(tx: ReadTransaction, course_id: int, addresses: Sequence[str]) -> dict[str, Invitation]:
    """Return the invitations of normalized addresses to a course, of those that are invited."""
    return {each.email: each for each in await _find_all(tx, addresses) if each.course_id == course_id}


async def find(tx: ReadTransaction, addresses: Sequence[str], *, now: Instant) -> list[Invitation]:
    """Return all invitations of normalized addresses that are still valid."""
    return [each for each in await _find_all(tx, addresses) if each.ends_at > now]


async def _find_all(tx: ReadTransaction, addresses: Sequence[str]) -> list[Invitation]:
    hashes = await index_keys.email_hashes(tx, addresses)
    return [_invitation_of(tx, row) for row in await tx.all(_by_hash, hashes=[(each,) for each in hashes])]


async def list_page(tx: ReadTransaction, course_id: int, part: Slice) -> tuple[list[Invitation], int]:
    """Read some of the invitations to a course, the newest first, and how many there are; the key of a part is an id."""
    found = await tx.all(_page if part.after is None else _page_after, in_course=course_id, **part.params)
    return [_invitation_of(tx, row) for row in found], await count(tx, course_id)


async def count(tx: ReadTransaction, course_id: int) -> int:
    """Count the invitations to a course."""
    return int((await tx.one(_count, in_course=course_id))["total"])


async def count_since(tx: ReadTransaction, course_id: int, since: Instant) -> int:
    """Count the invitations to a course that were made or repeated since."""
    return int((await tx.one(_count_since, in_course=course_id, since=since))["total"])


async def withdraw(tx: WriteTransaction, course_id: int, invitation_id: int) -> Invitation | None:
    """Delete an invitation to a course and return it; None if there is none."""
    row = await tx.first(_withdraw, in_course=course_id, invitation_id=invitation_id)
    return None if row is None else _invitation_of(tx, row)


async def lock(tx: WriteTransaction, course_id: int, invitation_id: int) -> Invitation | None:
    """Lock and read an invitation to a course; None if there is none."""
    row = await tx.first(_lock, in_course=course_id, invitation_id=invitation_id)
    return None if row is None else _invitation_of(tx, row)


async def set_links(tx: WriteTransaction, hashes: Mapping[int, str], now: Instant) -> None:
    """Store the hashes of the links of invitations, by their ids, as mailed now."""
    await tx.write_rows((_set_links, [(hashed, now, invitation_id) for invitation_id, hashed in sorted(hashes.items())]))


async def find_linked(tx: ReadTransaction, invitation_id: int) -> tuple[Invitation, str | None] | None:
    """Read an invitation with the hash of its link; None if there is none."""
    row = await tx.first(_linked, invitation_id=invitation_id)
    return None if row is None else (_invitation_of(tx, row), row["link_hash"])


async def delete_all(tx: WriteTransaction, found: Sequence[Invitation]) -> None:
    """Delete invitations."""
    await tx.write_rows((_delete, [(each.id,) for each in found]))


async def forget_before(tx: WriteTransaction, before: Instant) -> None:
    """Delete some of the invitations that were made before an instant."""
    await tx.run(_forget, before=before)


async def hash_addresses(tx: ReadTransaction, key: str) -> dict[str, str]:
    """Return the hash of every invited address under a key, by the address as it is stored."""
    return {row["email"]: index_keys.hash_under(key, tx.keyring.decrypt(row["email"])) for row in await tx.all(_addresses)}


async def find_addresses_under(tx: WriteTransaction, key: str, hashes: Mapping[str, str]) -> None:
    """Replace the hashes of invited addresses by those under another key, which `index_keys.replace_email_key` has stored.

    `hashes` are those that `hash_addresses` returned before.
    """
    changed = [
        (hashes.get(email) or index_keys.hash_under(key, tx.keyring.decrypt(email)), invitation_id)
        for invitation_id, email in await tx.all(_addresses)
    ]
    await tx.write_rows((_set_hash, changed))


async def find_fulfilled(tx: ReadTransaction) -> Sequence[Row]:
    """Find the invitations whose address has an account: id, and user_id of the account."""
    return await tx.all(_fulfilled)

"""What an erasure takes from enrollments: where certificates are, and the invitations of the person's addresses."""

from collections.abc import Collection

from sqlalchemy import BindParameter, Text, bindparam, delete, select

from headway.accounts.model import email_spellings
from headway.db import index_keys
from headway.db.database import ReadTransaction, WriteTransaction
from headway.db.dialects import UpdateRows, is_one_of, rows
from headway.db.types import Id
from headway.enrollments.model import CLOSED_FOR_GOOD
from headway.enrollments.tables import enrollments, invitations
from headway.instants import Instant

_of_user: BindParameter[int] = bindparam("of_user", type_=Id)
_course_ids = select(enrollments.c.course_id).where(enrollments.c.user_id == _of_user).order_by(enrollments.c.course_id)
_own = select(enrollments.c.user_id, enrollments.c.course_id, enrollments.c.certificate_url, enrollments.c.updated_at).where(
    enrollments.c.user_id == _of_user
)
_strip = UpdateRows(enrollments, ["certificate_url", "closed_at", "updated_at"])
_hashes = rows("hashes", {"email_hash": Text()})
_invitations = delete(invitations).where(is_one_of(invitations.c.email_hash, select(_hashes.c.email_hash)))


async def list_course_ids(tx: ReadTransaction, user_id: int) -> list[int]:
    """Return the courses in which a user was ever enrolled, in ascending order."""
    return [row["course_id"] for row in await tx.all(_course_ids, of_user=user_id)]


async def erase(tx: WriteTransaction, user_id: int, addresses: Collection[str], now: Instant) -> dict[str, int]:
    """Remove the addresses of certificates, close the enrollments for good, and withdraw invitations.

    All enrollments get a new version: nobody reads a cached response that was made from what they were.
    """
    own = await tx.all(_own, of_user=user_id)
    stripped = [(None, CLOSED_FOR_GOOD, max(now, row["updated_at"] + 1), row["user_id"], row["course_id"]) for row in own]
    await tx.write_rows((_strip, stripped))
    spellings = sorted({spelling for each in addresses for spelling in email_spellings(each)})
    hashes = await index_keys.email_hashes(tx, spellings) if spellings else []
    return {
        "certificateUrls": sum(row["certificate_url"] is not None for row in own),
        "invitations": await tx.run(_invitations, hashes=[(each,) for each in hashes]),
    }

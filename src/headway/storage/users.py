"""Accounts as rows."""

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from headway.domain.accounts import Role, User
from headway.domain.instants import Instant
from headway.storage.database import ReadTransaction, Row, WriteTransaction
from headway.storage.tables import revisions, users

_columns = (
    users.c.id,
    users.c.role,
    users.c.name,
    users.c.email,
    users.c.external_id,
    users.c.token_version,
    users.c.is_disabled,
)
_by_id = select(*_columns).where(users.c.id == bindparam("user_id"))
_by_email = select(*_columns).where(users.c.email == bindparam("email"))
_by_external_id = select(*_columns).where(users.c.external_id == bindparam("external_id"))
_insert = (
    insert(users)
    .values(
        role=bindparam("role"),
        name=bindparam("name"),
        email=bindparam("email"),
        external_id=bindparam("external_id"),
        token_version=1,
        is_disabled=False,
        created_at=bindparam("now"),
        updated_at=bindparam("now"),
    )
    .on_conflict_do_nothing()
    .returning(*_columns)
)
_set_disabled = (
    update(users)
    .where(users.c.id == bindparam("user_id"))
    .values(is_disabled=bindparam("disabled"), token_version=users.c.token_version + 1, updated_at=bindparam("now"))
)
_ACCOUNTS = "accounts"
_revision = select(revisions.c.revision).where(revisions.c.name == _ACCOUNTS)
_next_revision = insert(revisions).values(name=_ACCOUNTS, revision=1)
_next_revision = _next_revision.on_conflict_do_update(
    index_elements=[revisions.c.name], set_={"revision": revisions.c.revision + 1}
)


def _user(row: Row | None) -> User | None:
    if row is None:
        return None
    return User(
        id=row["id"],
        role=Role(row["role"]),
        name=row["name"],
        email=row["email"],
        external_id=row["external_id"],
        token_version=row["token_version"],
        is_disabled=bool(row["is_disabled"]),
    )


async def find(tx: ReadTransaction, user_id: int) -> User | None:
    """Look an account up by its id."""
    return _user(await tx.first(_by_id, user_id=user_id))


async def find_by_email(tx: ReadTransaction, email: str) -> User | None:
    """Look an account up by its normalized address."""
    return _user(await tx.first(_by_email, email=email))


async def find_by_external_id(tx: ReadTransaction, external_id: str) -> User | None:
    """Look an account up by its subject at the outside identity provider."""
    return _user(await tx.first(_by_external_id, external_id=external_id))


async def insert_user(
    tx: WriteTransaction, *, role: Role, name: str, email: str | None, external_id: str | None, now: Instant
) -> User | None:
    """Create an account; None if its address or external id is taken."""
    return _user(await tx.first(_insert, role=role, name=name, email=email, external_id=external_id, now=now))


async def set_disabled(tx: WriteTransaction, user_id: int, *, is_disabled: bool, now: Instant) -> bool:
    """Disable or enable an account, ending the tokens it has; False if there is none."""
    return await tx.run(_set_disabled, user_id=user_id, disabled=is_disabled, now=now) > 0


async def revision(tx: ReadTransaction) -> int:
    """Give the number that grows with every change of what tokens are checked against."""
    row = await tx.first(_revision)
    return row["revision"] if row else 0


async def grow_revision(tx: WriteTransaction) -> None:
    """Tell all server processes to forget the accounts they hold in memory."""
    await tx.run(_next_revision)

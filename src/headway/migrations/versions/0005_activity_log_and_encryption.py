"""The activity log; what is personal is encrypted, and addresses are found by a keyed hash."""

import hashlib
import hmac
import secrets
from collections.abc import Callable

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from headway.audit.model import GENESIS, Head
from headway.db.keyring import Keyring

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.BigInteger().with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
ROLES = "'PARTICIPANT', 'INSTRUCTOR', 'ADMIN', 'SYSTEM'"
TARGETS = "'USER', 'COURSE', 'LESSON', 'ENROLLMENT', 'COHORT', 'FILE', 'NOTE', 'DISCUSSION', 'SYSTEM', 'OTHER'"
# Each table, its key, the column that is encrypted, what its comment says, and which rows of it.
ENCRYPTED = (
    ("users", ("id",), "email", "encrypted", "TRUE"),
    ("messages", ("user_id", "peer_id", "id"), "message", "encrypted", "TRUE"),
    ("submissions", ("user_id", "id"), "feedback", "encrypted", "TRUE"),
    ("idempotency_keys", ("user_id", "key"), "answer", "encrypted", "TRUE"),
    ("feed", ("topic", "seq"), "data", "JSON; encrypted where it is personal", "type IN ('message', 'grade')"),
)
AT_ONCE = 1_000


def upgrade() -> None:
    _create_log()
    op.create_table(
        "index_keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="encrypted"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_index_keys")),
    )
    # They last for minutes, and were kept under addresses.
    op.execute("DELETE FROM attempts")
    with op.batch_alter_table("users", table_kwargs={"sqlite_autoincrement": True}) as users:
        users.add_column(sa.Column("email_hash", sa.Text(), comment="of the normalized address, under the key `email`"))
        users.drop_constraint("uq_users_email", type_="unique")
        users.create_unique_constraint("uq_users_email_hash", ["email_hash"])
    _hash_addresses()
    for table, key, column, comment, condition in ENCRYPTED:
        _change_each(table, key, column, condition, _keyring().encrypt)
        _comment(table, column, comment)
    _comment("attempts", "key", "a keyed hash of what is limited, and for whom")


def downgrade() -> None:
    for table, key, column, _, condition in ENCRYPTED:
        _change_each(table, key, column, condition, _keyring().decrypt)
        _comment(table, column, None)
    _comment("attempts", "key", "what is limited, and for whom")
    op.execute("DELETE FROM attempts")
    with op.batch_alter_table("users", table_kwargs={"sqlite_autoincrement": True}) as users:
        users.drop_constraint("uq_users_email_hash", type_="unique")
        users.drop_column("email_hash")
        users.create_unique_constraint("uq_users_email", ["email"])
    for table in ("index_keys", "activity_head", "activities"):
        op.drop_table(table)


def _keyring() -> Keyring:
    found: Keyring = context.config.attributes["keyring"]
    return found


def _create_log() -> None:
    op.create_table(
        "activities",
        sa.Column("seq", ID, autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=True),
        sa.Column("is_actor_verified", sa.Boolean(), nullable=False),
        sa.Column("recorded_by", ID, nullable=True, comment="none for Headway itself"),
        sa.Column("recorded_role", sa.Text(), nullable=False),
        sa.Column("target_type", sa.Text(), nullable=False),
        sa.Column("target_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("performed_at", MOMENT, nullable=False),
        sa.Column("content", sa.Text(), nullable=False, comment="all the rest, encrypted"),
        sa.Column("content_hash", sa.Text(), nullable=False, comment="SHA-256 of what was encrypted"),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False, comment="SHA-256 of all but the content itself"),
        sa.CheckConstraint(f"recorded_role IN ({ROLES})", name=op.f("ck_activities_recorded_role")),
        sa.CheckConstraint("seq > 0", name=op.f("ck_activities_seq")),
        sa.CheckConstraint("status IN ('SUCCESS', 'FAILURE')", name=op.f("ck_activities_status")),
        sa.CheckConstraint(f"target_type IN ({TARGETS})", name=op.f("ck_activities_target_type")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_activities")),
        sa.UniqueConstraint("id", name=op.f("uq_activities_id")),
    )
    for name in ("actor_id", "recorded_by", "action"):
        op.create_index(f"ix_activities_{name}", "activities", [name, "seq"])
    op.create_index("ix_activities_target", "activities", ["target_type", "target_id", "seq"])
    op.create_index("ix_activities_performed_at", "activities", ["performed_at"])
    op.create_table(
        "activity_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False, comment="always 1"),
        sa.Column("seq", ID, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_activity_head_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity_head")),
    )


def _hash_addresses() -> None:
    """Make the key of addresses, if there are any, and hash them while they can be read."""
    connection = op.get_bind()
    found = connection.execute(sa.text("SELECT id, email FROM users WHERE email IS NOT NULL")).all()
    if not found:
        return
    key = secrets.token_urlsafe(32)
    encrypted = _keyring().encrypt(key)
    connection.execute(sa.text("INSERT INTO index_keys (name, key) VALUES ('email', :key)"), {"key": encrypted})
    beginning = Head(0, GENESIS, 0, "")
    at = "to_timestamp(0)" if connection.dialect.name == "postgresql" else "0"
    connection.execute(
        sa.text(f"INSERT INTO activity_head (id, seq, hash, at, signature) VALUES (1, 0, :hash, {at}, :signature)"),
        {"hash": GENESIS, "signature": _keyring().sign(beginning.signed)},
    )
    connection.execute(
        sa.text("UPDATE users SET email_hash = :hash WHERE id = :id"),
        [{"id": row.id, "hash": hmac.new(key.encode(), row.email.encode(), hashlib.sha256).hexdigest()} for row in found],
    )


def _change_each(table: str, key: tuple[str, ...], column: str, condition: str, change: Callable[[str], str]) -> None:
    """Rewrite the texts of a column, some rows at a time."""
    connection = op.get_bind()
    columns = ", ".join(key)
    given = ", ".join(f":{name}" for name in key)
    page = f"SELECT {columns}, {column} FROM {table} WHERE {column} IS NOT NULL AND {condition}"
    after = f" AND ({columns}) > ({given})"
    rest = f" ORDER BY {columns} LIMIT {AT_ONCE}"
    this = " AND ".join(f"{name} = :{name}" for name in key)
    update = sa.text(f"UPDATE {table} SET {column} = :changed WHERE {this}")
    found = connection.execute(sa.text(page + rest)).all()
    while found:
        keys = [dict(zip(key, row, strict=False)) for row in found]
        connection.execute(update, [{**each, "changed": change(row[-1])} for each, row in zip(keys, found, strict=True)])
        found = connection.execute(sa.text(page + after + rest), keys[-1]).all()


def _comment(table: str, column: str, comment: str | None) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(table, column, comment=comment)

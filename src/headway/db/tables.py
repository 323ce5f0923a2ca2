"""The tables of the database layer itself."""

from sqlalchemy import BigInteger, Column, ForeignKey, Table, Text

from headway.db.types import Id, encrypted_column, metadata

index_keys = Table(
    "index_keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("key", Text, nullable=False, comment="encrypted"),
)
"""The keys of the HMACs used to look up encrypted text."""

personal_keys = Table(
    "personal_keys",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    encrypted_column("key", rows=lambda table: table.c.key != "", comment="encrypted; empty once it is destroyed"),
    sqlite_with_rowid=False,
)
"""The key of each account, under which the texts of its owner are encrypted. Without a row, it has none yet."""

revisions = Table(
    "revisions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
)
"""Numbers that grow by the transaction, which is locked by the one that makes them grow until it ends."""

account_changes = Table(
    "account_changes",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", Id, nullable=False),
)
"""The latest changes of accounts, numbered by the revision `accounts` in the order in which they were committed."""

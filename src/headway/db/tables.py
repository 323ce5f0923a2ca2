"""The tables of the database layer itself."""

from sqlalchemy import BigInteger, Column, Table, Text

from headway.db.types import Id, metadata

index_keys = Table(
    "index_keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("key", Text, nullable=False, comment="encrypted"),
)
"""The keys of the HMACs used to look up encrypted text."""

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

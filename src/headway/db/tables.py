"""The tables of the database layer itself."""

from sqlalchemy import BigInteger, Column, Table, Text

from headway.db.types import metadata

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
"""The revisions of what server processes cache; a transaction that changes a cached value increments its revision."""

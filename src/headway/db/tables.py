"""The tables of the database layer itself."""

from sqlalchemy import BigInteger, Column, Table, Text

from headway.db.types import metadata

index_keys = Table(
    "index_keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("key", Text, nullable=False, comment="encrypted"),
)
"""Keys of the hashes used to look up encrypted texts."""

revisions = Table(
    "revisions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
)
"""A number for each thing that server processes cache; it grows in the transaction that changes the thing."""

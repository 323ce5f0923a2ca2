"""The table of stored orders."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text

from headway.db.types import Id, Timestamp, metadata

list_orders = Table(
    "list_orders",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, comment="of the part, from 0"),
    Column("keys", Text, nullable=False, comment="JSON list of the keys of rows in order, as many in each part but the last"),
    Column("size", Integer, nullable=False, comment="keys in all parts"),
    Column("created_at", Timestamp, nullable=False),
    Index(None, "created_at"),
)
"""The order in which a caller pages through a list whose rows move."""

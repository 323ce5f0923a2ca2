"""The table of rate limits."""

from sqlalchemy import Column, Index, Table, Text

from headway.db.types import Timestamp, metadata

rate_limits = Table(
    "rate_limits",
    metadata,
    Column("key", Text, primary_key=True, comment="a keyed hash of what is limited, and for whom"),
    Column("times", Text, nullable=False, comment="[ms since 1970, ...]"),
    Column("expires_at", Timestamp, nullable=False),
    Index(None, "expires_at"),
)
"""The times of limited requests, such as failed sign-ins: stored so that limits hold across processes and restarts."""

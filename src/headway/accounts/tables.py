"""The tables of accounts and sessions."""

from sqlalchemy import Boolean, Column, ForeignKey, Identity, Index, Integer, Table, Text, false, text

from headway.accounts.link_model import LinkPurpose
from headway.db.types import Id, Timestamp, encrypted_column, metadata, one_of
from headway.identity import Role

users = Table(
    "users",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("folded_name", Text, comment="the name as it is searched"),
    encrypted_column("email", nullable=True),
    Column("email_hash", Text, unique=True, comment="of the normalized address, under the key `email`"),
    Column("external_id", Text, unique=True),
    Column("password_hash", Text),
    Column("interests", Text),
    Column("learning_goals", Text),
    Column("shows_streak", Boolean, nullable=False, server_default=false(), comment="whether the learner wants to see streaks"),
    Column("token_version", Integer, nullable=False),
    Column("is_disabled", Boolean, nullable=False),
    Column("seen_at", Timestamp, comment="when the account was used last, to the hour"),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    Column("erased_at", Timestamp, comment="when all was taken from the account that told of its owner"),
    one_of("role", Role),
    Index("ix_users_name", "folded_name", "id"),
    Index("ix_users_seen", "seen_at", "id"),
    sqlite_autoincrement=True,
)

_HAS_ENDED = text("ended_at IS NOT NULL")

sessions = Table(
    "sessions",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("token_version", Integer, nullable=False),
    Column("generation", Integer, nullable=False, comment="of the refresh token; grows with each use"),
    Column("replaced", Text, nullable=False, comment="[[generation, when it was used], ...] of late"),
    Column("created_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    Column("ended_at", Timestamp),
    Index(None, "user_id", "ended_at", postgresql_where=_HAS_ENDED, sqlite_where=_HAS_ENDED),
    Index(None, "expires_at"),
)
"""A session: a sign-in with its family of refresh tokens, which are signed, not stored."""

account_links = Table(
    "account_links",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("secret_hash", Text, nullable=False, comment="HMAC of what it is bound to, under its 256 random bits"),
    encrypted_column("email", nullable=True, comment="encrypted: the address that the link confirms"),
    Column("created_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    one_of("purpose", LinkPurpose),
    Index(None, "expires_at"),
)
"""Links by which the owner of an account proves to have got a mail: one of each purpose, the newest."""

registrations = Table(
    "registrations",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("email_hash", Text, nullable=False, comment="of the normalized address, under the key `email`"),
    encrypted_column("content", comment="encrypted JSON: the account to create"),
    Column("password_hash", Text, nullable=False),
    Column("link_hash", Text, comment="HMAC of the address, under the 256 random bits of the newest link"),
    Column("created_at", Timestamp, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    Index(None, "email_hash", "id"),
    Index(None, "expires_at"),
    sqlite_autoincrement=True,
)
"""Registrations that wait for a proof of their address, also with addresses that are taken."""

_IS_ACTIVE = text("revoked_at IS NULL")

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False, comment="separated by spaces"),
    Column("secret_hash", Text, nullable=False, comment="SHA-256 of 256 random bits"),
    Column("created_at", Timestamp, nullable=False),
    Column("used_at", Timestamp, comment="to the minute"),
    Column("revoked_at", Timestamp),
    Index(None, "user_id", postgresql_where=_IS_ACTIVE, sqlite_where=_IS_ACTIVE),
    sqlite_autoincrement=True,
)
"""Long-lived credentials of service accounts. Rows stay when a key is revoked, so that the audit log can be read."""

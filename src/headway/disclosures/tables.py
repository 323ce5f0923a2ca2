"""The table of the disclosure log."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, Table, Text

from headway.db.types import Id, Timestamp, metadata, one_of
from headway.disclosures.model import RecordKind
from headway.identity import Channel, Role

disclosures = Table(
    "disclosures",
    metadata,
    # No foreign keys: 0 stands for everybody, an operator, and no course.
    Column("learner_id", Id, primary_key=True, autoincrement=False, comment="0 for everybody"),
    Column("day", Integer, primary_key=True, autoincrement=False, comment="since 1970, UTC"),
    Column("reader_id", Id, primary_key=True, autoincrement=False, comment="0 for an operator at the command line"),
    Column("course_id", Id, primary_key=True, autoincrement=False, comment="0 for none, or for all"),
    Column("kind", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("key_id", Id, primary_key=True, autoincrement=False, comment="the API key, or the webhook; 0 for none"),
    Column("role", Text, primary_key=True, comment="of the reader at that time"),
    Column("id", Text, nullable=False, comment="grows with the time of the first one"),
    Column("first_at", Timestamp, nullable=False),
    Column("last_at", Timestamp, nullable=False),
    Column("times", Integer, nullable=False),
    one_of("kind", RecordKind),
    one_of("channel", Channel),
    one_of("role", Role),
    CheckConstraint("times > 0", name="times"),
    Index("ix_disclosures_of_learner", "learner_id", "course_id", "id"),
    Index("ix_disclosures_of_reader", "reader_id", "id"),
    Index("ix_disclosures_day", "day"),
    Index("ix_disclosures_id", "id"),
    sqlite_with_rowid=False,
)
"""Who was shown whose record: a row for each reader, learner, course and kind of record a day."""

"""The tables of rules, dismissals, notes, messages from the list, and saved filters."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text

from headway.attention.model import RuleName
from headway.db.types import Id, Timestamp, encrypted_column, metadata, one_of

attention_rules = Table(
    "attention_rules",
    metadata,
    Column("course_id", Id, ForeignKey("courses.id"), primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("is_on", Boolean, nullable=False),
    Column("threshold", Integer, nullable=False, comment="days, points or a percent"),
    Column("hours", Integer, comment="the other threshold of stuck"),
    one_of("rule", RuleName),
    sqlite_with_rowid=False,
)
"""The rules that staff changed; what is not here is as in `DEFAULTS`."""

attention_dismissals = Table(
    "attention_dismissals",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("course_id", Id, ForeignKey("courses.id"), primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("mark", BigInteger, nullable=False, comment="what the finding was about"),
    Column("until", Timestamp, nullable=False),
    encrypted_column("note", nullable=True, people=lambda row, _text: (row["user_id"],)),
    Column("dismissed_by", Id, nullable=False),
    Column("dismissed_at", Timestamp, nullable=False),
    one_of("rule", RuleName),
    Index(None, "course_id"),
    sqlite_with_rowid=False,
)

attention_messages = Table(
    "attention_messages",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("course_id", Id, ForeignKey("courses.id"), primary_key=True),
    Column("digest", Text, primary_key=True, comment="HMAC of the text"),
    Column("sender_id", Id, nullable=False),
    Column("sent_at", Timestamp, nullable=False),
    Index("ix_attention_messages_course_id", "course_id", "sent_at"),
    sqlite_with_rowid=False,
)
"""Which texts the staff of a course sent to its learners from the list, and when last: nobody gets the same one twice."""

course_notes = Table(
    "course_notes",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("course_id", Id, ForeignKey("courses.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("author_id", Id, nullable=False),
    encrypted_column("text", people=lambda row, _text: (row["user_id"],)),
    Column("created_at", Timestamp, nullable=False),
    sqlite_with_rowid=False,
)
"""What the staff of a course noted about its learners, whose ids come first; learners do not see it."""

saved_filters = Table(
    "saved_filters",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("course_id", Id, ForeignKey("courses.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("query", Text, nullable=False, comment="as in the URL of the list of learners"),
    Column("saved_at", Timestamp, nullable=False),
    sqlite_with_rowid=False,
)
"""The filters that members of staff saved for the learners of a course."""

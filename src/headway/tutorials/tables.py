"""The tables of progress in tutorials."""

from sqlalchemy import Boolean, CheckConstraint, Column, Double, ForeignKey, Index, Integer, Table, Text

from headway.db.types import Id, Timestamp, metadata

tutorials = Table(
    "tutorials",
    metadata,
    Column("tutorial_id", Text, primary_key=True),
    Column("total_chapters", Double, comment="none: as clients report"),
    Column("retired_chapters", Text, nullable=False, comment="JSON list of ids"),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    sqlite_with_rowid=False,
)
"""What is settled for all learners of a tutorial. Most tutorials have no row."""

tutorial_progress = Table(
    "tutorial_progress",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("tutorial_id", Text, primary_key=True),
    Column("total_chapters", Double, nullable=False),
    Column("is_certificate_earned", Boolean, nullable=False),
    Column("last_watched_at", Timestamp, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Index(None, "tutorial_id", "user_id"),
    sqlite_with_rowid=False,
)
"""A learner's progress in a tutorial. A transaction that changes its chapters or quizzes locks the row."""

chapter_progress = Table(
    "chapter_progress",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("tutorial_id", Text, primary_key=True),
    Column("chapter_id", Text, primary_key=True),
    Column("watch_time", Double, nullable=False, comment="seconds"),
    Column("is_completed", Boolean, nullable=False),
    Column("last_position", Double, comment="seconds; none where no client told one"),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    sqlite_with_rowid=False,
)

quiz_scores = Table(
    "quiz_scores",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("tutorial_id", Text, primary_key=True),
    Column("quiz_id", Text, primary_key=True),
    Column("score", Double, nullable=False, comment="of the best attempt, out of max_score"),
    Column("max_score", Double, nullable=False),
    Column("is_passed", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("completed_at", Timestamp, nullable=False, comment="the newest attempt"),
    CheckConstraint("score >= 0 AND score <= max_score", name="score"),
    sqlite_with_rowid=False,
)

"""The table of submissions."""

from sqlalchemy import Column, Double, ForeignKey, Index, Table, Text, text

from headway.db.types import Id, Timestamp, encrypted_column, metadata

_IS_GRADED = text("grade IS NOT NULL")

submissions = Table(
    "submissions",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("assessment_id", Id, ForeignKey("assessments.id"), nullable=False),
    Column("submission_url", Text),
    Column("grade", Double),
    encrypted_column("feedback", nullable=True, people=lambda row, _text: (row["user_id"],)),
    Column("submitted_at", Timestamp, nullable=False),
    Column("graded_at", Timestamp),
    Column("graded_by", Id),
    Index("ix_submissions_assessment_id", "assessment_id", "user_id", "submitted_at"),
    # Partial, so that PostgreSQL does not look up a learner's work by it while there is little.
    Index("ix_submissions_grade", "assessment_id", "grade", postgresql_where=_IS_GRADED, sqlite_where=_IS_GRADED),
    Index(None, "id"),
)
"""All submissions; a learner's newest one for an assessment counts."""

"""The table of submissions."""

from sqlalchemy import Column, Double, ForeignKey, Index, Table, Text

from headway.db.types import Id, Timestamp, encrypted_column, metadata

submissions = Table(
    "submissions",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("assessment_id", Id, ForeignKey("assessments.id"), nullable=False),
    Column("submission_url", Text),
    Column("grade", Double),
    encrypted_column("feedback", nullable=True),
    Column("submitted_at", Timestamp, nullable=False),
    Column("graded_at", Timestamp),
    Column("graded_by", Id),
    Index("ix_submissions_assessment_id", "assessment_id", "user_id", "submitted_at"),
    Index("ix_submissions_grade", "assessment_id", "grade", "user_id"),
    Index(None, "id"),
)
"""All submissions; a learner's newest one for an assessment counts."""

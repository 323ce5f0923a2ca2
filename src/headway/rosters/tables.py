"""The table of who is in a course because a roster says so."""

from sqlalchemy import Column, ForeignKey, Index, Table, Text

from headway.db.types import Id, Timestamp, metadata, one_of
from headway.rosters.model import Part

roster_places = Table(
    "roster_places",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    # No foreign key: checking it would lock the row of the course.
    Column("course_id", Id, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("part", Text, primary_key=True),
    Column("since", Timestamp, nullable=False),
    one_of("part", Part),
    Index("ix_roster_places_source", "source", "course_id", "user_id"),
    sqlite_with_rowid=False,
)
"""A row for each person in a course whom the newest roster of a source had there. Who is missing in a bulk roster leaves."""

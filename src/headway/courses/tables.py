"""The tables of the catalogue, and of course statistics."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from headway.courses.completion import Rule
from headway.courses.model import CourseKind
from headway.db.types import UPDATED_IN_PLACE, CodePointText, Id, Timestamp, metadata, one_of
from headway.identity import CourseRole

courses = Table(
    "courses",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("slug", Text, unique=True),
    Column("external_id", Text),
    Column("source", Text, comment="the system that the external id is from"),
    Column("title", Text, nullable=False),
    Column("description", Text),
    Column("subject", Text),
    Column("level", Text),
    Column("kind", Text, nullable=False),
    Column("capacity", Integer),
    # 0 without a capacity, so that whoever enrolls does not write it: course statistics count those seats.
    Column("seats_taken", Integer, nullable=False),
    Column("starts_at", Timestamp),
    Column("ends_at", Timestamp),
    Column("enroll_from", Timestamp),
    Column("enroll_until", Timestamp),
    Column("access_days", Integer),
    Column("is_sequential", Boolean, nullable=False),
    Column("is_published", Boolean, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    one_of("kind", CourseKind),
    CheckConstraint("seats_taken >= 0 AND (capacity IS NULL OR seats_taken <= capacity)", name="seats"),
    Index("ix_courses_external_id", "external_id", unique=True),
    sqlite_autoincrement=True,
)

course_staff = Table(
    "course_staff",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("course_id", Id, ForeignKey("courses.id"), primary_key=True),
    Column("role", Text, nullable=False),
    Column("since", Timestamp, comment="when the role was given"),
    one_of("role", CourseRole),
    Index(None, "course_id"),
)

course_terms = Table(
    "course_terms",
    metadata,
    Column("term", CodePointText, primary_key=True),
    Column("course_id", Id, primary_key=True),
    sqlite_with_rowid=False,
)
"""What courses are found by: the terms of `NewCourse.terms`, written with the course."""

course_gradings = Table(
    "course_gradings",
    metadata,
    Column("course_id", Id, ForeignKey("courses.id"), primary_key=True),
    Column("revision", Integer, primary_key=True, comment="of the course, from which on this applied"),
    Column("units", Text, nullable=False, comment="JSON by unit: [rule, threshold, whether it counts, opens, closes]"),
)
"""The grading of each revision of a course, to verify completions after the course has changed."""

course_prerequisites = Table(
    "course_prerequisites",
    metadata,
    Column("course_id", Id, ForeignKey("courses.id"), primary_key=True),
    Column("prerequisite_id", Id, ForeignKey("courses.id"), primary_key=True),
)

modules = Table(
    "modules",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("course_id", Id, ForeignKey("courses.id"), nullable=False),
    Column("slug", Text),
    Column("title", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("external_id", Text),
    Column("source", Text),
    Column("retired_at", Timestamp),
    UniqueConstraint("course_id", "slug"),
    Index("ix_modules_external_id", "course_id", "external_id", unique=True),
    sqlite_autoincrement=True,
)

units = Table(
    "units",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("course_id", Id, ForeignKey("courses.id"), nullable=False),
    Column("module_id", Id, ForeignKey("modules.id"), nullable=False),
    Column("slug", Text),
    Column("title", Text, nullable=False),
    Column("kind", Text),
    Column("position", Integer, nullable=False),
    Column("external_id", Text),
    Column("source", Text),
    Column("is_required", Boolean, nullable=False),
    Column("rule", Text, nullable=False),
    Column("threshold", Double),
    Column("opens_at", Timestamp),
    Column("closes_at", Timestamp),
    Column("is_hidden", Boolean, nullable=False, server_default=false(), comment="from learners"),
    Column("retired_at", Timestamp),
    UniqueConstraint("course_id", "slug"),
    Index("ix_units_external_id", "module_id", "external_id", unique=True),
    one_of("rule", Rule),
    sqlite_autoincrement=True,
)

assessments = Table(
    "assessments",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("course_id", Id, ForeignKey("courses.id"), nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text),
    Column("due_at", Timestamp),
    Column("max_grade", Double, nullable=False),
    Column("position", Integer, nullable=False),
    Column("retired_at", Timestamp),
    Index(None, "course_id"),
    sqlite_autoincrement=True,
)

course_statistics = Table(
    "course_statistics",
    metadata,
    Column("course_id", Id, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("shard", Integer, primary_key=True, comment="so that writers rarely wait for each other; the sum counts"),
    Column("value", BigInteger, nullable=False),
    sqlite_with_rowid=False,
    postgresql_with=UPDATED_IN_PLACE,
)
"""The course statistics: counts that are updated in the transactions that change them."""

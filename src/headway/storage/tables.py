"""The schema, described once for SQLite and PostgreSQL.

Every learner-owned table has the learner's id first in its primary key and in each unique constraint, so that it can be
distributed by learner. Times are `timestamptz` on PostgreSQL and integers (milliseconds) on SQLite; the drivers hand both to
us as integers. JSON is kept as text that only Headway writes.
"""

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
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.types import TypeEngine

from headway.domain.accounts import CourseRole, Role
from headway.domain.activity import ActivityType
from headway.domain.audit import ActivityStatus, TargetType
from headway.domain.catalogue import CourseKind
from headway.domain.completion import COMPLETE, Rule
from headway.domain.enrollment_status import EnrollmentStatus

ID_SEQUENCES = ("enrollments", "unit_progress")
"""Tables whose column `id` is filled by Headway: on PostgreSQL from a sequence `ids_of_<table>`, on SQLite from `revisions`."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

Moment: TypeEngine[int] = BigInteger().with_variant(TIMESTAMP(timezone=True), "postgresql")
Id: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite gives out ids by itself only in a column that is exactly INTEGER."""


def _one_of(
    column: str,
    values: type[Role | CourseRole | CourseKind | EnrollmentStatus | Rule | ActivityType | TargetType | ActivityStatus],
) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(str(v)) for v in values)})", name=column)


users = Table(
    "users",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text, comment="encrypted"),
    Column("email_hash", Text, unique=True, comment="of the normalized address, under the key `email`"),
    Column("external_id", Text, unique=True),
    Column("password_hash", Text),
    Column("interests", Text),
    Column("learning_goals", Text),
    Column("token_version", Integer, nullable=False),
    Column("is_disabled", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    _one_of("role", Role),
    sqlite_autoincrement=True,
)

index_keys = Table(
    "index_keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("key", Text, nullable=False, comment="encrypted"),
)
"""Keys of the hashes by which encrypted texts are found."""

sessions = Table(
    "sessions",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("token_version", Integer, nullable=False),
    Column("generation", Integer, nullable=False, comment="of the refresh token; grows with each use"),
    Column("replaced", Text, nullable=False, comment="[[generation, when it was used], ...] of late"),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Index(None, "ended_at"),
    Index(None, "expires_at"),
)
"""A sign-in and the family of refresh tokens that follow from it. The tokens are signed, not stored."""

attempts = Table(
    "attempts",
    metadata,
    Column("key", Text, primary_key=True, comment="a keyed hash of what is limited, and for whom"),
    Column("times", Text, nullable=False, comment="[ms since 1970, ...]"),
    Column("expires_at", Moment, nullable=False),
    Index(None, "expires_at"),
)
"""Tries that are limited, such as failed sign-ins: kept here so that limits hold across processes and restarts."""

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("user_id", Id, primary_key=True, comment="0 for callers without an account"),
    Column("key", Text, primary_key=True),
    Column("request", Text, nullable=False, comment="a hash of method, path and body"),
    Column("status", Integer, nullable=False),
    Column("answer", Text, nullable=False, comment="encrypted"),
    Column("created_at", Moment, nullable=False),
    Index(None, "created_at"),
)
"""Answers that are given again when a request is repeated under its key; committed with what the request did."""

revisions = Table(
    "revisions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
)
"""A number for each thing that server processes keep in memory; it grows in the transaction that changes the thing."""

courses = Table(
    "courses",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("slug", Text, unique=True),
    Column("title", Text, nullable=False),
    Column("description", Text),
    Column("subject", Text),
    Column("level", Text),
    Column("kind", Text, nullable=False),
    Column("capacity", Integer),
    Column("seats_taken", Integer, nullable=False),
    Column("starts_at", Moment),
    Column("ends_at", Moment),
    Column("enroll_from", Moment),
    Column("enroll_until", Moment),
    Column("access_days", Integer),
    Column("is_sequential", Boolean, nullable=False),
    Column("is_published", Boolean, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    _one_of("kind", CourseKind),
    CheckConstraint("seats_taken >= 0 AND (capacity IS NULL OR seats_taken <= capacity)", name="seats"),
    sqlite_autoincrement=True,
)

course_staff = Table(
    "course_staff",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("course_id", Id, ForeignKey("courses.id"), primary_key=True),
    Column("role", Text, nullable=False),
    _one_of("role", CourseRole),
    Index(None, "course_id"),
)

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
    Column("retired_at", Moment),
    UniqueConstraint("course_id", "slug"),
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
    Column("is_required", Boolean, nullable=False),
    Column("rule", Text, nullable=False),
    Column("threshold", Double),
    Column("retired_at", Moment),
    UniqueConstraint("course_id", "slug"),
    Index(None, "module_id"),
    _one_of("rule", Rule),
    sqlite_autoincrement=True,
)

assessments = Table(
    "assessments",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("course_id", Id, ForeignKey("courses.id"), nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text),
    Column("due_at", Moment),
    Column("max_grade", Double, nullable=False),
    Column("position", Integer, nullable=False),
    Column("retired_at", Moment),
    Index(None, "course_id"),
    sqlite_autoincrement=True,
)

# Rows that are rewritten with almost every event leave room in their page, so that PostgreSQL can update them in place.
_ROOM = {"fillfactor": 80}

enrollments = Table(
    "enrollments",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("course_id", Id, ForeignKey("courses.id"), primary_key=True),
    Column("id", Id, nullable=False, comment="for those who want one number; unique, and nothing is looked up by it"),
    Column("status", Text, nullable=False),
    Column("percent", Integer, nullable=False),
    Column("study_ms", BigInteger, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("last_activity_at", Moment),
    Column("enrolled_at", Moment, nullable=False),
    Column("completed_at", Moment),
    Column("certificate_url", Text),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    _one_of("status", EnrollmentStatus),
    CheckConstraint(f"percent BETWEEN 0 AND {COMPLETE}", name="percent"),
    Index("ix_enrollments_course_id", "course_id", "user_id"),
    Index("ix_enrollments_course_percent", "course_id", "status", "percent", "user_id"),
    Index("ix_enrollments_course_enrolled_at", "course_id", "status", "enrolled_at", "user_id"),
    Index("ix_enrollments_course_completed_at", "course_id", "status", "completed_at", "user_id"),
    sqlite_with_rowid=False,
    postgresql_with=_ROOM,
)
"""A learner's place in a course, and the course progress: percent in hundredths, study time, engagement in metadata."""

waiting_list = Table(
    "waiting_list",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("course_id", Id, ForeignKey("courses.id"), primary_key=True),
    Column("number", BigInteger, nullable=False, comment="in the order of arrival"),
    Column("joined_at", Moment, nullable=False),
    Index("ix_waiting_list_course_id", "course_id", "number"),
)
"""Who waits for a seat; the row of the course is locked by whoever joins, leaves or moves somebody up."""

unit_progress = Table(
    "unit_progress",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("course_id", Id, primary_key=True),
    Column("unit_id", Id, primary_key=True),
    Column("id", Id, nullable=False, comment="for those who want one number; unique, and nothing is looked up by it"),
    Column("status", Text, nullable=False),
    Column("percent", Integer, nullable=False),
    Column("study_ms", BigInteger, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("client_metadata", Text, comment="JSON of the client's own"),
    Column("last_activity_at", Moment, nullable=False),
    Column("completed_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    CheckConstraint("status IN ('NOT_STARTED', 'IN_PROGRESS', 'COMPLETED')", name="status"),
    CheckConstraint(f"percent BETWEEN 0 AND {COMPLETE}", name="percent"),
    sqlite_with_rowid=False,
    postgresql_with=_ROOM,
)
"""What a learner reached in a unit. There is no row before the first activity."""

course_tallies = Table(
    "course_tallies",
    metadata,
    Column("course_id", Id, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("shard", Integer, primary_key=True, comment="so that writers rarely wait for each other; the sum counts"),
    Column("value", BigInteger, nullable=False),
    sqlite_with_rowid=False,
    postgresql_with=_ROOM,
)
"""What the analytics of a course are made of, brought up to date in the transactions that change it."""

study_days = Table(
    "study_days",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("course_id", Id, primary_key=True),
    Column("day", Integer, primary_key=True, comment="whole UTC days since 1970-01-01"),
    Column("spans", Text, nullable=False, comment="by unit, 0 for the course alone: [[start, end], ...] in ms of the day"),
    sqlite_with_rowid=False,
    postgresql_with=_ROOM,
)
"""The merged intervals of a learner's study in a course on a UTC day: unit and course study time are lengths of their unions.

One row holds all units of a day, because the course's time is the union over them: what is read is what is written.
"""

learner_activity_logs = Table(
    "learner_activity_logs",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("activity_type", Text, nullable=False),
    Column("course_id", Id, nullable=False),
    Column("module_id", Id),
    Column("unit_id", Id),
    Column("duration_seconds", Double),
    Column("scroll_depth", Double),
    Column("video_watch_percentage", Double),
    Column("interaction_count", BigInteger),
    Column("start_time", Moment),
    Column("end_time", Moment),
    Column("session_id", Text),
    Column("metadata", Text),
    Column("sent_at", Moment),
    Column("received_at", Moment, nullable=False),
    Column("occurred_at", Moment, nullable=False, comment="by the server's clock"),
    Column("claimed_ms", Integer, nullable=False, comment="study time claimed up to occurred_at"),
    Column("is_shifted", Boolean, nullable=False, comment="ended ahead of the server's clock"),
    sqlite_with_rowid=False,
)
"""Every event, for ever. Its primary key is its only index: a second one costs more than half of the ingest rate."""

submissions = Table(
    "submissions",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("assessment_id", Id, ForeignKey("assessments.id"), nullable=False),
    Column("submission_url", Text),
    Column("grade", Double),
    Column("feedback", Text, comment="encrypted"),
    Column("submitted_at", Moment, nullable=False),
    Column("graded_at", Moment),
    Column("graded_by", Id),
    Index("ix_submissions_assessment_id", "assessment_id", "user_id", "submitted_at"),
    Index(None, "id"),
)
"""Everything that learners handed in; the newest of a learner for an assessment is the one that counts."""

messages = Table(
    "messages",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("peer_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("sender_id", Id, nullable=False),
    Column("message", Text, nullable=False, comment="encrypted"),
    Column("is_read", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("user_id", "id"),
    sqlite_with_rowid=False,
)
"""Both sides of a conversation have a copy, so that all that a user reads lies with the user."""

conversations = Table(
    "conversations",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("peer_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("last_message_id", Text, nullable=False),
    Column("last_message_at", Moment, nullable=False),
    Column("unread", Integer, nullable=False),
    Index("ix_conversations_user_id", "user_id", "last_message_id"),
    sqlite_with_rowid=False,
)

tutorial_progress = Table(
    "tutorial_progress",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("tutorial_id", Text, primary_key=True),
    Column("total_chapters", Double, nullable=False),
    Column("is_certificate_earned", Boolean, nullable=False),
    Column("last_watched_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
"""A learner in a tutorial, whose content is not in the catalogue; locked by whoever changes what is below it."""

chapter_progress = Table(
    "chapter_progress",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("tutorial_id", Text, primary_key=True),
    Column("chapter_id", Text, primary_key=True),
    Column("watch_time", Double, nullable=False, comment="seconds"),
    Column("is_completed", Boolean, nullable=False),
    Column("last_position", Double, comment="seconds; none where no client told one"),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
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
    Column("created_at", Moment, nullable=False),
    Column("completed_at", Moment, nullable=False, comment="the newest attempt"),
    CheckConstraint("score >= 0 AND score <= max_score", name="score"),
    sqlite_with_rowid=False,
)

activities = Table(
    "activities",
    metadata,
    Column("seq", Id, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("action", Text, nullable=False),
    Column("actor_id", Text),
    Column("is_actor_verified", Boolean, nullable=False),
    Column("recorded_by", Id, comment="none for Headway itself"),
    Column("recorded_role", Text, nullable=False),
    Column("target_type", Text, nullable=False),
    Column("target_id", Text),
    Column("status", Text, nullable=False),
    Column("performed_at", Moment, nullable=False),
    Column("content", Text, nullable=False, comment="all the rest, encrypted"),
    Column("content_hash", Text, nullable=False, comment="SHA-256 of what was encrypted"),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False, comment="SHA-256 of all but the content itself"),
    Index("ix_activities_actor_id", "actor_id", "seq"),
    Index("ix_activities_recorded_by", "recorded_by", "seq"),
    Index("ix_activities_action", "action", "seq"),
    Index("ix_activities_target", "target_type", "target_id", "seq"),
    Index("ix_activities_performed_at", "performed_at"),
    CheckConstraint("seq > 0", name="seq"),
    _one_of("recorded_role", Role),
    _one_of("target_type", TargetType),
    _one_of("status", ActivityStatus),
)
"""The activity log: one chain for the whole installation, each entry with the hash of the one before. Nothing in it changes."""

activity_head = Table(
    "activity_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="always 1"),
    Column("seq", Id, nullable=False),
    Column("hash", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("signature", Text, nullable=False),
    CheckConstraint("id = 1", name="id"),
)
"""The newest entry of the activity log, signed, as is the beginning; locked by whoever appends, until the commit."""

feed_topics = Table(
    "feed_topics",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)
"""The newest number of each topic; its row is locked from numbering to commit, so that numbers appear in order."""

feed = Table(
    "feed",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("type", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("data", Text, nullable=False, comment="JSON; encrypted where it is personal"),
    sqlite_with_rowid=False,
)
"""What live clients are told, in order; the newest of each topic are kept."""

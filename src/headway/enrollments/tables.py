"""The tables of enrollments, the waiting list and invitations."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from headway.courses.completion import COMPLETE
from headway.db.types import UPDATED_IN_PLACE, Id, Timestamp, encrypted_column, id_sequence, metadata, one_of, only_on
from headway.enrollments.statistics import BAND_WIDTH
from headway.enrollments.status import EnrollmentStatus

# True of all rows: PostgreSQL uses such an index only for statements that name a status. For those with a key it may cost as
# little as the key, while a table is small.
_NAMES_STATUS = text("status IS NOT NULL")
_HAS_END = text("access_until IS NOT NULL")

enrollments = Table(
    "enrollments",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    # No foreign key: checking it would lock the row of the course.
    Column("course_id", Id, primary_key=True),
    Column(
        "id",
        Id,
        id_sequence("enrollments"),
        nullable=False,
        comment="for those who want one number; unique, and nothing is looked up by it",
    ),
    Column("status", Text, nullable=False),
    Column("percent", Integer, nullable=False),
    # In place of `percent` in an index of PostgreSQL, which updates a row in place (HOT) where the band stays.
    Column(
        "percent_band", Integer, Computed(f"CASE WHEN percent = 0 THEN 0 ELSE 1 + percent / {BAND_WIDTH} END", persisted=True)
    ),
    Column("study_ms", BigInteger, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("last_activity_at", Timestamp),
    Column("enrolled_at", Timestamp, nullable=False),
    Column("completed_at", Timestamp),
    Column("certificate_url", Text),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    Column("closed_at", Timestamp, comment="when access ended; null while there is access"),
    Column("access_until", Timestamp, comment="when the access of this learner ends, in place of the course's days of access"),
    Column(
        "required_percents",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="of the required units, added up, in hundredths",
    ),
    Column("required_completed", Integer, nullable=False, server_default="0", comment="how many required units are complete"),
    Column("completed_revision", Integer, comment="the revision of the course whose required units were all complete"),
    # No index: almost every event may change them.
    Column("last_unit_id", Id, comment="the unit with the newest activity"),
    Column("last_unit_at", Timestamp, comment="of the newest activity in a unit"),
    Column("active_weeks", Text, nullable=False, server_default="", comment="the weeks with activity; see traces.py"),
    Column("unit_states", Text, nullable=False, server_default="", comment="units begun and completed; see traces.py"),
    Column("counts_from", Text, comment="since when progress counts, if it was ever reset; see counting.py"),
    one_of("status", EnrollmentStatus),
    CheckConstraint(f"percent BETWEEN 0 AND {COMPLETE}", name="percent"),
    Index("ix_enrollments_course_id", "course_id", "user_id"),
    only_on(
        "postgresql",
        Index(
            "ix_enrollments_course_percent_band",
            *("course_id", "status", "percent_band", "user_id"),
            postgresql_where=_NAMES_STATUS,
        ),
    ),
    # SQLite rewrites an index too when a column changes from which a band is computed, so there the band would save nothing.
    only_on("sqlite", Index("ix_enrollments_course_percent", "course_id", "status", "percent", "user_id")),
    Index("ix_enrollments_course_enrolled_at", "course_id", "status", "enrolled_at", "user_id", postgresql_where=_NAMES_STATUS),
    Index(
        "ix_enrollments_course_completed_at", "course_id", "status", "completed_at", "user_id", postgresql_where=_NAMES_STATUS
    ),
    Index("ix_enrollments_access_until", "status", "access_until", postgresql_where=_HAS_END, sqlite_where=_HAS_END),
    sqlite_with_rowid=False,
    postgresql_with=UPDATED_IN_PLACE,
)
"""The enrollments with their course progress: percent in hundredths and its band, study time, engagement in metadata."""

waiting_list = Table(
    "waiting_list",
    metadata,
    Column("user_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("course_id", Id, ForeignKey("courses.id"), primary_key=True),
    Column("number", BigInteger, nullable=False, comment="in the order of arrival"),
    Column("joined_at", Timestamp, nullable=False),
    Column("access_until", Timestamp, comment="when the access of this learner will end, if staff said so"),
    Index("ix_waiting_list_course_id", "course_id", "number"),
)
"""The learners who wait for a seat. Who joins the list, or moves up from it to a limited seat, locks the row of the course."""

invitations = Table(
    "invitations",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("course_id", Id, ForeignKey("courses.id"), nullable=False),
    encrypted_column("email"),
    Column("email_hash", Text, nullable=False, comment="of the normalized address, under the key `email`"),
    Column("access_until", Timestamp, comment="when the access of the learner will end"),
    Column("invited_by", Id, comment="the account; null for an operator at the command line"),
    Column("invited_at", Timestamp, nullable=False),
    Column("link_hash", Text, comment="HMAC of the address, under the 256 random bits of the mailed link"),
    Column("mailed_at", Timestamp, comment="when the last mail was stored"),
    UniqueConstraint("email_hash", "course_id"),
    Index("ix_invitations_course_id", "course_id", "id"),
    Index(None, "invited_at"),
    sqlite_autoincrement=True,
)
"""Addresses without an account whose owners are enrolled in a course as soon as they have one."""

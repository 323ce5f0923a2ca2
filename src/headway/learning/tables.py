"""The tables of events, study days and unit progress."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Double, Index, Integer, LargeBinary, Table, Text

from headway.courses.completion import COMPLETE
from headway.db.types import UPDATED_IN_PLACE, UPDATED_TOGETHER, Id, Timestamp, encrypted_column, id_sequence, metadata

unit_progress = Table(
    "unit_progress",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("course_id", Id, primary_key=True),
    Column("unit_id", Id, primary_key=True),
    Column(
        "id",
        Id,
        id_sequence("unit_progress"),
        nullable=False,
        comment="for those who want one number; unique, and nothing is looked up by it",
    ),
    Column("status", Text, nullable=False),
    Column("percent", Integer, nullable=False),
    Column("study_ms", BigInteger, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("client_metadata", Text, comment="JSON of the client's own"),
    Column("last_activity_at", Timestamp, nullable=False),
    Column("completed_at", Timestamp),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    # No constraint: SQLite would check it for each event, and `units`, where the rule comes from, has one.
    Column("met_rule", Text, comment="the rule that was met first, also if the unit has another one now"),
    Column("met_threshold", Double, comment="of met_rule"),
    CheckConstraint("status IN ('NOT_STARTED', 'IN_PROGRESS', 'COMPLETED')", name="status"),
    CheckConstraint(f"percent BETWEEN 0 AND {COMPLETE}", name="percent"),
    sqlite_with_rowid=False,
    # A group of reports makes rows of many learners side by side, and they study on side by side.
    postgresql_with=UPDATED_TOGETHER,
)
"""The unit progress of learners. There is no row before the first activity."""

study_days = Table(
    "study_days",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("course_id", Id, primary_key=True),
    Column("day", Integer, primary_key=True, comment="whole UTC days since 1970-01-01"),
    Column("spans", Text, nullable=False, comment="by unit, 0 for the course alone: [[start, end], ...] in ms of the day"),
    sqlite_with_rowid=False,
    postgresql_with=UPDATED_IN_PLACE,
)
"""The merged intervals of a learner's study in a course on a UTC day: unit and course study time are lengths of their unions.

One row holds all units of a day, because the course's time is the union over them.
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
    Column("start_time", Timestamp),
    Column("end_time", Timestamp),
    Column("session_id", Text),
    Column("metadata", Text),
    Column("video_segments", Text, comment="JSON: [[start, end], ...] in seconds of the video"),
    Column("video_duration_seconds", Double),
    Column("sent_at", Timestamp),
    Column("received_at", Timestamp, nullable=False),
    Column("occurred_at", Timestamp, nullable=False, comment="by the server's clock"),
    Column("claimed_ms", Integer, nullable=False, comment="study time claimed up to occurred_at"),
    Column("is_shifted", Boolean, nullable=False, comment="ended ahead of the server's clock"),
    Column("clock_offset_ms", BigInteger, comment="added to the client's times; null for nothing"),
)
"""All events but those that are archived. The primary key is the only index: a second one costs more than half of the ingest
rate.

Both databases append the rows and keep the key in an index beside them: clustered by ids that are random, as SQLite does
without rowids, each row would change a page of its own.
"""

uncounted_events = Table(
    "uncounted_events",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("course_id", Id, primary_key=True),
    Column("unit_id", Id, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("occurred_at", Timestamp, nullable=False),
    Column("metadata", Text, nullable=False, comment="JSON of the evidence that the event would leave"),
    sqlite_with_rowid=False,
)
"""The events, archived ones too, that lay outside of the times of their units, and so do not count for them.

When the times change, those that lie within them now count, and leave this table. So it is with events that are told after a
reset and happened before it, when it is undone.
"""

resets = Table(
    "resets",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("course_id", Id, primary_key=True),
    Column("id", Id, id_sequence("resets"), primary_key=True),
    Column("module_id", Id),
    Column("unit_id", Id),
    Column("unit_ids", Text, comment="JSON: the units that were reset; null for all of the course"),
    Column("keeps_study", Boolean, nullable=False, comment="whether study time from before still counts as such"),
    Column("is_attempt", Boolean, nullable=False, comment="whether it began a new attempt"),
    encrypted_column("reason", nullable=True, people=lambda row, _text: (row["user_id"],)),
    Column("reset_by", Id, nullable=False),
    Column("reset_at", Timestamp, nullable=False),
    Column("counts_from", Timestamp, nullable=False, comment="later than all that was known of the learner in the course"),
    Column("before", Text, nullable=False, comment="JSON: the enrollment as it was"),
    Column("undone_at", Timestamp),
    Column("undone_by", Id),
    sqlite_with_rowid=False,
)
"""What was reset of the progress of learners: what happened before `counts_from` does not count for these units any more."""

earlier_progress = Table(
    "earlier_progress",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("course_id", Id, primary_key=True),
    Column("reset_id", Id, primary_key=True),
    Column("unit_id", Id, primary_key=True),
    Column("status", Text, nullable=False),
    Column("percent", Integer, nullable=False),
    Column("study_ms", BigInteger, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("client_metadata", Text, comment="JSON of the client's own"),
    Column("completed_at", Timestamp),
    Column("met_rule", Text),
    Column("met_threshold", Double),
    CheckConstraint("status IN ('NOT_STARTED', 'IN_PROGRESS', 'COMPLETED')", name="status"),
    CheckConstraint(f"percent BETWEEN 0 AND {COMPLETE}", name="percent"),
    sqlite_with_rowid=False,
)
"""Unit progress as it was when it was reset, for as long as the reset is not undone."""

set_aside_days = Table(
    "set_aside_days",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("course_id", Id, primary_key=True),
    Column("day", Integer, primary_key=True, comment="whole UTC days since 1970-01-01"),
    Column("spans", Text, nullable=False, comment="as in study_days"),
    sqlite_with_rowid=False,
)
"""Study that counts no more, because resets did not keep study time. What is in `study_days` counts."""

archives = Table(
    "archives",
    metadata,
    Column("id", Text, primary_key=True),
    Column("file", Text, nullable=False, comment="its path when it was written"),
    Column("events", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False, comment="of the file"),
    Column("rows_sha256", Text, nullable=False, comment="of the rows as they were stored"),
    Column("first_user_id", Id, nullable=False),
    Column("last_user_id", Id, nullable=False),
    Column("received_from", Timestamp, nullable=False, comment="of its first event"),
    Column("received_until", Timestamp, nullable=False, comment="of its last event"),
    Column("created_at", Timestamp, nullable=False),
    Column("removed_at", Timestamp, comment="when the last of its events had left learner_activity_logs"),
    Column("forgotten", BigInteger, nullable=False, server_default="0", comment="how many of its first rows are forgotten"),
)
"""The Parquet files of archived events. While `removed_at` is null, an event may be in the file and in the table."""

archived_ids = Table(
    "archived_ids",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False, comment="hash of the smallest id of the chunk"),
    Column("entries", LargeBinary, nullable=False, comment="hashes of ids and contents, 20 bytes for each event, in order"),
)
"""What is kept of archived events, in chunks: enough to tell a repetition from a conflict."""

event_residues = Table(
    "event_residues",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("course_id", Id, primary_key=True),
    Column("unit_id", Id, primary_key=True, comment="0 for the course alone"),
    Column("since", Timestamp, primary_key=True, comment="the last reset of the unit before them; 1970 if there was none"),
    Column("metadata", Text, nullable=False, comment="JSON of the evidence of all of them that counted"),
    Column("is_begun", Boolean, nullable=False, comment="whether one of them counted"),
    Column("last_at", Timestamp, nullable=False, comment="of the last of them"),
    sqlite_with_rowid=False,
)
"""What the events that retention has forgotten add to progress, by unit, and by the resets that they came after."""

forgotten_events = Table(
    "forgotten_events",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("events", BigInteger, nullable=False),
    Column("entries", Text, nullable=False, comment="the sum of their entries in archived_ids, in decimal digits"),
    sqlite_with_rowid=False,
)
"""How many events of a learner retention has forgotten. Their entries in `archived_ids` stay."""

client_clocks = Table(
    "client_clocks",
    metadata,
    Column("user_id", Id, primary_key=True),
    Column("session_id", Text, primary_key=True, comment="empty for reports without a session"),
    Column("offset_ms", BigInteger, nullable=False, comment="added to the client's times"),
    Column("learned_at", Timestamp, nullable=False),
    Index(None, "learned_at"),
    sqlite_with_rowid=False,
)
"""The offsets of clients' clocks, by session: only of those whose reports come late or early enough to ask."""

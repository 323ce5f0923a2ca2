"""A long history for a database: the events that learners sent are repeated into the weeks before, with all that follows.

Ten million events take ten minutes by HTTP. Repeated, they are rows of the same size and form, with ids of their own, and
`headway verify` finds study time and statistics that agree with them.
"""

from databases import Database
from headway.learning.tables import learner_activity_logs, study_days

# More than a learner takes for a course.
DAYS = 7
TIMES = ("start_time", "end_time", "sent_at", "received_at", "occurred_at")
RANDOM_ID = {
    "PostgreSQL": "gen_random_uuid()::text",
    "SQLite": "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-'"
    " || hex(randomblob(2)) || '-' || hex(randomblob(6)))",
}
EARLIER = {"PostgreSQL": "{} - interval '{} days'", "SQLite": "{} - {} * 86400000"}
# What course statistics hold of study time: whole seconds, as each learner's progress shows them.
SECONDS = """
UPDATE course_statistics SET value = CASE
    WHEN shard > (SELECT min(shard) FROM course_statistics AS s WHERE s.course_id = course_statistics.course_id
        AND s.name = course_statistics.name) THEN 0
    ELSE (SELECT coalesce(sum(study_ms / 1000), 0) FROM unit_progress AS u WHERE u.course_id = course_statistics.course_id
        AND 'unit:' || u.unit_id || ':seconds' = course_statistics.name) END
WHERE name LIKE 'unit:%:seconds'
"""


def repeat(database: Database, times: int) -> None:
    """Repeat all events, so that there are `times` as many."""
    database.execute(f"CREATE TABLE history AS SELECT * FROM {learner_activity_logs.name}")
    database.execute(f"CREATE TABLE days AS SELECT * FROM {study_days.name}")
    for back in range(1, times):
        database.execute(copy_events(database.kind, back * DAYS), copy_days(back * DAYS))
    database.execute("DROP TABLE history", "DROP TABLE days")
    for table in ("unit_progress", "enrollments"):
        database.execute(f"UPDATE {table} SET study_ms = study_ms * {times}")
    database.execute(SECONDS)


def copy_events(kind: str, days: int) -> str:
    values = {column.name: column.name for column in learner_activity_logs.c}
    values |= {name: EARLIER[kind].format(name, days) for name in TIMES}
    values["event_id"] = RANDOM_ID[kind]
    return f"INSERT INTO {learner_activity_logs.name} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM history"


def copy_days(days: int) -> str:
    values = {column.name: column.name for column in study_days.c} | {"day": f"day - {days}"}
    return f"INSERT INTO {study_days.name} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM days"

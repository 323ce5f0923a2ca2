"""Keep in enrollments in which weeks learners were active, and which units they began and completed, and what they replayed."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

from headway.courses.video import Playback, played

revision = "0024"
down_revision = "0022"
branch_labels = None
depends_on = None

_AT_ONCE = 500
_ROWS_AT_ONCE = 200
_FIRST_MONDAY = -25_567
_LATER = " AND user_id > :after AND user_id <= :until"


def upgrade() -> None:
    for name, comment in (
        ("active_weeks", "the weeks with activity; see traces.py"),
        ("unit_states", "units begun and completed; see traces.py"),
    ):
        op.add_column("enrollments", sa.Column(name, sa.Text(), nullable=False, server_default="", comment=comment))
    ordinals = _ordinals()
    after = -(2**63)
    next_learners = sa.text("SELECT DISTINCT user_id FROM enrollments WHERE user_id > :after ORDER BY user_id LIMIT :limit")
    while learners := [row[0] for row in _read(next_learners, after=after, limit=_AT_ONCE)]:
        _fill(after, learners[-1], ordinals)
        _fill_replayed(after, learners[-1])
        after = learners[-1]


def downgrade() -> None:
    op.drop_column("enrollments", "unit_states")
    op.drop_column("enrollments", "active_weeks")


def _read(statement: sa.TextClause, **params: Any) -> Iterable[Any]:
    """Read rows as they are used: some learners may have sent very many events."""
    return op.get_bind().execute(statement, params, execution_options={"yield_per": _ROWS_AT_ONCE})


def _ordinals() -> dict[int, int]:
    """Number the units of each course by age."""
    numbers: dict[int, int] = {}
    known: defaultdict[int, int] = defaultdict(int)
    for unit_id, course_id in _read(sa.text("SELECT id, course_id FROM units ORDER BY id")):
        numbers[unit_id] = known[course_id]
        known[course_id] += 1
    return numbers


def _fill(after: int, until: int, ordinals: dict[int, int]) -> None:
    """Fill the enrollments of some learners."""
    weeks: defaultdict[tuple[int, int], int] = defaultdict(int)
    states: defaultdict[tuple[int, int], int] = defaultdict(int)
    for user_id, course_id, day in _active_days(after, until):
        weeks[user_id, course_id] |= 1 << (day - _FIRST_MONDAY) // 7
    begun = "SELECT user_id, course_id, unit_id, status FROM unit_progress WHERE status <> 'NOT_STARTED'"
    for user_id, course_id, unit_id, status in _read(sa.text(begun + _LATER), after=after, until=until):
        if unit_id in ordinals:
            states[user_id, course_id] |= (3 if status == "COMPLETED" else 1) << 2 * ordinals[unit_id]
    rows = [
        {"of_user": key[0], "in_course": key[1], "weeks": _weeks_text(weeks[key]), "states": f"{states[key]:x}".lstrip("0")}
        for key in sorted(weeks.keys() | states.keys())
    ]
    write = "UPDATE enrollments SET active_weeks = :weeks, unit_states = :states WHERE user_id = :of_user AND course_id = :in_course"
    if rows:
        op.get_bind().execute(sa.text(write), rows)


def _fill_replayed(after: int, until: int) -> None:
    """Add to the evidence of some learners what they played more than once, by the events that are not archived."""
    events = (
        "SELECT user_id, course_id, unit_id, video_segments, video_duration_seconds FROM learner_activity_logs"
        " WHERE video_segments IS NOT NULL AND unit_id IS NOT NULL"
    )
    videos: dict[tuple[int, int, int], Playback] = {}
    for *ids, segments, duration in _read(sa.text(events + _LATER), after=after, until=until):
        video, key = played(segments, duration), (ids[0], ids[1], ids[2])
        if video is not None:
            videos[key] = videos[key].merge(video) if key in videos else video
    for (user_id, course_id, unit_id), video in sorted(videos.items(), key=lambda each: each[0]):
        if video.again:
            row = {"of_user": user_id, "in_course": course_id, "in_unit": unit_id}
            has_key = "WHERE user_id = :of_user AND course_id = :in_course AND unit_id = :in_unit"
            stored = op.get_bind().execute(sa.text(f"SELECT metadata FROM unit_progress {has_key}"), row).scalar()
            evidence = msgspec.json.decode(stored or "{}")
            # Where progress does not have what was played, `headway verify` says so.
            if "video" in evidence:
                evidence["video"]["again"] = video.again
                written = {**row, "metadata": msgspec.json.encode(evidence).decode()}
                op.get_bind().execute(sa.text(f"UPDATE unit_progress SET metadata = :metadata {has_key}"), written)


def _active_days(after: int, until: int) -> Iterable[tuple[int, int, int]]:
    """Return (user_id, course_id, day) of everything that is known of learners' activity."""
    yield from _read(sa.text(f"SELECT user_id, course_id, day FROM study_days WHERE 1 = 1{_LATER}"), after=after, until=until)
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for table, column in (
        ("learner_activity_logs", "occurred_at"),
        ("unit_progress", "last_activity_at"),
        ("enrollments", "last_activity_at"),
    ):
        # SQLite divides towards zero: the numbers of days before 1970 are made positive first.
        on_sqlite = f"({column} + 86400000 * 25567) / 86400000 - 25567"
        day = f"CAST(floor(extract(epoch FROM {column}) / 86400) AS bigint)" if is_postgresql else on_sqlite
        found = f"SELECT DISTINCT user_id, course_id, {day} FROM {table} WHERE {column} IS NOT NULL{_LATER}"
        yield from _read(sa.text(found), after=after, until=until)


def _weeks_text(bits: int) -> str:
    if not bits:
        return ""
    first = (bits & -bits).bit_length() - 1
    return f"{first:x}:{bits >> first:x}"

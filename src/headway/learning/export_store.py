"""What is told of what a person did: progress in units, study time, and every event."""

from pathlib import Path

from headway.db.personal import Section, TableSection, day_of, hundredths_of, json_of
from headway.learning.archived_export import ArchivedEvents
from headway.learning.tables import (
    client_clocks,
    earlier_progress,
    learner_activity_logs,
    resets,
    set_aside_days,
    study_days,
    uncounted_events,
    unit_progress,
)

_STORED = [
    TableSection(
        "unit-progress",
        unit_progress,
        ["course_id", "unit_id"],
        written={"percent": hundredths_of, "metadata": json_of, "client_metadata": json_of},
    ),
    TableSection("study-days", study_days, ["course_id", "day"], written={"day": day_of, "spans": json_of}),
    TableSection("events", learner_activity_logs, ["event_id"], written={"metadata": json_of, "video_segments": json_of}),
]
_OTHERS = [
    TableSection("uncounted-events", uncounted_events, ["course_id", "unit_id", "event_id"], written={"metadata": json_of}),
    TableSection("resets", resets, ["course_id", "id"], written={"unit_ids": json_of, "before": json_of}),
    TableSection(
        "earlier-progress",
        earlier_progress,
        ["course_id", "reset_id", "unit_id"],
        written={"percent": hundredths_of, "metadata": json_of, "client_metadata": json_of},
    ),
    TableSection("set-aside-days", set_aside_days, ["course_id", "day"], written={"day": day_of, "spans": json_of}),
    TableSection("client-clocks", client_clocks, ["session_id"]),
]


def sections(archives_folder: Path | None = None) -> list[Section]:
    """Return what is told; archives are in one folder, or else where they were written."""
    # After the events: one that is archived meanwhile may be told twice, but is not left out.
    return [*_STORED, ArchivedEvents(archives_folder), *_OTHERS]

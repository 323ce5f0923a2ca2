"""Importing rosters: model -> wire."""

from headway.contracts.learner import import_wire
from headway.rosters.model import Change, Report


def report(made: Report) -> import_wire.RosterReport:
    """Render the report of an import."""
    return import_wire.RosterReport(
        source=made.source,
        mode=made.mode,
        is_dry_run=made.is_dry_run,
        has_changes=made.has_changes,
        rows=made.rows,
        counts={kind: import_wire.RosterCounts(**counts) for kind, counts in made.counts.items()},
        changes=[_change(each) for each in made.changes],
        not_taken_count=made.not_taken_count,
        not_taken=[import_wire.RosterFault(each.file, each.line, each.reason) for each in made.not_taken],
        left_out=made.left_out,
    )


def _change(change: Change) -> import_wire.RosterChange:
    return import_wire.RosterChange(
        kind=change.kind,
        did=change.did,
        name=change.name,
        external_id=change.external_id,
        user_id=None if change.user_id is None else str(change.user_id),
        course_id=None if change.course_id is None else str(change.course_id),
        course=change.course,
        fields=[import_wire.RosterField(name, old, new) for name, (old, new) in change.fields.items()],
    )

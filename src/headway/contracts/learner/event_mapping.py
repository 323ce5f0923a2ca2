"""Rendering of verdicts on events that services report: pure functions."""

from collections.abc import Sequence

from msgspec import UNSET

from headway.contracts.learner import event_wire, wire
from headway.learning.model import Outcome
from headway.learning.on_behalf import Reported


def verdicts(reported: Sequence[Reported]) -> event_wire.EventsData:
    """Render the verdict on each item, in the order of the items."""
    outcomes = [each.verdict.outcome for each in reported]
    return event_wire.EventsData(
        accepted=outcomes.count(Outcome.ACCEPTED),
        duplicates=outcomes.count(Outcome.DUPLICATE),
        conflicts=outcomes.count(Outcome.CONFLICT),
        rejected=outcomes.count(Outcome.REJECTED),
        results=[_result(index, each) for index, each in enumerate(reported)],
    )


def _result(index: int, reported: Reported) -> event_wire.ItemResult:
    errors = [wire.LearnerFieldProblem(each.field, each.message) for each in reported.verdict.errors]
    return event_wire.ItemResult(
        index,
        reported.event_id,
        reported.verdict.outcome,
        UNSET if reported.code is None else reported.code,
        errors or UNSET,
    )

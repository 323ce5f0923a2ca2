"""How this contract tells errors: `{success: false, message, errors: [{field, message}]}`."""

from headway.contracts.activity_tracking import wire
from headway.contracts.activity_tracking.mapping import field_problems
from headway.http.contract import Problem


def render_error(problem: Problem) -> wire.Failure:
    """Make the envelope; a 500 tells the request's id and nothing else."""
    return wire.Failure(
        message=problem.message,
        errors=field_problems(problem.fields),
        request_id=problem.request_id,
    )

"""Errors in the envelope of this contract: `{success: false, message, errors: [{field, message}]}`."""

from headway.contracts.activity_tracking import wire
from headway.contracts.activity_tracking.mapping import field_problems
from headway.http.contract import Problem


def render_error(problem: Problem) -> wire.Failure:
    """Render an error; a 500 shows the request id and no details."""
    return wire.Failure(problem.message, field_problems(problem.fields), request_id=problem.request_id)

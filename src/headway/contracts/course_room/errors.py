"""Errors in the envelope of this contract: `{success: false, message}`; the message names the invalid fields."""

from headway.contracts.course_room import wire
from headway.http.contract import Problem


def render_error(problem: Problem) -> wire.ProgressFailure:
    """Render an error; a 500 shows the request id and no details."""
    field_errors = "; ".join(f"{each.field} {each.message}" for each in problem.fields)
    return wire.ProgressFailure(message=field_errors or problem.message, request_id=problem.request_id)

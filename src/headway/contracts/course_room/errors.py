"""How this contract tells errors: `{success: false, message}`; the message names the fields at fault."""

from headway.contracts.course_room import wire
from headway.http.contract import Problem


def render_error(problem: Problem) -> wire.RoomFailure:
    """Make the envelope; a 500 tells the request's id and nothing else."""
    faults = "; ".join(f"{each.field} {each.message}" for each in problem.fields)
    return wire.RoomFailure(message=faults or problem.message, request_id=problem.request_id)

"""How this contract tells errors: `{success: false, message, errors: [{field, message}]}`."""

from headway.contracts.activity_tracking import wire
from headway.contracts.activity_tracking.mapping import field_problems
from headway.domain.errors import Conflict, Forbidden, HeadwayError, Invalid, NotFound, Unauthenticated, Unavailable
from headway.http.contract import Problem

_STATUSES: dict[type[HeadwayError], int] = {
    Invalid: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Unavailable: 503,
}


def status_of(error: HeadwayError) -> int:
    """Give the status for a domain error."""
    return next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), 500)


def render_error(problem: Problem) -> wire.Failure:
    """Make the envelope; a 500 tells the request's id and nothing else."""
    return wire.Failure(
        message=problem.message,
        errors=field_problems(problem.fields),
        request_id=problem.request_id,
    )

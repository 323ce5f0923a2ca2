"""How this contract tells errors: `{error}`; the message names the fields at fault."""

from http import HTTPStatus

from headway.contracts.tutorials import wire
from headway.errors import HeadwayError
from headway.http import problems
from headway.http.contract import Problem, camel_case

_IN_ITS_WORDS = {"score must be between 0 and max_score": "Score must be between 0 and maxScore"}
"""Where the reference has words of its own."""


def status_of(error: HeadwayError) -> int:
    """Give the status: what is not eligible for a certificate is a bad request here."""
    return HTTPStatus.BAD_REQUEST if error.kind == "NOT_ELIGIBLE" else problems.status_of(error)


def render_error(problem: Problem) -> wire.TutorialFailure:
    """Make the envelope."""
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return wire.TutorialFailure("Internal server error", problem.request_id)
    faults = [f"{camel_case(each.field)} {each.message}" for each in problem.fields]
    return wire.TutorialFailure("; ".join(_IN_ITS_WORDS.get(fault, fault) for fault in faults) or problem.message)

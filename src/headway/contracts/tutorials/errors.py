"""Errors in the envelope of this contract: `{error}`; the message names the invalid fields."""

from http import HTTPStatus

from headway.contracts.tutorials import wire
from headway.errors import HeadwayError, camel_case
from headway.http import problems
from headway.http.contract import Problem

_REFERENCE_MESSAGES = {"score must be between 0 and max_score": "Score must be between 0 and maxScore"}
"""Messages that differ in the contract's reference."""


def status_of(error: HeadwayError) -> int:
    """Return the status of an error; a request for a certificate without eligibility is a 400 here."""
    return HTTPStatus.BAD_REQUEST if error.kind == "NOT_ELIGIBLE" else problems.status_of(error)


def render_error(problem: Problem) -> wire.TutorialFailure:
    """Render an error; a 500 shows the request id and no details."""
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return wire.TutorialFailure("Internal server error", problem.request_id)
    faults = [f"{camel_case(each.field)} {each.message}" for each in problem.fields]
    return wire.TutorialFailure("; ".join(_REFERENCE_MESSAGES.get(fault, fault) for fault in faults) or problem.message)

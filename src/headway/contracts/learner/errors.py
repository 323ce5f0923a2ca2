"""Errors in the envelope of this contract: `{status: "error", code, message, timestamp}` (section 5.1)."""

from collections.abc import Callable

from headway.contracts.learner import wire
from headway.errors import camel_case
from headway.http.contract import Problem
from headway.instants import Clock, iso


def error_renderer(clock: Clock) -> Callable[[Problem], wire.LearnerFailure]:
    """Return the function that renders errors, with the time and the invalid fields."""

    def render(problem: Problem) -> wire.LearnerFailure:
        failure = wire.LearnerFailure(
            code=problem.code, message=problem.message, timestamp=iso(clock()), request_id=problem.request_id
        )
        if problem.fields:
            failure.errors = [wire.LearnerFieldProblem(camel_case(each.field), each.message) for each in problem.fields]
        return failure

    return render

"""Errors in the envelope of this contract: `{ok: false, error: {code, message, details}}`."""

from msgspec import UNSET

from headway.contracts.activity_log import wire
from headway.errors import FieldError
from headway.http.contract import Problem


def render_error(problem: Problem) -> wire.LogFailure:
    """Render an error; a 500 shows the request id and no details."""
    faults = [wire.FieldProblem(each.field, each.message) for each in problem.fields]
    return wire.LogFailure(
        error=wire.Error(
            code="UNAUTHORIZED" if problem.status == 401 else problem.code,
            message="; ".join(map(_sentence, problem.fields)) or problem.message,
            details=faults if len(faults) > 1 else None,
            request_id=problem.request_id if problem.status == 500 else UNSET,
        )
    )


def _sentence(fault: FieldError) -> str:
    """Render an error as the contract's reference does: `Action is required`. Paths keep their case."""
    field = fault.field if "." in fault.field else fault.field[:1].upper() + fault.field[1:]
    return f"{field} {fault.message}"

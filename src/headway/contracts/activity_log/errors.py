"""How this contract tells errors: `{ok: false, error: {code, message, details}}`."""

from msgspec import UNSET

from headway.contracts.activity_log import wire
from headway.errors import FieldError
from headway.http.contract import Problem


def render_error(problem: Problem) -> wire.LogFailure:
    """Make the envelope; a 500 tells the request's id and nothing else."""
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
    """Write a fault as the contract's reference does: `Action is required`. Paths keep their letters."""
    field = fault.field if "." in fault.field else fault.field[:1].upper() + fault.field[1:]
    return f"{field} {fault.message}"

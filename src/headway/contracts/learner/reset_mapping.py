"""Resets and attempts: wire <-> model."""

from headway.contracts.learner import reset_wire
from headway.http.params import parse_id
from headway.instants import SECOND, Instant, iso
from headway.learning.reset_model import Attempt, AttemptUnit, ResetRequest
from headway.learning.reset_reads import ShownReset
from headway.text import shown_url


def reset_request(body: reset_wire.ResetBody) -> ResetRequest:
    """Return what is asked for."""
    return ResetRequest(
        module_id=None if body.module_id is None else parse_id(body.module_id),
        unit_id=None if body.unit_id is None else parse_id(body.unit_id),
        keeps_study=body.keep_study_time,
        reason=body.reason or None,
    )


def attempt_request(body: reset_wire.AttemptBody) -> ResetRequest:
    """Return the request of a new attempt."""
    return ResetRequest(keeps_study=body.keep_study_time, reason=body.reason or None, is_attempt=True)


def reset(shown: ShownReset) -> reset_wire.Reset:
    """Render a reset."""
    stored = shown.reset
    return reset_wire.Reset(
        id=str(stored.id),
        scope=stored.scope,
        module_id=None if stored.module_id is None else str(stored.module_id),
        unit_id=None if stored.unit_id is None else str(stored.unit_id),
        keep_study_time=stored.keeps_study,
        new_attempt=stored.is_attempt,
        reason=stored.reason,
        reset_by=_person(stored.reset_by, shown.reset_by),
        reset_at=iso(stored.reset_at),
        undo_until=iso(shown.undo_until),
        undone_at=_iso(stored.undone_at),
        undone_by=_person(stored.undone_by, shown.undone_by),
        before=reset_wire.BeforeReset(
            status=stored.before.status,
            completion_percentage=stored.before.percent / 100,
            study_seconds=stored.before.study_ms // SECOND,
            completed_at=_iso(stored.before.completed_at),
            certificate_url=shown_url(stored.before.certificate_url),
        ),
    )


def attempt(found: Attempt) -> reset_wire.Attempt:
    """Render an attempt."""
    return reset_wire.Attempt(
        number=found.number,
        started_at=iso(found.started_at),
        ended_at=_iso(found.ended_at),
        reset_id=None if found.reset_id is None else str(found.reset_id),
        status=found.status,
        completion_percentage=found.percent / 100,
        study_seconds=found.study_ms // SECOND,
        completed_at=_iso(found.completed_at),
        certificate_url=shown_url(found.certificate_url),
        units=[_attempt_unit(unit) for unit in found.units],
    )


def _attempt_unit(unit: AttemptUnit) -> reset_wire.AttemptUnit:
    return reset_wire.AttemptUnit(
        unit_id=str(unit.unit_id),
        status=unit.status,
        completion_percentage=unit.percent / 100,
        study_seconds=unit.study_ms // SECOND,
        completed_at=_iso(unit.completed_at),
    )


def _person(user_id: int | None, name: str | None) -> reset_wire.Person | None:
    return None if name is None else reset_wire.Person(str(user_id), name)


def _iso(instant: Instant | None) -> str | None:
    return None if instant is None else iso(instant)

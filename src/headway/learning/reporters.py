"""What the audit log keeps of those who report for others."""

from collections.abc import Iterable

from headway.audit.model import Action, Deed, course_target, enrollment_target, learner_in_course
from headway.db.database import WriteTransaction
from headway.instants import DAY, Instant, iso
from headway.learning.model import Observation, Report, Update

_Reporter = tuple[int | None, int | None, int]
"""(account, API key, course)"""
_MOST_KNOWN = 100_000


class Reporters:
    """Who reported today, so that the log does not grow with the events.

    An update that somebody declares for a learner has an entry of its own. Of events, each server process records the first
    one of a day (UTC) that is stored for an account, an API key and a course, in the transaction of that event.
    """

    def __init__(self) -> None:
        self._day = 0
        self._known: set[_Reporter] = set()

    def deeds(self, tx: WriteTransaction, accepted: Iterable[tuple[Report, Observation]], now: Instant) -> list[Deed]:
        """Return what to record of observations that are accepted."""
        deeds: list[Deed] = []
        new: set[_Reporter] = set()
        day = now // DAY
        if day != self._day or len(self._known) > _MOST_KNOWN:
            self._day, self._known = day, set()
        for report, observation in accepted:
            if report.actor is None:
                continue
            if isinstance(observation, Update):
                deeds.append(_update(report, observation))
                continue
            reporter = (report.caller_id, report.key_id, observation.course_id)
            if reporter not in self._known and reporter not in new:
                new.add(reporter)
                deeds.append(_reporting(report, observation.course_id, day))
        if new:
            known = self._known
            tx.after_commit(lambda: known.update(new))
        return deeds


def _update(report: Report, update: Update) -> Deed:
    assert report.actor is not None  # noqa: S101 - they are chosen by that
    learner = learner_in_course(update.course_id, report.user_id)
    target = enrollment_target(update.course_id, report.user_id)
    return Deed(Action.UPDATE_PROGRESS, report.actor, target, learner | {"unitId": str(update.unit_id)}, report.client)


def _reporting(report: Report, course_id: int, day: int) -> Deed:
    assert report.actor is not None  # noqa: S101 - they are chosen by that
    record = {"courseId": str(course_id), "day": iso(day * DAY)[:10]}
    if report.key_id is not None:
        record["keyId"] = str(report.key_id)
    return Deed(Action.REPORT_EVENTS, report.actor, course_target(course_id), record, report.client)

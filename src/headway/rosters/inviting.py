"""Invites the addresses of a roster that no account has, and for which it has no name to create one with."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from headway.db.database import ReadTransaction, WriteTransaction
from headway.enrollments import invitations_store as invitations
from headway.enrollments.enrolling_model import VerdictStatus, Wanted
from headway.errors import HeadwayError, shown
from headway.rosters import store as rosters
from headway.rosters.model import Change, Did, RosterPlace, describe
from headway.rosters.run import Step, grouped
from headway.text import nfc

_KIND = "invitation"


class InviteStrangers(Step[RosterPlace]):
    """Invites addresses to courses: whoever gets an account with one is enrolled."""

    async def compare(self, tx: ReadTransaction, items: Sequence[RosterPlace]) -> None:
        """Find out who is invited already."""
        run = self.run
        found = await rosters.find_courses(tx, {nfc(each.course) for each in items}, by_any_name=True)
        self._courses: dict[str, int] = {}
        by_course = defaultdict[int, dict[str, RosterPlace]](dict)
        for each in items:
            course = found.get(nfc(each.course))
            if course is None:
                self.draft.refuse(each.line, f"there is no course {shown(each.course)}")
            else:
                self._courses[each.course] = course.id
                run.titles[course.id] = course.title
                by_course[course.id].setdefault(each.user, each)
        for course_id, invited in by_course.items():
            stored = await invitations.find_in_course(tx, course_id, list(invited))
            for address, each in invited.items():
                is_stored = address in stored and stored[address].ends_at > run.now
                if is_stored or run.foresight.is_invited(course_id, address):
                    self.draft.keep(_KIND)
                else:
                    self.work.append(each)

    def groups(self) -> Iterable[Sequence[RosterPlace]]:
        """Return those who are invited to each course together."""
        return grouped(self.work, lambda each: self._courses[each.course])

    async def store(self, tx: WriteTransaction) -> None:
        """Invite them to their course."""
        if not self.work:
            return
        options, course_id = self.run.options, self._courses[self.work[0].course]
        wanted = [Wanted(f"email:{each.user}") for each in self.work]
        try:
            verdicts = await self.run.rooms.enrolling.enroll(tx, options.caller, course_id, wanted, client=options.client)
        except HeadwayError as error:
            for each in self.work:
                self.draft.refuse(each.line, describe(error))
            return
        for each, verdict in zip(self.work, verdicts, strict=True):
            if verdict.status is VerdictStatus.REJECTED and verdict.error is not None:
                self.draft.refuse(each.line, describe(verdict.error))
            else:
                self.draft.add(self._invited(each))

    async def foresee(self, tx: ReadTransaction) -> None:
        """Report who would be invited."""
        if not self.work:
            return
        addresses = [each.user for each in self.work]
        try:
            refused = await self.run.foresight.invite(tx, self._courses[self.work[0].course], addresses)
        except HeadwayError as error:
            refused = dict.fromkeys(addresses, error)
        for each in self.work:
            if each.user in refused:
                self.draft.refuse(each.line, describe(refused[each.user]))
            else:
                self.draft.add(self._invited(each))

    def note(self) -> None:
        """Do nothing: who is invited has no account that could be of further use."""

    def _invited(self, each: RosterPlace) -> Change:
        course_id = self._courses[each.course]
        return Change(_KIND, Did.CREATED, each.user, course_id=course_id, course=self.run.titles.get(course_id))

"""Tutorials: what clients report of learners in them, certificates, and beginning anew."""

import re
from collections.abc import Callable
from typing import NamedTuple

from headway.accounts import users_store as users
from headway.audit.model import Action, Target, TargetType, caller_actor
from headway.audit.recorder import AuditRecorder
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.errors import Forbidden, NotFound
from headway.feed import store as feed
from headway.feed.model import Change, ChangeType, topic_of_user
from headway.identity import Caller, Client
from headway.instants import Clock, Instant
from headway.tutorials import store as tutorials
from headway.tutorials.model import Chapter, ChapterReport, QuizAttempt, QuizScore, TutorialProgress, check_id, check_score

_ID = re.compile(r"[1-9][0-9]{0,14}", re.ASCII)


class Learner(NamedTuple):
    """Whose progress it is; `name` is what this learner is called outside: the external id, or else the id as a text."""

    id: int
    name: str


class Standing(NamedTuple):
    """A learner in a tutorial."""

    learner: Learner
    tutorial_id: str
    progress: TutorialProgress


class Tutorials:
    """Progress in tutorials. `of` names a learner by external id or id; None is the caller.

    Only services and administrators name somebody else. Every method raises Invalid for an id that cannot be, Forbidden and
    NotFound USER_NOT_FOUND.
    """

    def __init__(self, database: Database, clock: Clock, audit: AuditRecorder) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    async def read(self, caller: Caller, tutorial_id: str, of: str | None) -> Standing:
        """Read a learner's progress, empty where the tutorial was never begun."""
        check_id("tutorial_id", tutorial_id)
        async with self._database.read() as tx:
            learner = await _learner(tx, caller, of)
            found = await tutorials.find(tx, learner.id, tutorial_id)
        return Standing(learner, tutorial_id, found or TutorialProgress())

    async def report_chapter(self, caller: Caller, tutorial_id: str, of: str | None, report: ChapterReport) -> Standing:
        """Add what a client says of a chapter."""
        check_id("chapter_id", report.id)

        def merge(known: TutorialProgress, now: Instant) -> tuple[TutorialProgress, Chapter]:
            merged = known.with_chapter(report, now)
            return merged, merged.chapters[report.id]

        return await self._merge(caller, tutorial_id, of, merge)

    async def report_attempt(self, caller: Caller, tutorial_id: str, of: str | None, attempt: QuizAttempt) -> Standing:
        """Count an attempt at a quiz. Raises Invalid also for a score that cannot be."""
        check_id("quiz_id", attempt.id)
        check_score(attempt)

        def merge(known: TutorialProgress, now: Instant) -> tuple[TutorialProgress, QuizScore]:
            merged = known.with_attempt(attempt, now)
            return merged, merged.quizzes[attempt.id]

        return await self._merge(caller, tutorial_id, of, merge)

    async def complete(self, caller: Caller, tutorial_id: str, of: str | None) -> Standing:
        """Give the certificate; again, if it was given. Raises NotFound NO_PROGRESS, Conflict NOT_ELIGIBLE."""
        check_id("tutorial_id", tutorial_id)
        async with self._database.write() as tx:
            learner = await _learner(tx, caller, of)
            known = await tutorials.lock(tx, learner.id, tutorial_id)
            if known is None:
                raise NotFound("No progress found for this tutorial", code="NO_PROGRESS")
            now = self._clock()
            standing = Standing(learner, tutorial_id, known.completed(now))
            await tutorials.write(tx, learner.id, tutorial_id, standing.progress, changed=None, now=now)
            await _tell(tx, known, standing, now)
        return standing

    async def reset(self, caller: Caller, tutorial_id: str, of: str | None, client: Client | None = None) -> bool:
        """Forget a learner's progress, the certificate too; False where there was nothing."""
        check_id("tutorial_id", tutorial_id)
        async with self._database.write() as tx:
            learner = await _learner(tx, caller, of)
            known = await tutorials.lock(tx, learner.id, tutorial_id)
            if known is None:
                return False
            await tutorials.delete_all(tx, learner.id, tutorial_id)
            await _tell(tx, known, Standing(learner, tutorial_id, TutorialProgress()), self._clock())
            told = {"learnerId": str(learner.id), "tutorialId": tutorial_id}
            target = Target(TargetType.OTHER, tutorial_id)
            await self._audit.record(tx, Action.RESET_PROGRESS, caller_actor(caller), target, metadata=told, client=client)
        return True

    async def _merge(self, caller: Caller, tutorial_id: str, of: str | None, merge: "_Merge") -> Standing:
        check_id("tutorial_id", tutorial_id)
        async with self._database.write() as tx:
            learner = await _learner(tx, caller, of)
            now = self._clock()
            known = await tutorials.begin(tx, learner.id, tutorial_id, now)
            progress, changed = merge(known, now)
            standing = Standing(learner, tutorial_id, progress)
            await tutorials.write(tx, learner.id, tutorial_id, progress, changed=changed, now=now)
            await _tell(tx, known, standing, now)
        return standing


_Merge = Callable[[TutorialProgress, Instant], tuple[TutorialProgress, Chapter | QuizScore]]


async def _learner(tx: ReadTransaction, caller: Caller, of: str | None) -> Learner:
    """Find out whose progress is meant. Raises Invalid, Forbidden, NotFound USER_NOT_FOUND."""
    own = str(caller.user_id)
    if of is None or (not caller.sees_all and of in {caller.external_id, own}):
        return Learner(caller.user_id, caller.external_id or own)
    if not caller.sees_all:
        raise Forbidden("Only services and administrators name somebody else.")
    found = await users.find_by_external_id(tx, check_id("user_id", of))
    if found is None and _ID.fullmatch(of):
        found = await users.find(tx, int(of))
    if found is None:
        raise NotFound("No such user", code="USER_NOT_FOUND")
    return Learner(found.id, found.external_id or str(found.id))


async def _tell(tx: WriteTransaction, before: TutorialProgress, now_is: Standing, now: Instant) -> None:
    """Tell the learner's live clients what changed, if it is anything that they follow; only the log comes after it."""
    progress = now_is.progress
    if progress.told == before.told:
        return
    data = {
        "tutorialId": now_is.tutorial_id,
        "completionPercentage": progress.percent,
        "certificateEligible": progress.is_eligible,
        "certificateEarned": progress.is_certificate_earned,
    }
    await feed.publish(tx, [Change(topic_of_user(now_is.learner.id), ChangeType.TUTORIAL, data)], now)

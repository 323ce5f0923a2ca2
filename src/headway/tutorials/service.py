"""Tutorials: reports of clients, certificates, and resets."""

from typing import NamedTuple

from headway.accounts.naming import find_user
from headway.audit.model import Action, Target, TargetType, caller_actor
from headway.audit.service import AuditRecorder
from headway.db.database import ReadTransaction, WriteTransaction
from headway.errors import Forbidden, NotFound
from headway.feed import store as feed
from headway.feed.model import TutorialUpdated, new_entries, user_topic
from headway.identity import Caller, Client, UserIds, UserRef
from headway.instants import Clock, Instant
from headway.tutorials import store as tutorials
from headway.tutorials.model import Chapter, ChapterReport, QuizAttempt, QuizScore, TutorialProgress, check_id, settled


class LearnerTutorial(NamedTuple):
    """The progress of a learner in a tutorial."""

    learner: UserIds
    tutorial_id: str
    progress: TutorialProgress


class Tutorials:
    """Progress in tutorials. `user_ref` names a learner, see `UserRef`; None is the caller.

    Only services and administrators may name somebody else. Every method raises Invalid for a malformed id, Forbidden,
    NotFound USER_NOT_FOUND, and Conflict AMBIGUOUS_USER.
    """

    def __init__(self, clock: Clock, audit: AuditRecorder) -> None:
        self._clock = clock
        self._audit = audit

    async def read(self, tx: ReadTransaction, caller: Caller, tutorial_id: str, user_ref: str | None) -> LearnerTutorial:
        """Read a learner's progress; it is empty if the learner never started the tutorial."""
        check_id("tutorial_id", tutorial_id)
        learner = await _find_learner(tx, caller, user_ref)
        progress = await tutorials.find(tx, learner.id, tutorial_id)
        return LearnerTutorial(learner, tutorial_id, progress or TutorialProgress())

    async def report_chapter(
        self,
        tx: WriteTransaction,
        caller: Caller,
        tutorial_id: str,
        user_ref: str | None,
        report: ChapterReport,
        client: Client | None = None,
    ) -> LearnerTutorial:
        """Merge a report of a chapter."""
        check_id("chapter_id", report.id)
        merged = await self._merge(tx, caller, tutorial_id, user_ref, report)
        await self._record(tx, caller, merged, {"chapterId": report.id}, client)
        return merged

    async def report_attempt(
        self,
        tx: WriteTransaction,
        caller: Caller,
        tutorial_id: str,
        user_ref: str | None,
        attempt: QuizAttempt,
        client: Client | None = None,
    ) -> LearnerTutorial:
        """Count an attempt at a quiz. Raises Invalid also for an impossible score."""
        check_id("quiz_id", attempt.id)
        merged = await self._merge(tx, caller, tutorial_id, user_ref, settled(attempt))
        await self._record(tx, caller, merged, {"quizId": attempt.id}, client)
        return merged

    async def complete(
        self, tx: WriteTransaction, caller: Caller, tutorial_id: str, user_ref: str | None, client: Client | None = None
    ) -> LearnerTutorial:
        """Award the certificate, once. Raises NotFound NO_PROGRESS, Conflict NOT_ELIGIBLE."""
        check_id("tutorial_id", tutorial_id)
        learner = await _find_learner(tx, caller, user_ref)
        stored = await tutorials.lock(tx, learner.id, tutorial_id)
        if stored is None:
            raise NotFound("No progress found for this tutorial", code="NO_PROGRESS")
        now = self._clock()
        completed = LearnerTutorial(learner, tutorial_id, stored.completed(now))
        await tutorials.write(tx, learner.id, tutorial_id, completed.progress, changed=None, now=now)
        await _publish(tx, stored, completed, now)
        await self._record(tx, caller, completed, {"isCertificateEarned": True}, client)
        return completed

    async def reset(
        self, tx: WriteTransaction, caller: Caller, tutorial_id: str, user_ref: str | None, client: Client | None = None
    ) -> bool:
        """Delete a learner's progress, the certificate too; return False if there was none."""
        check_id("tutorial_id", tutorial_id)
        learner = await _find_learner(tx, caller, user_ref)
        stored = await tutorials.lock(tx, learner.id, tutorial_id)
        if stored is None:
            return False
        await tutorials.delete_all(tx, learner.id, tutorial_id)
        await _publish(tx, stored, LearnerTutorial(learner, tutorial_id, TutorialProgress()), self._clock())
        record = {"learnerId": str(learner.id), "tutorialId": tutorial_id}
        target = Target(TargetType.OTHER, tutorial_id)
        await self._audit.record(tx, Action.RESET_PROGRESS, caller_actor(caller), target, metadata=record, client=client)
        return True

    async def _merge(
        self, tx: WriteTransaction, caller: Caller, tutorial_id: str, user_ref: str | None, report: ChapterReport | QuizAttempt
    ) -> LearnerTutorial:
        check_id("tutorial_id", tutorial_id)
        learner = await _find_learner(tx, caller, user_ref)
        now = self._clock()
        stored = await tutorials.begin(tx, learner.id, tutorial_id, now)
        changed: Chapter | QuizScore
        if isinstance(report, ChapterReport):
            progress = stored.with_chapter(report, now)
            changed = progress.chapters[report.id]
        else:
            progress = stored.with_attempt(report, now)
            changed = progress.quizzes[report.id]
        merged = LearnerTutorial(learner, tutorial_id, progress)
        await tutorials.write(tx, learner.id, tutorial_id, progress, changed=changed, now=now)
        await _publish(tx, stored, merged, now)
        return merged

    async def _record(
        self, tx: WriteTransaction, caller: Caller, written: LearnerTutorial, what: dict[str, object], client: Client | None
    ) -> None:
        """Record what somebody wrote for somebody else."""
        learner_id, tutorial_id = written.learner.id, written.tutorial_id
        if learner_id != caller.user_id:
            target, record = Target(TargetType.OTHER, tutorial_id), {"learnerId": str(learner_id), "tutorialId": tutorial_id}
            actor = caller_actor(caller)
            await self._audit.record(tx, Action.UPDATE_PROGRESS, actor, target, metadata=record | what, client=client)


async def _find_learner(tx: ReadTransaction, caller: Caller, user_ref: str | None) -> UserIds:
    """Find the learner that a client names. Raises Invalid, Forbidden, NotFound USER_NOT_FOUND, Conflict AMBIGUOUS_USER."""
    if user_ref is None or (not caller.sees_all and UserRef.parse(user_ref).is_of(caller.ids)):
        return caller.ids
    if not caller.sees_all:
        raise Forbidden("Only services and administrators name somebody else.")
    user = await find_user(tx, caller, check_id("user_id", user_ref))
    if user is None:
        raise NotFound("No such user", code="USER_NOT_FOUND")
    return user


async def _publish(tx: WriteTransaction, before: TutorialProgress, after: LearnerTutorial, now: Instant) -> None:
    """Publish the progress to the learner if anything visible changed."""
    progress = after.progress
    if progress.visible_state == before.visible_state:
        return
    event = TutorialUpdated(after.tutorial_id, progress.percent, progress.is_eligible, progress.is_certificate_earned)
    await feed.publish(tx, new_entries(event, user_topic(after.learner.id)), now)

"""Tutorials: reports of clients, certificates, and resets."""

import asyncio
from collections.abc import Collection
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from headway.accounts.naming import find_user
from headway.audit.model import Action, Target, TargetType, caller_actor
from headway.audit.service import AuditRecorder
from headway.db.database import ReadTransaction, WriteTransaction
from headway.disclosures.disclosing import disclose
from headway.disclosures.model import RecordKind
from headway.errors import Forbidden, NotFound
from headway.feed import store as feed
from headway.feed.model import NewFeedEntry, TutorialUpdated, new_entries, user_topic
from headway.identity import Caller, Client, UserIds, UserRef
from headway.instants import Clock, Instant
from headway.tutorials import store as tutorials
from headway.tutorials.model import (
    Chapter,
    ChapterReport,
    QuizAttempt,
    QuizScore,
    Tutorial,
    TutorialProgress,
    check_id,
    settled,
)

_LEARNERS_AT_ONCE = 100


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

    async def settle(
        self,
        tx: WriteTransaction,
        caller: Caller,
        tutorial_id: str,
        *,
        total_chapters: float | UnsetType | None = UNSET,
        retired_chapters: Collection[str] | UnsetType = UNSET,
        client: Client | None = None,
    ) -> Tutorial:
        """Settle how many chapters a tutorial has, and which are retired, for all who learn or will learn it.

        UNSET keeps what is settled; a number of None leaves it to clients. Certificates stay. Learners whose progress looks
        different then are told. Raises Invalid, Forbidden.
        """
        check_id("tutorial_id", tutorial_id)
        if not caller.sees_all:
            raise Forbidden("Only services and administrators change a tutorial.")
        for i, each in enumerate(retired_chapters or ()):
            check_id(f"retired_chapters[{i}]", each)
        now = self._clock()
        before = await tutorials.lock_tutorial(tx, tutorial_id, now)
        after = Tutorial(
            before.total_chapters if total_chapters is UNSET else total_chapters,
            before.retired_chapters if retired_chapters is UNSET else frozenset(retired_chapters),
        )
        if after != before:
            await tutorials.write_tutorial(tx, tutorial_id, after, now)
            await feed.publish(tx, await _changed_for(tx, tutorial_id, before, after), now)
            target, record = Target(TargetType.OTHER, tutorial_id), after.compare(before)
            await self._audit.record(tx, Action.CHANGE_TUTORIAL, caller_actor(caller), target, metadata=record, client=client)
        return after

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
    if user_ref is None or (not caller.sees_all and caller.is_named_by(UserRef.parse(user_ref))):
        return caller.ids
    if not caller.sees_all:
        raise Forbidden("Only services and administrators name somebody else.")
    user = await find_user(tx, caller, check_id("user_id", user_ref))
    if user is None:
        raise NotFound("No such user", code="USER_NOT_FOUND")
    disclose(tx, caller, RecordKind.TUTORIAL, learner_id=user.id)
    return user


async def _changed_for(tx: WriteTransaction, tutorial_id: str, before: Tutorial, after: Tutorial) -> list[NewFeedEntry]:
    """Return the entries for the learners whose progress looks different once something else is settled."""
    entries: list[NewFeedEntry] = []
    last = 0
    while page := await tutorials.lock_learners(tx, tutorial_id, before, after=last, limit=_LEARNERS_AT_ONCE):
        for user_id, progress in page:
            last, changed = user_id, msgspec.structs.replace(progress, tutorial=after)
            if changed.visible_state != progress.visible_state:
                entries += new_entries(_updated(tutorial_id, changed), user_topic(user_id))
        # On SQLite nothing else here lets other requests go on.
        await asyncio.sleep(0)
    return entries


def _updated(tutorial_id: str, progress: TutorialProgress) -> TutorialUpdated:
    return TutorialUpdated(tutorial_id, progress.percent, progress.is_eligible, progress.is_certificate_earned)


async def _publish(tx: WriteTransaction, before: TutorialProgress, after: LearnerTutorial, now: Instant) -> None:
    """Publish the progress to the learner if anything visible changed."""
    if after.progress.visible_state != before.visible_state:
        event = _updated(after.tutorial_id, after.progress)
        await feed.publish(tx, new_entries(event, user_topic(after.learner.id)), now)

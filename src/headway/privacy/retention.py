"""Retention: what is older than its rule allows is forgotten, some at a time, beside whoever else works with the database.

Each step is a transaction of its own that leaves everything consistent, so a run may be killed after any of them, and the next
one goes on. One runs at a time: whoever runs has a claim, which ends by itself soon after the process has.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from headway.audit.forgetting import OldAuditContents
from headway.audit.model import Action, Target, TargetType
from headway.audit.service import AuditRecorder
from headway.db import index_keys
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.db.forgetting import Forgettable, Found
from headway.disclosures.forgetting_store import OldDisclosures
from headway.errors import Conflict
from headway.feed.forgetting_store import OldFeedEntries
from headway.ids import NewId
from headway.instants import DAY, SECOND, Clock, Instant, Milliseconds, iso
from headway.learning.forgetting_store import OldEvents
from headway.messaging.forgetting_store import OldMessages
from headway.privacy import retention_store as store
from headway.privacy.retention_store import LastRun
from headway.settings import Settings

CLAIMED_FOR: Milliseconds = 30 * SECOND
"""How long a claim outlasts a step. A step takes less than a second."""
Advance = Callable[[int, int], None]
"""Called after each step with how much was removed so far, and how much there was at the beginning."""


class Rule(NamedTuple):
    """What is forgotten, and after how many days; None is never."""

    kind: Forgettable
    days: int | None

    def before(self, now: Instant) -> Instant:
        """Return the instant before which it is too old."""
        return now - (self.days or 0) * DAY


class RuleReport(NamedTuple):
    """What a rule finds, or found and removed."""

    name: str
    days: int | None
    before: Instant | None
    found: Found
    removed: int = 0


class Retention:
    """Applies the rules of the settings."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId, audit: AuditRecorder, settings: Settings) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._audit = audit
        self.rules = [
            Rule(OldDisclosures(), settings.retention_disclosures_days),
            Rule(OldFeedEntries(), settings.retention_feed_days),
            Rule(OldMessages(), settings.retention_messages_days),
            Rule(OldAuditContents(audit), settings.retention_audit_days),
            # Last: it stops the run if an archive is missing.
            Rule(OldEvents(), settings.retention_events_days),
        ]
        self.is_daily = settings.retention_daily

    async def look(self) -> list[RuleReport]:
        """Return what the rules find now; nothing is removed."""
        now = self._clock()
        reports = []
        for rule in self.rules:
            async with self._database.read() as tx:
                reports.append(await _report(tx, rule, now))
        return reports

    async def apply(self, advance: Advance = lambda _removed, _all: None) -> list[RuleReport]:
        """Forget what the rules find. Raises Conflict RETENTION_RUNNING, Unavailable, OSError, OperatorError.

        What was removed before an error stays removed, and a repetition goes on. The audit log tells what a run removed.
        """
        async with self._database.read() as tx:
            # What is done is audited at the end: without the key of the log, nothing is begun.
            await index_keys.prove(tx)
        run = self._new_id()
        await self._keep_claim(run)
        removed: dict[str, int] = {}
        now = self._clock()
        try:
            found = await self.look()
            total = sum(each.found.number for each in found)
            for rule in self.rules:
                if rule.days is not None:
                    await self._forget(rule, run, now, removed, lambda: advance(sum(removed.values()), total))
        finally:
            await self._finish(run, now, removed)
        return [each._replace(removed=removed.get(each.name, 0)) for each in found]

    async def apply_daily(self) -> None:
        """Apply the rules if the settings say so, and nobody has done so for a day."""
        if not self.is_daily or all(rule.days is None for rule in self.rules):
            return
        async with self._database.read() as tx:
            last = await store.read_last(tx)
        if last is None or last.finished_at <= self._clock() - DAY:
            try:
                await self.apply()
            except Conflict:
                # Another process does.
                return

    async def last(self, tx: ReadTransaction) -> LastRun | None:
        """Return what the last run did."""
        return await store.read_last(tx)

    async def _forget(self, rule: Rule, run: str, now: Instant, removed: dict[str, int], advance: Callable[[], None]) -> None:
        place: Any = None
        while True:
            started = time.monotonic()
            async with self._database.write() as tx:
                await self._require_claim(tx, run)
                step = await rule.kind.forget(tx, rule.before(now), place)
            removed[rule.kind.name] = removed.get(rule.kind.name, 0) + step.number
            advance()
            place = step.next
            if place is None:
                return
            # Servers get half of the time: SQLite has one writer, and does not queue those that wait.
            await asyncio.sleep(time.monotonic() - started)

    async def _keep_claim(self, run: str) -> None:
        async with self._database.write() as tx:
            await self._require_claim(tx, run)

    async def _require_claim(self, tx: WriteTransaction, run: str) -> None:
        now = self._clock()
        if not await store.claim(tx, run, now, now + CLAIMED_FOR):
            message = f"Another retention run goes on. If it was killed, its claim ends within {CLAIMED_FOR // SECOND} seconds."
            raise Conflict(message, code="RETENTION_RUNNING")

    async def _finish(self, run: str, now: Instant, removed: dict[str, int]) -> None:
        """Note and audit what a run did, also one that an error has ended."""
        async with self._database.write() as tx:
            await store.finish(tx, run, self._clock(), removed)
            if not any(removed.values()):
                return
            rules = {rule.kind.name: iso(rule.before(now)) for rule in self.rules if rule.days is not None}
            described: dict[str, object] = {"removed": removed, "before": rules}
            target = Target(TargetType.SYSTEM, run)
            await self._audit.record_as_operator(tx, Action.APPLY_RETENTION, target, metadata=described)


async def _report(tx: ReadTransaction, rule: Rule, now: Instant) -> RuleReport:
    if rule.days is None:
        return RuleReport(rule.kind.name, None, None, Found(0, None, None))
    before = rule.before(now)
    return RuleReport(rule.kind.name, rule.days, before, await rule.kind.find(tx, before))

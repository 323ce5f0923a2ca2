"""Verifying the audit log beside the requests: at an administrator's request, and once a day.

The whole log is read in a thread of its own, in one snapshot, by one server process at a time. The result is stored: all
processes show the same, also after a restart.
"""

import asyncio
import time

import structlog

from headway.audit import store as audit_store
from headway.audit import verification_store as stored
from headway.audit.verification_model import ChainState, Verification
from headway.audit.verify import LogVerified, verify_log
from headway.db.database import Database, ReadTransaction
from headway.db.large_reads import LargeReads
from headway.errors import Conflict, Unavailable
from headway.instants import DAY, HOUR, MINUTE, Clock

log = structlog.get_logger(__name__)

_LARGEST_BY_ITSELF = 250_000
"""With more entries, it takes more than 20 seconds of a processor: then only at request."""
_QUIET = 10 * MINUTE
"""How long a process serves before it verifies by itself."""
_LOST_AFTER = HOUR
"""After this time the process that verified is taken to have ended."""


class LogVerification:
    """Verifies the log, and tells what was found last."""

    def __init__(self, database: Database, clock: Clock, large_reads: LargeReads | None) -> None:
        self._database = database
        self._clock = clock
        self._large_reads = large_reads
        self._started_at = clock()
        self._task: asyncio.Task[None] | None = None
        self._progress = (0, 0)

    async def state(self, tx: ReadTransaction) -> ChainState:
        """Return what was found last, and how far a verification is that runs in this process."""
        last, running_since = await stored.read(tx)
        head = await audit_store.head(tx)
        is_running = running_since is not None and running_since > self._clock() - _LOST_AFTER
        checked, of = self._progress if self._task is not None else (0, 0)
        return ChainState(last, 0 if head is None else head.seq, is_running=is_running, checked=checked, of=of)

    async def start(self) -> None:
        """Begin a verification. Raises Conflict VERIFICATION_RUNNING while one runs, in any process."""
        if not await self._begin():
            raise Conflict("The log is being verified already.", code="VERIFICATION_RUNNING")

    async def look(self) -> None:
        """Begin a verification if the last one is older than a day, and the log not too long."""
        now = self._clock()
        if self._large_reads is None or now - self._started_at < _QUIET:
            return
        async with self._database.read() as tx:
            (last, _), head = await stored.read(tx), await audit_store.head(tx)
        is_due = last is None or last.verified_at <= now - DAY
        if is_due and head is not None and head.seq <= _LARGEST_BY_ITSELF:
            await self._begin()

    async def finish(self) -> None:
        """Wait until a verification that runs in this process has ended."""
        if self._task is not None:
            await self._task

    async def close(self) -> None:
        """End a verification that runs in this process."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            # A task that had not begun has released nothing.
            self._task = None
            await self._release(None)

    async def _begin(self) -> bool:
        assert self._large_reads is not None  # noqa: S101 - commands verify by themselves
        now = self._clock()
        async with self._database.write() as tx:
            is_mine = await stored.claim(tx, now, lost_before=now - _LOST_AFTER)
        if is_mine:
            self._progress = (0, 0)
            self._task = asyncio.create_task(self._verify(self._large_reads), name="verify the audit log")
        return is_mine

    async def _verify(self, large_reads: LargeReads) -> None:
        started, result = time.perf_counter(), None
        try:
            found = await large_reads.run(self._read, "verification of the audit log")
            first = found.faults[0] if found.faults else None
            result = Verification(
                verified_at=self._clock(),
                took_ms=round(1_000 * (time.perf_counter() - started)),
                entries=found.checked,
                faults=len(found.faults),
                first_fault=None if first is None else f"entry {first.seq} {first.fault}",
            )
            if found.faults:
                log.error("The audit log is not as it was written.", faults=len(found.faults), first=result.first_fault)
        except Unavailable:
            # The database has counted the transaction as failed.
            pass
        except Exception:
            log.exception("The audit log could not be verified.")
        finally:
            self._task = None
            await self._release(result)

    async def _read(self, tx: ReadTransaction) -> LogVerified:
        return await verify_log(tx, kept_head=None, advance=self._advance)

    def _advance(self, checked: int, of: int) -> None:
        # Called in the thread of large reads.
        self._progress = (checked, of)

    async def _release(self, result: Verification | None) -> None:
        try:
            async with self._database.write() as tx:
                await stored.release(tx, result)
        except Unavailable:
            # The claim ends by itself.
            log.warning("The result of a verification of the audit log could not be stored.")

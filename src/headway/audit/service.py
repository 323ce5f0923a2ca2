"""The audit log for those who write to it and read it over HTTP."""

from collections.abc import Sequence
from typing import NamedTuple

from headway.audit import store as audit_store
from headway.audit.model import AuditEntry, EntryDraft, EntryFilter, NewAuditEntry, caller_ids, new_entry
from headway.collector import Collector, CollectorLimits
from headway.db.database import Database
from headway.errors import NotFound
from headway.identity import Caller, Client
from headway.ids import NewId
from headway.instants import Clock
from headway.telemetry import Metrics

_MAX_WAITING = 10_000
_GROUP = 500


class _WeighedEntry(NamedTuple):
    entry: NewAuditEntry
    size_bytes: int


def _weight(waiting: _WeighedEntry) -> int:
    """Count an entry, and one more for each kilobyte, which bounds the memory of the queue and the time of a group."""
    return 1 + waiting.size_bytes // 1024


class AuditLog:
    """Writes and reads the log. Entries of concurrent requests are written in one transaction."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId, metrics: Metrics) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._collector: Collector[_WeighedEntry, AuditEntry] = Collector(
            self._append,
            _weight,
            # The log is one chain: a second writer would only wait for the first.
            CollectorLimits(_MAX_WAITING, _GROUP, writers=1),
            is_in_transaction=database.is_writing,
            meters=metrics.log,
        )
        metrics.samplers.append(self._collector.sample)

    async def record(self, caller: Caller, draft: EntryDraft, client: Client, *, is_alone: bool = False) -> AuditEntry:
        """Append an entry and return it once it is durable. Raises Unavailable, Overloaded.

        With `is_alone`, the entry is written in a transaction of its own, or in the one that this task is within.
        """
        waiting = _WeighedEntry(new_entry(caller, draft, client), draft.size_bytes)
        if not is_alone:
            return await self._collector.submit(waiting)
        (entry,) = await self._append([waiting])
        return entry

    async def read(
        self, caller: Caller, entry_filter: EntryFilter, *, before: int | None, limit: int
    ) -> tuple[Sequence[AuditEntry], int | None]:
        """List entries, the newest first, and return the `before` of the next page, None on the last one.

        Administrators and services see all entries, others those in which they are the actor or the one who recorded.
        """
        ids = None if caller.sees_all else caller_ids(caller)
        async with self._database.read() as tx:
            found = await audit_store.list_page(tx, entry_filter, account=ids, before=before, limit=limit + 1)
        page = found[:limit]
        return page, page[-1].seq if len(found) > limit else None

    async def find(self, caller: Caller, entry_id: str) -> AuditEntry:
        """Read one of the entries that `read` lists. Raises NotFound ACTIVITY_NOT_FOUND."""
        async with self._database.read() as tx:
            found = await audit_store.find(tx, entry_id)
        if found is None or not (caller.sees_all or caller_ids(caller).is_part_of(found)):
            raise NotFound("There is no such activity.", code="ACTIVITY_NOT_FOUND")
        return found

    async def close(self) -> None:
        """Write what is waiting and accept nothing more."""
        await self._collector.close()

    async def _append(self, group: Sequence[_WeighedEntry]) -> list[AuditEntry]:
        async with self._database.write() as tx:
            return await audit_store.append(tx, [each.entry for each in group], self._new_id, self._clock)

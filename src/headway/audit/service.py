"""The audit log: what Headway records by itself, and what clients write and read over HTTP."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from headway.audit import store as audit_store
from headway.audit.model import (
    Action,
    Actor,
    AuditEntry,
    Context,
    EntryDraft,
    EntryFilter,
    EntryStatus,
    NewAuditEntry,
    Target,
    caller_ids,
    new_entry,
)
from headway.collector import Collector, CollectorLimits
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.errors import NotFound
from headway.identity import Caller, Client, Role
from headway.ids import NewId
from headway.instants import Clock
from headway.telemetry import Metrics

_HEADWAY, _COMMAND_LINE = Context(source="HEADWAY"), Context(source="COMMAND_LINE")
_OPERATOR = Actor(None, "Operator", None, Role.SYSTEM.value)
_MAX_WAITING = 10_000
_GROUP = 500


class AuditRecorder:
    """Appends what Headway itself records, in the transaction of the action.

    Record last in a transaction: the head of the log stays locked until the commit.
    """

    def __init__(self, clock: Clock, new_id: NewId) -> None:
        self._clock = clock
        self._new_id = new_id

    async def record(
        self,
        tx: WriteTransaction,
        action: Action,
        actor: Actor,
        target: Target,
        *,
        metadata: Mapping[str, object] | None = None,
        client: Client | None = None,
    ) -> None:
        """Record what an authenticated user did."""
        await self._append(tx, action, actor, target, metadata=dict(metadata or {}), client=client)

    async def record_as_operator(
        self, tx: WriteTransaction, action: Action, target: Target, *, metadata: Mapping[str, object] | None = None
    ) -> None:
        """Record what an operator did at the command line."""
        await self._append(tx, action, _OPERATOR, target, metadata=dict(metadata or {}), context=_COMMAND_LINE)

    async def record_failure(self, tx: WriteTransaction, action: Action, actor: Actor, target: Target, client: Client) -> None:
        """Record a failed attempt of somebody who claims to be `actor`."""
        failure = EntryStatus.FAILURE
        await self._append(tx, action, actor, target, client=client, is_actor_verified=False, status=failure)

    async def _append(self, tx: WriteTransaction, action: Action, actor: Actor, target: Target, **fields: Any) -> None:
        """Append an entry that no client can make: one without an account that recorded it."""
        headway: dict[str, Any] = {
            "recorded_by": None,
            "recorded_role": Role.SYSTEM,
            "context": _HEADWAY,
            "is_actor_verified": True,
        }
        entry = NewAuditEntry(action=action, actor=actor, target=target, **headway | fields)
        await audit_store.append(tx, [entry], self._new_id, self._clock)


_Weighed = tuple[NewAuditEntry, int]
"""An entry, with 1 and one more for each kilobyte: the weight bounds the memory of the queue and the time of a group."""


class AuditLog:
    """Writes and reads the log.

    Entries of concurrent requests are grouped: `record` waits for the transaction of its group. That transaction belongs to no
    single request, so the log opens it itself.
    """

    def __init__(self, database: Database, clock: Clock, new_id: NewId, metrics: Metrics) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._collector: Collector[_Weighed, AuditEntry] = Collector(
            self._append,
            itemgetter(1),
            # The log is one chain: a second writer would only wait for the first.
            CollectorLimits(_MAX_WAITING, _GROUP, writers=1),
            is_in_transaction=database.is_writing,
            meters=metrics.log,
        )
        metrics.samplers.append(self._collector.sample)

    async def record(self, caller: Caller, draft: EntryDraft, client: Client) -> AuditEntry:
        """Append an entry and return it once it is durable. Raises Unavailable, Overloaded.

        Inside a write transaction it raises RuntimeError: use `record_in` there.
        """
        return await self._collector.submit((new_entry(caller, draft, client), 1 + draft.size_bytes // 1024))

    async def record_in(self, tx: WriteTransaction, caller: Caller, draft: EntryDraft, client: Client) -> AuditEntry:
        """Append an entry in a transaction. The head of the log stays locked until the commit."""
        (entry,) = await audit_store.append(tx, [new_entry(caller, draft, client)], self._new_id, self._clock)
        return entry

    async def read(
        self, tx: ReadTransaction, caller: Caller, entry_filter: EntryFilter, *, before: int | None, limit: int
    ) -> tuple[Sequence[AuditEntry], int | None]:
        """List entries, the newest first, and return the `before` of the next page, None on the last one.

        Administrators and services see all entries, others those in which they are the actor or the one who recorded.
        """
        ids = None if caller.sees_all else caller_ids(caller)
        entries = await audit_store.list_page(tx, entry_filter, account=ids, before=before, limit=limit + 1)
        page = entries[:limit]
        return page, page[-1].seq if len(entries) > limit else None

    async def find(self, tx: ReadTransaction, caller: Caller, entry_id: str) -> AuditEntry:
        """Read one of the entries that `read` lists. Raises NotFound ACTIVITY_NOT_FOUND."""
        entry = await audit_store.find(tx, entry_id)
        if entry is None or not (caller.sees_all or caller_ids(caller).is_part_of(entry)):
            raise NotFound("There is no such activity.", code="ACTIVITY_NOT_FOUND")
        return entry

    async def close(self) -> None:
        """Write what is waiting and accept nothing more."""
        await self._collector.close()

    async def _append(self, group: Sequence[_Weighed]) -> list[AuditEntry]:
        async with self._database.write() as tx:
            return await audit_store.append(tx, [entry for entry, _ in group], self._new_id, self._clock)

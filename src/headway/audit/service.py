"""The audit log: what Headway records by itself, and what clients write and read over HTTP."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from headway.audit import store as audit_store
from headway.audit.model import (
    Act,
    Action,
    Actor,
    AuditEntry,
    Context,
    Deed,
    EntryDraft,
    EntryFilter,
    EntryStatus,
    NewAuditEntry,
    Target,
    TargetType,
    caller_actor,
    caller_ids,
    new_entry,
)
from headway.collector import Collector, CollectorLimits
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.disclosures.disclosing import disclose
from headway.disclosures.model import EVERYBODY, RecordKind
from headway.errors import NotFound
from headway.identity import Caller, Client, Role, UserIds, UserRef
from headway.ids import NewId
from headway.instants import Clock
from headway.paging.service import Walk
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

    async def record_for(
        self,
        tx: WriteTransaction,
        action: Action,
        caller: Caller | None,
        target: Target,
        *,
        metadata: Mapping[str, object] | None = None,
        client: Client | None = None,
    ) -> None:
        """Record what a caller did, or where it is None, what an operator did at the command line."""
        if caller is None:
            await self.record_as_operator(tx, action, target, metadata=metadata)
        else:
            await self.record(tx, action, caller_actor(caller), target, metadata=metadata, client=client)

    async def record_as_operator(
        self, tx: WriteTransaction, action: Action, target: Target, *, metadata: Mapping[str, object] | None = None
    ) -> None:
        """Record what an operator did at the command line."""
        await self._append(tx, action, _OPERATOR, target, metadata=dict(metadata or {}), context=_COMMAND_LINE)

    async def record_all(self, tx: WriteTransaction, deeds: Sequence[Deed]) -> None:
        """Record what authenticated users did, in order, in a number of statements that does not depend on how much it is."""
        if deeds:
            await audit_store.append(tx, [_entry(**deed._asdict()) for deed in deeds], self._new_id, self._clock)

    async def record_all_for(
        self, tx: WriteTransaction, caller: Caller | None, acts: Sequence[Act], client: Client | None = None
    ) -> None:
        """Record what a caller did, or where it is None, an operator at the command line, as `record_all` does."""
        context, actor = (_COMMAND_LINE, _OPERATOR) if caller is None else (_HEADWAY, caller_actor(caller))
        entries = [_entry(**act._asdict(), actor=actor, client=client, context=context) for act in acts]
        if entries:
            await audit_store.append(tx, entries, self._new_id, self._clock)

    async def record_failure(self, tx: WriteTransaction, action: Action, actor: Actor, target: Target, client: Client) -> None:
        """Record a failed attempt of somebody who claims to be `actor`."""
        failure = EntryStatus.FAILURE
        await self._append(tx, action, actor, target, client=client, is_actor_verified=False, status=failure)

    async def _append(self, tx: WriteTransaction, action: Action, actor: Actor, target: Target, **fields: Any) -> None:
        entry = _entry(action=action, actor=actor, target=target, **fields)
        await audit_store.append(tx, [entry], self._new_id, self._clock)


def _entry(**fields: Any) -> NewAuditEntry:
    """Return an entry that no client can make: one without an account that recorded it."""
    headway: dict[str, Any] = {
        "recorded_by": None,
        "recorded_role": Role.SYSTEM,
        "context": _HEADWAY,
        "is_actor_verified": True,
    }
    return NewAuditEntry(**headway | fields)


FindUser = Callable[[ReadTransaction, Caller, str], Awaitable[UserIds | None]]
"""Finds the user whom a caller names. Raises Conflict AMBIGUOUS_USER."""
_Weighed = tuple[NewAuditEntry, int]
"""An entry, with 1 and one more for each kilobyte: the weight bounds the memory of the queue and the time of a group."""


class AuditLog:
    """Writes and reads the log.

    Entries of concurrent requests are grouped: `record` waits for the transaction of its group. That transaction belongs to no
    single request, so the log opens it itself.

    Actors and targets that are users may be named in several ways (see `UserRef`); an entry stores one of them, which means the
    same for ever, and a filter finds them all.
    """

    def __init__(self, database: Database, clock: Clock, new_id: NewId, metrics: Metrics, *, find_user: FindUser) -> None:
        self._database = database
        self._find_user = find_user
        self._clock = clock
        self._new_id = new_id
        self._collector: Collector[_Weighed, AuditEntry] = Collector(
            self._append,
            itemgetter(1),
            # The log is one chain: a second writer would only wait for the first.
            CollectorLimits(_MAX_WAITING, _GROUP),
            is_in_transaction=database.is_writing,
            meters=metrics.log,
        )
        metrics.samplers.append(self._collector.sample)

    async def record(self, caller: Caller, draft: EntryDraft, client: Client) -> AuditEntry:
        """Append an entry and return it once it is durable. Raises Conflict AMBIGUOUS_USER, Unavailable, Overloaded.

        Inside a write transaction it raises RuntimeError: use `record_in` there.
        """
        if draft.actor is not None or draft.target.type is TargetType.USER:
            # Each look-up is complete in itself: they need no common snapshot.
            async with self._database.read(single_statement=True) as tx:
                draft = await self._with_stored_names(tx, caller, draft)
        return await self._collector.submit((new_entry(caller, draft, client), 1 + draft.size_bytes // 1024))

    async def record_in(self, tx: WriteTransaction, caller: Caller, draft: EntryDraft, client: Client) -> AuditEntry:
        """Append an entry in a transaction. The head of the log stays locked until the commit.

        Raises Conflict AMBIGUOUS_USER.
        """
        draft = await self._with_stored_names(tx, caller, draft)
        (entry,) = await audit_store.append(tx, [new_entry(caller, draft, client)], self._new_id, self._clock)
        return entry

    async def read(self, tx: ReadTransaction, caller: Caller, entry_filter: EntryFilter, walk: Walk) -> list[AuditEntry]:
        """List entries, the newest first.

        Administrators and services see all entries, others those in which they are the actor or the one who recorded.
        Raises Conflict AMBIGUOUS_USER.
        """
        named = [*(entry_filter.actor_ids or ()), *(entry_filter.target_ids or ())]
        entry_filter = entry_filter._replace(actor_ids=await self._all_names(tx, caller, entry_filter.actor_ids))
        if entry_filter.target_type is TargetType.USER:
            entry_filter = entry_filter._replace(target_ids=await self._all_names(tx, caller, entry_filter.target_ids))
        ids = None if caller.sees_all else caller_ids(caller)
        if ids is None:
            user = await self._find_user(tx, caller, named[0]) if len(named) == 1 and entry_filter.names_users else None
            disclose(tx, caller, RecordKind.AUDIT_LOG, learner_id=EVERYBODY if user is None else user.id)
        part = walk.slice
        found = await audit_store.list_page(tx, entry_filter, account=ids, before=part.after, limit=part.limit)
        return walk.cut(found, lambda entry: entry.seq)

    async def find(self, tx: ReadTransaction, caller: Caller, entry_id: str) -> AuditEntry:
        """Read one of the entries that `read` lists. Raises NotFound ACTIVITY_NOT_FOUND."""
        entry = await audit_store.find(tx, entry_id)
        if entry is None or not (caller.sees_all or caller_ids(caller).is_part_of(entry)):
            raise NotFound("There is no such activity.", code="ACTIVITY_NOT_FOUND")
        if caller.sees_all:
            disclose(tx, caller, RecordKind.AUDIT_LOG)
        return entry

    async def _with_stored_names(self, tx: ReadTransaction, caller: Caller, draft: EntryDraft) -> EntryDraft:
        """Return a draft in which the actor, and a target that is a user, have the names by which entries are found."""
        actor, target = draft.actor, draft.target
        if actor is not None and actor.user_id is not None:
            actor = msgspec.structs.replace(actor, user_id=await self._stored_name(tx, caller, actor.user_id))
        if target.type is TargetType.USER and target.id is not None:
            target = msgspec.structs.replace(target, id=await self._stored_name(tx, caller, target.id))
        return draft._replace(actor=actor, target=target)

    async def _stored_name(self, tx: ReadTransaction, caller: Caller, name: str) -> str:
        return UserRef.parse(name).stored_name(await self._find_user(tx, caller, name))

    async def _all_names(self, tx: ReadTransaction, caller: Caller, names: Sequence[str] | None) -> Sequence[str] | None:
        """Return every text by which entries name the users that a filter names."""
        if names is None:
            return None
        found: list[str] = []
        for name in names:
            user = await self._find_user(tx, caller, name)
            found += [UserRef.parse(name).stored_name(None)] if user is None else user.stored_names
        return found

    async def close(self) -> None:
        """Write what is waiting and accept nothing more."""
        await self._collector.close()

    async def _append(self, group: Sequence[_Weighed]) -> list[AuditEntry]:
        async with self._database.write() as tx:
            return await audit_store.append(tx, [entry for entry, _ in group], self._new_id, self._clock)

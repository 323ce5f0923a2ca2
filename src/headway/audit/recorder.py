"""Recording what Headway itself enters into the audit log, in the transaction of the action."""

from collections.abc import Mapping

import msgspec

from headway.audit import store as audit_store
from headway.audit.model import Action, Actor, Context, EntryStatus, NewAuditEntry, Target
from headway.db.database import WriteTransaction
from headway.identity import Client, Role
from headway.ids import NewId
from headway.instants import Clock

_HEADWAY, _COMMAND_LINE = Context(source="HEADWAY"), Context(source="COMMAND_LINE")
_OPERATOR = Actor(None, "Operator", None, Role.SYSTEM.value)


class AuditRecorder:
    """Appends entries. Record last in a transaction: the head of the log stays locked until the commit."""

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
        await self._append(tx, _entry(action, actor, target, metadata, client))

    async def record_as_operator(
        self, tx: WriteTransaction, action: Action, target: Target, *, metadata: Mapping[str, object] | None = None
    ) -> None:
        """Record what an operator did at the command line."""
        entry = _entry(action, _OPERATOR, target, metadata, None)
        await self._append(tx, msgspec.structs.replace(entry, context=_COMMAND_LINE))

    async def record_failure(self, tx: WriteTransaction, action: Action, actor: Actor, target: Target, client: Client) -> None:
        """Record a failed attempt of somebody who claims to be `actor`."""
        entry = _entry(action, actor, target, None, client)
        await self._append(tx, msgspec.structs.replace(entry, is_actor_verified=False, status=EntryStatus.FAILURE))

    async def _append(self, tx: WriteTransaction, entry: NewAuditEntry) -> None:
        await audit_store.append(tx, [entry], self._new_id, self._clock)


def _entry(
    action: Action, actor: Actor, target: Target, metadata: Mapping[str, object] | None, client: Client | None
) -> NewAuditEntry:
    """Make an entry that no client can make: one without an account that recorded it."""
    return NewAuditEntry(
        action=action,
        actor=actor,
        is_actor_verified=True,
        recorded_by=None,
        recorded_role=Role.SYSTEM,
        target=target,
        context=_HEADWAY,
        metadata=dict(metadata or {}),
        client=client,
    )

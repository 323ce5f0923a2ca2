"""What Headway itself writes into the activity log, in the transaction of what it tells of."""

from enum import StrEnum
from typing import Any

import msgspec

from headway.accounts import users_store as users
from headway.accounts.model import User
from headway.audit import store as activities
from headway.audit.model import ActivityStatus, Actor, Context, NewAuditEntry, Target, TargetType
from headway.db.database import WriteTransaction
from headway.identity import Client, Role
from headway.ids import NewId
from headway.instants import Clock


class Action(StrEnum):
    """What Headway tells of by itself."""

    LOGIN = "LOGIN"
    LOGIN_FAILED = "LOGIN_FAILED"
    TOKEN_REUSED = "TOKEN_REUSED"  # noqa: S105 - the name of an action
    CHANGE_PASSWORD = "CHANGE_PASSWORD"  # noqa: S105 - the name of an action
    CHANGE_ROLE = "CHANGE_ROLE"
    CHANGE_EMAIL = "CHANGE_EMAIL"
    DISABLE_USER = "DISABLE_USER"
    ENABLE_USER = "ENABLE_USER"
    GRADE_SUBMISSION = "GRADE_SUBMISSION"
    RESET_PROGRESS = "RESET_PROGRESS"
    ROTATE_KEYS = "ROTATE_KEYS"


_HEADWAY, _COMMAND_LINE = Context(source="HEADWAY"), Context(source="COMMAND_LINE")
_OPERATOR = Actor(None, "Operator", None, Role.SYSTEM.value)


class AuditRecorder:
    """Appends entries; each comes last in its transaction, for the end of the log is locked until the commit."""

    def __init__(self, clock: Clock, new_id: NewId) -> None:
        self._clock = clock
        self._new_id = new_id

    async def by_user(
        self,
        tx: WriteTransaction,
        action: Action,
        user: User | int,
        *,
        target: Target | None = None,
        metadata: dict[str, Any] | None = None,
        client: Client | None = None,
    ) -> None:
        """Tell what a user did, to the user's own account where no target is given."""
        if isinstance(user, int):
            found = await users.find(tx, user)
            assert found is not None  # noqa: S101 - accounts are not removed
            user = found
        made = _entry(action, own_actor(user), account(user) if target is None else target, metadata, client)
        await self._append(tx, made)

    async def by_operator(
        self, tx: WriteTransaction, action: Action, target: Target, *, metadata: dict[str, Any] | None = None
    ) -> None:
        """Tell what was done at the command line."""
        made = _entry(action, _OPERATOR, target, metadata, None)
        await self._append(tx, msgspec.structs.replace(made, context=_COMMAND_LINE))

    async def by_somebody(
        self, tx: WriteTransaction, action: Action, user: User | None, *, email: str | None, client: Client
    ) -> None:
        """Tell what somebody tried in vain in the name of a user, or with an address that nobody has."""
        actor = Actor(None, None, email, None) if user is None else own_actor(user)
        target = Target(TargetType.SYSTEM) if user is None else account(user)
        made = _entry(action, actor, target, None, client)
        await self._append(tx, msgspec.structs.replace(made, is_actor_verified=False, status=ActivityStatus.FAILURE))

    async def _append(self, tx: WriteTransaction, made: NewAuditEntry) -> None:
        await activities.append(tx, [made], self._new_id, self._clock)


def _entry(
    action: Action, actor: Actor, target: Target, metadata: dict[str, Any] | None, client: Client | None
) -> NewAuditEntry:
    """Make an entry that nobody else can make: it is recorded by no account."""
    return NewAuditEntry(
        action=action,
        actor=actor,
        is_actor_verified=True,
        recorded_by=None,
        recorded_role=Role.SYSTEM,
        target=target,
        context=_HEADWAY,
        metadata=metadata or {},
        client=client,
    )


def account(user: User) -> Target:
    """Give an account as a target."""
    return Target(TargetType.USER, str(user.id), TargetType.USER.model, user.name)


def own_actor(user: User) -> Actor:
    """Give an account as an actor."""
    return Actor(str(user.id), user.name, user.email, user.role.value)

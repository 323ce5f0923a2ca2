"""The activity log as those who write to it and read it see it."""

from collections.abc import Sequence
from typing import NamedTuple

from headway.accounts import users_store as users
from headway.accounts.model import User
from headway.accounts.service import Accounts
from headway.audit import store as activities
from headway.audit.model import Activity, Actor, Context, Filter, NewAuditEntry, Party, Target
from headway.audit.recorder import own_actor
from headway.collector import Collector, CollectorLimits
from headway.db.database import Database
from headway.errors import NotFound
from headway.identity import Caller, Client
from headway.ids import NewId
from headway.instants import Clock
from headway.telemetry import Metrics

_MAX_WAITING = 10_000
_GROUP = 500


class Told(NamedTuple):
    """What a caller tells of an activity; without an actor it is the caller's own."""

    action: str
    actor: Actor | None
    target: Target
    context: Context
    metadata: dict[str, object]
    size_bytes: int = 0
    """Of what the client has put in of its own."""


class _Weighed(NamedTuple):
    entry: NewAuditEntry
    size_bytes: int


def _weight(waiting: _Weighed) -> int:
    """Count an entry, and one more for each kilobyte: what waits is bounded in memory, and a group in the time it takes."""
    return 1 + waiting.size_bytes // 1024


class AuditLog:
    """Writes and reads the log. What several requests write at the same time is written together."""

    def __init__(self, database: Database, clock: Clock, new_id: NewId, accounts: Accounts, metrics: Metrics) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._accounts = accounts
        self._collector: Collector[_Weighed, Activity] = Collector(
            self._append,
            _weight,
            # The log is one chain: a second writer would only wait for the first.
            CollectorLimits(_MAX_WAITING, _GROUP, writers=1),
            is_in_transaction=database.is_writing,
            meters=metrics.log,
        )
        metrics.samplers.append(self._collector.sample)

    async def record(self, caller: Caller, told: Told, client: Client, *, is_alone: bool = False) -> Activity:
        """Write an entry and give it once it is durable. Raises Unavailable, Overloaded.

        With `is_alone` it is a transaction of its own, or part of the one that this task is within.
        """
        if not is_alone:
            user = await self._accounts.known(caller.user_id)
            return await self._collector.submit(_Weighed(_entry(caller, user, told, client), told.size_bytes))
        async with self._database.write() as tx:
            # Not what is remembered of accounts: waiting for it within a transaction could wait for this transaction.
            own = await users.find(tx, caller.user_id)
            assert own is not None  # noqa: S101 - accounts are not removed
            (made,) = await activities.append(tx, [_entry(caller, own, told, client)], self._new_id, self._clock)
        return made

    async def read(
        self, caller: Caller, wanted: Filter, *, before: int | None, limit: int
    ) -> tuple[Sequence[Activity], int | None]:
        """List entries, the newest first, and the number before which the next page is, if there is one.

        Administrators and services see all, others those in which they are the actor or the one who recorded.
        """
        party = None if caller.sees_all else _party(caller)
        async with self._database.read() as tx:
            found = await activities.list_page(tx, wanted, party=party, before=before, limit=limit + 1)
        page = found[:limit]
        return page, page[-1].seq if len(found) > limit else None

    async def find(self, caller: Caller, activity_id: str) -> Activity:
        """Read an entry, of those that `read` gives. Raises NotFound ACTIVITY_NOT_FOUND."""
        async with self._database.read() as tx:
            found = await activities.find(tx, activity_id)
        if found is None or not (caller.sees_all or _is_party(_party(caller), found)):
            raise NotFound("There is no such activity.", code="ACTIVITY_NOT_FOUND")
        return found

    async def close(self) -> None:
        """Write what is waiting and take nothing more."""
        await self._collector.close()

    async def _append(self, group: Sequence[_Weighed]) -> list[Activity]:
        async with self._database.write() as tx:
            return await activities.append(tx, [each.entry for each in group], self._new_id, self._clock)


def _entry(caller: Caller, user: User, told: Told, client: Client) -> NewAuditEntry:
    return NewAuditEntry(
        action=told.action,
        actor=own_actor(user) if told.actor is None else told.actor,
        is_actor_verified=told.actor is None or caller.sees_all or _is_own(told.actor, user),
        recorded_by=user.id,
        recorded_role=user.role,
        target=told.target,
        context=told.context,
        metadata=told.metadata,
        client=client,
    )


def _actor_ids(user_id: int, external_id: str | None) -> list[str]:
    """Give what an actor who is this account goes by. Digits alone are an id of an account, and no external id."""
    own = str(user_id)
    return [own] if external_id is None or external_id.isdecimal() else [own, external_id]


def _is_own(actor: Actor, user: User) -> bool:
    """Say whether an actor goes by an account's id, and its role and address, if they are told and known, are the account's."""
    return (
        actor.user_id in _actor_ids(user.id, user.external_id)
        and actor.role in {None, user.role.value}
        and (user.email is None or actor.email is None or actor.email.lower() == user.email)
    )


def _party(caller: Caller) -> Party:
    return Party(_actor_ids(caller.user_id, caller.external_id), caller.user_id)


def _is_party(party: Party, found: Activity) -> bool:
    return found.told.actor.user_id in party.actor_ids or found.told.recorded_by == party.user_id

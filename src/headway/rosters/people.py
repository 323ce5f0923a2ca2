"""The people of a roster, who become accounts."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from headway.accounts import store as users
from headway.accounts.model import NewUser, Operator, User, is_email, settle_account
from headway.audit.model import Act, Action
from headway.db.database import ReadTransaction, WriteTransaction
from headway.errors import Conflict, HeadwayError, Invalid, shown
from headway.identity import settle_email
from headway.rosters.model import Change, Did, RosterUser, account_changes, describe
from headway.rosters.run import Step
from headway.text import nfc


class _Changed(NamedTuple):
    """An account that the roster changes."""

    user: User
    wanted: RosterUser
    fields: dict[str, tuple[str | None, str | None]]

    @property
    def is_alone(self) -> bool:
        """Whether the account is changed in a transaction of its own: each change locks the account, and then the log."""
        return bool(self.fields.keys() - {"externalId"})


class BringPeople(Step[RosterUser]):
    """Finds accounts by external id, or by address where they have no external id; creates and changes them."""

    _new: list[tuple[RosterUser, NewUser]]
    _changed: list[_Changed]

    async def compare(self, tx: ReadTransaction, items: Sequence[RosterUser]) -> None:
        """Find the accounts of these people, and what the roster changes of them."""
        self._new, self._changed = [], []
        self._ids: dict[str, int] = {}
        self._disabled: set[int] = set()
        self._strangers: set[str] = set()
        people = [_settled(each) for each in items]
        freed = self.run.freed
        by_id = await users.find_by_external_ids(tx, {each.external_id for each in people if each.external_id is not None})
        addresses = {each.email for each in people if each.email is not None and is_email(each.email)}
        by_email = await users.find_by_emails(tx, sorted(addresses - freed)) if addresses - freed else {}
        for each in people:
            try:
                if self.is_first:
                    self._check_once(each)
                self._decide(each, by_id.get(each.external_id or ""), by_email.get(each.email or ""))
            except (Invalid, Conflict) as error:
                self.draft.refuse(each.line, describe(error))

    def groups(self) -> Iterable[Sequence[RosterUser]]:
        """Return those who are created or linked together, and each one whose account is changed."""
        alone = {each.wanted.key for each in self._changed if each.is_alone}
        together = [each for each in self.work if each.key not in alone]
        return [*([together] if together else []), *([each] for each in self.work if each.key in alone)]

    async def store(self, tx: WriteTransaction) -> None:
        """Create and change accounts."""
        run = self.run
        created = await run.rooms.accounts.add_all(tx, [new for _, new in self._new])
        for (wanted, _), user in zip(self._new, created, strict=True):
            if user is None:
                self.draft.refuse(wanted.line, "the address or the id belongs to another account by now")
            else:
                self._ids[wanted.key] = user.id
                self.acts.append(Act(Action.CREATE_USER, user.target, {"role": user.role.value}))
                self.draft.add(_created(wanted, user.id))
        operator = Operator(run.options.caller, run.options.client)
        linked = []
        for user, wanted, fields in self._changed:
            self._ids[wanted.key] = user.id
            try:
                if values := _new_values(wanted, fields):
                    await run.rooms.accounts.change(tx, user.id, **values, operator=operator)
            except HeadwayError as error:
                self.draft.refuse(wanted.line, describe(error))
                continue
            if "externalId" in fields and wanted.external_id is not None:
                linked.append((user.id, wanted.external_id))
                self.acts.append(Act(Action.CHANGE_EXTERNAL_ID, user.target, {"from": None, "to": wanted.external_id}))
            self.draft.add(_changed(user, fields))
        await run.rooms.accounts.set_external_ids(tx, linked)

    async def foresee(self, tx: ReadTransaction) -> None:
        """Report the accounts that would be created and changed."""
        addressed = []
        for wanted, new in self._new:
            user_id = self._ids[wanted.key] = self.run.next_id()
            user = User(user_id, new.role, new.name, new.email, new.external_id, token_version=0, is_disabled=False)
            self.run.foresight.users[user_id] = user
            addressed.append(user)
            self.draft.add(_created(wanted, None))
        for user, wanted, fields in self._changed:
            self._ids[wanted.key] = user.id
            changed = msgspec.structs.replace(user, **_new_values(wanted, fields))
            self.run.foresight.users[user.id] = changed
            if "email" in fields:
                addressed.append(changed)
                self.run.freed |= {user.email} if user.email is not None else set()
            self.draft.add(_changed(user, fields))
        await self.run.foresight.give_addresses(tx, addressed)

    def note(self) -> None:
        """Pass the accounts to the run."""
        self.run.user_ids |= self._ids
        self.run.disabled |= self._disabled
        self.run.strangers |= self._strangers

    def _check_once(self, wanted: RosterUser) -> None:
        """Refuse somebody who is in the file for a second time, or whose address was that of somebody else there."""
        run = self.run
        if wanted.key in run.people:
            raise Conflict(f"{shown(wanted.key)} is in the file twice")
        run.people.add(wanted.key)
        if wanted.email is not None:
            first = run.addresses.setdefault(wanted.email, wanted.key)
            if first != wanted.key:
                raise Conflict("the address is in the file twice, for two people")

    def _decide(self, wanted: RosterUser, stored: User | None, owner: User | None) -> None:
        """Decide about a person who has the account `stored` by external id, and whose address the account `owner` has."""
        if wanted.email is not None and not is_email(wanted.email):
            raise Conflict(f"email is {shown(wanted.email)}, which is no e-mail address")
        if stored is None and owner is not None:
            if None not in {owner.external_id, wanted.external_id} and not owner.role.sees_all:
                raise Conflict(f"the address belongs to account {owner.id}, which has another external id")
            stored = owner
        if stored is None:
            if wanted.name is None and wanted.external_id is None and not wanted.role.can_teach:
                self._strangers.add(wanted.key)
                return
            if wanted.name is None:
                raise Conflict(f"{shown(wanted.email or wanted.key)} has no account, and no name to create one with")
            new = settle_account(NewUser(wanted.role, wanted.name, wanted.email, wanted.external_id))
            self._new.append((wanted, new))
            self.work.append(wanted)
            return
        if stored.is_disabled:
            self._disabled.add(stored.id)
        kept = wanted
        if owner is not None and owner.id != stored.id:
            if self.is_first:
                message = f"the address belongs to account {owner.id}, so account {stored.id} keeps its own"
                self.draft.refuse(wanted.line, message)
            kept = msgspec.structs.replace(wanted, email=None)
        fields = account_changes(stored, kept)
        if fields:
            settle_account(NewUser(wanted.role, kept.name or stored.name, kept.email, kept.external_id))
            self._changed.append(_Changed(stored, kept, fields))
            self.work.append(wanted)
        else:
            self._ids[wanted.key] = stored.id
            self.draft.keep("user")


def _settled(wanted: RosterUser) -> RosterUser:
    """Return a person with texts as accounts have them."""
    return msgspec.structs.replace(
        wanted,
        name=None if wanted.name is None else nfc(wanted.name),
        email=None if wanted.email is None else settle_email(wanted.email),
        external_id=None if wanted.external_id is None else nfc(wanted.external_id),
    )


def _new_values(wanted: RosterUser, fields: Collection[str]) -> dict[str, Any]:
    """Return what an account gets of the roster, but for the external id."""
    return {name: getattr(wanted, name) for name in ("role", "name", "email") if name in fields}


def _created(wanted: RosterUser, user_id: int | None) -> Change:
    return Change("user", Did.CREATED, wanted.name or "", wanted.external_id or wanted.email, user_id=user_id)


def _changed(user: User, fields: dict[str, tuple[str | None, str | None]]) -> Change:
    return Change("user", Did.CHANGED, user.name, user.external_id or user.email, user_id=user.id, fields=fields)

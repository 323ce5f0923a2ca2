"""Managing accounts as an administrator: what `headway user` does, for callers."""

from headway.accounts import lists_store
from headway.accounts import store as users
from headway.accounts.lists import ListedUser, UserCounts, UserDetails, UserSearch, UserSort
from headway.accounts.model import NewUser, Operator, User
from headway.accounts.service import Accounts
from headway.accounts.sign_in import SignIn
from headway.db.database import ReadTransaction, WriteTransaction
from headway.disclosures.disclosing import disclose
from headway.disclosures.model import RecordKind
from headway.errors import Conflict, Forbidden
from headway.identity import Caller, Client, Role
from headway.instants import Clock
from headway.paging.service import Walk


class AccountAdministration:
    """The accounts of this installation, for callers with the role ADMIN; all other callers get Forbidden.

    Nobody disables their own account or changes its role. As both accounts are locked and the caller's role is read anew, two
    administrators cannot remove each other either: there is always one left.
    """

    def __init__(self, clock: Clock, accounts: Accounts, sign_in: SignIn) -> None:
        self._clock = clock
        self._accounts = accounts
        self._sign_in = sign_in

    async def list_users(
        self, tx: ReadTransaction, caller: Caller, search: UserSearch, walk: Walk, sort: UserSort = UserSort.NEWEST
    ) -> tuple[list[ListedUser], int]:
        """List the accounts that match, in an order, and count them."""
        await require_admin(tx, caller)
        disclose(tx, caller, RecordKind.ACCOUNT)
        found, total = await lists_store.list_users(tx, search, walk.slice, sort)
        return walk.cut(found, lambda each: lists_store.key_of(each, sort)), total

    async def count_users(self, tx: ReadTransaction, caller: Caller) -> UserCounts:
        """Count all accounts."""
        await require_admin(tx, caller)
        return await lists_store.count_users(tx)

    async def find(self, tx: ReadTransaction, caller: Caller, user_id: int) -> UserDetails:
        """Read an account with its sign-ins. Raises NotFound USER_NOT_FOUND."""
        await require_admin(tx, caller)
        disclose(tx, caller, RecordKind.ACCOUNT, learner_id=user_id)
        account = await self._accounts.find_account(tx, user_id)
        return UserDetails(account, await lists_store.list_open_sessions(tx, account.user, self._clock()))

    async def hash_password(self, password: str | None) -> str | None:
        """Check and hash a password for `create` or `set_password`: it takes too long for a transaction. Raises Invalid."""
        return None if password is None else await self._sign_in.hash_new(password)

    async def create(self, tx: WriteTransaction, caller: Caller, new: NewUser, client: Client | None = None) -> User:
        """Create an account. Raises Invalid naming the field, Conflict EMAIL_TAKEN."""
        await require_admin(tx, caller)
        if new.password_hash is not None and new.email is None:
            raise Conflict("A password needs an address to sign in with.", code="ADDRESS_MISSING")
        return await self._accounts.add_as_operator(tx, new, Operator(caller, client))

    async def change(self, tx: WriteTransaction, caller: Caller, changed: User, client: Client | None = None) -> User:
        """Store the role, name, address and external id of an account; another role ends its tokens.

        Raises Invalid, NotFound USER_NOT_FOUND, Conflict EMAIL_TAKEN, EXTERNAL_ID_TAKEN or OWN_ACCOUNT.
        """
        stored = await self._lock(tx, caller, changed.id)
        if changed.role is not stored.role:
            _check_other(caller, changed.id)
        operator = Operator(caller, client)
        await self._accounts.change(
            tx, changed.id, role=changed.role, name=changed.name, email=changed.email, operator=operator
        )
        if changed.external_id is not None:
            return await self._accounts.set_external_id(tx, changed.id, changed.external_id, operator)
        return await self._accounts.find(tx, changed.id)

    async def set_disabled(
        self, tx: WriteTransaction, caller: Caller, user_id: int, *, is_disabled: bool, client: Client | None = None
    ) -> None:
        """Disable or enable an account; every token it has ends. Raises NotFound USER_NOT_FOUND, Conflict OWN_ACCOUNT."""
        stored = await self._lock(tx, caller, user_id)
        _check_other(caller, user_id)
        if stored.is_disabled is not is_disabled:
            await self._accounts.set_disabled(tx, user_id, is_disabled=is_disabled, operator=Operator(caller, client))

    async def set_password(
        self, tx: WriteTransaction, caller: Caller, user_id: int, password_hash: str, client: Client | None = None
    ) -> None:
        """Set a password, which ends all tokens of the account. Raises NotFound USER_NOT_FOUND, Conflict ADDRESS_MISSING."""
        stored = await self._lock(tx, caller, user_id)
        if stored.email is None:
            raise Conflict("A password needs an address to sign in with.", code="ADDRESS_MISSING")
        await self._sign_in.set_password(tx, user_id, password_hash, Operator(caller, client))

    async def end_sessions(self, tx: WriteTransaction, caller: Caller, user_id: int, client: Client | None = None) -> None:
        """End all sessions of an account, and all its tokens. Raises NotFound USER_NOT_FOUND."""
        await self._lock(tx, caller, user_id)
        await self._sign_in.end_sessions(tx, user_id, Operator(caller, client))

    async def find_by_email(self, tx: ReadTransaction, caller: Caller, email: str) -> User | None:
        """Read an account by its address; None if there is none."""
        await require_admin(tx, caller)
        return await users.find_by_email(tx, email)

    async def _lock(self, tx: WriteTransaction, caller: Caller, user_id: int) -> User:
        """Lock the accounts of the caller and of somebody else, in the order of their ids; return the latter."""
        for each in sorted({caller.user_id, user_id}):
            await users.lock_account(tx, each)
        await require_admin(tx, caller)
        return await self._accounts.find(tx, user_id)


async def require_admin(tx: ReadTransaction, caller: Caller) -> None:
    """Check that a caller is an administrator, as the account is stored now. Raises Forbidden."""
    user = await users.find(tx, caller.user_id) if caller.role is Role.ADMIN else None
    if user is None or user.is_disabled or user.role is not Role.ADMIN:
        raise Forbidden("Only administrators may do this.")


def _check_other(caller: Caller, user_id: int) -> None:
    if caller.user_id == user_id:
        message = "Another administrator has to disable your account or change its role."
        raise Conflict(message, code="OWN_ACCOUNT")

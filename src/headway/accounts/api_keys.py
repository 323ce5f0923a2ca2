"""API keys of service accounts: who has them, what they allow, and when they were used."""

from collections.abc import Collection

from headway.accounts import keys_store
from headway.accounts import store as users
from headway.accounts.administration import require_admin
from headway.accounts.key_model import (
    MAX_KEYS,
    ApiKey,
    KeySecret,
    ListedKey,
    check_scopes,
    hash_secret,
    new_secret,
    write_scopes,
)
from headway.accounts.model import COMMAND_LINE, NewUser, Operator, check_name
from headway.accounts.service import Accounts
from headway.audit.model import Action
from headway.audit.service import AuditRecorder
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.errors import Conflict, NotFound, Unauthenticated
from headway.identity import Caller, Client, Role, Scope
from headway.instants import MINUTE, Clock, Instant
from headway.paging.service import Walk
from headway.text import nfc

_NO_KEY = "The API key is not valid, or was revoked."


class ApiKeys:
    """The keys of this installation.

    Whether a key is still valid, and what it allows, is part of its account's state, which `Accounts` remembers: so revoking
    one holds at once in this process and within two seconds in others, as it does for tokens.
    """

    def __init__(self, database: Database, clock: Clock, accounts: Accounts, audit: AuditRecorder) -> None:
        self._database = database
        self._clock = clock
        self._accounts = accounts
        self._audit = audit
        self._used: dict[int, Instant] = {}
        """When keys were used lately, and it is not stored yet."""

    async def create(
        self,
        tx: WriteTransaction,
        name: str,
        scopes: Collection[Scope],
        *,
        user_id: int | None = None,
        operator: Operator = COMMAND_LINE,
    ) -> tuple[ApiKey, str]:
        """Create a key, and return it with its text, which is stored nowhere.

        Without an account, a service account with the name of the key is created for it. Raises Invalid naming the field,
        NotFound USER_NOT_FOUND, Conflict NO_SERVICE_ACCOUNT, USER_DISABLED or TOO_MANY_KEYS.
        """
        name, now = nfc(name), self._clock()
        check_name(name)
        check_scopes(scopes)
        if user_id is None:
            user_id = (await self._accounts.add_as_operator(tx, NewUser(Role.SYSTEM, name), operator)).id
        await self._require_service(tx, user_id)
        secret, allowed = new_secret(), frozenset(scopes)
        key_id = await keys_store.insert_key(
            tx, user_id=user_id, name=name, scopes=allowed, secret_hash=hash_secret(secret), now=now
        )
        key = ApiKey(key_id, user_id, name, allowed, now)
        await self._accounts.forget(tx, user_id)
        await self._record(tx, Action.CREATE_API_KEY, key, operator)
        return key, KeySecret(key_id, secret).text

    async def revoke(self, tx: WriteTransaction, key_id: int, *, operator: Operator = COMMAND_LINE) -> ApiKey:
        """End a key for ever; one that has ended stays as it is. Raises NotFound API_KEY_NOT_FOUND."""
        key = await keys_store.lock_key(tx, key_id)
        if key is None:
            raise NotFound(f"There is no API key {key_id}.", code="API_KEY_NOT_FOUND")
        if key.revoked_at is None:
            await keys_store.revoke(tx, key_id, self._clock())
            await self._accounts.forget(tx, key.user_id)
            await self._record(tx, Action.REVOKE_API_KEY, key, operator)
        return key

    async def list_keys(self, tx: ReadTransaction, walk: Walk) -> tuple[list[ListedKey], int]:
        """List the keys, the newest first, revoked ones too, and count them."""
        found, total = await keys_store.list_keys(tx, walk.slice)
        return walk.cut(found, lambda each: each.key.id), total

    async def create_for(
        self,
        tx: WriteTransaction,
        caller: Caller,
        name: str,
        scopes: Collection[Scope],
        *,
        user_id: int | None = None,
        client: Client | None = None,
    ) -> tuple[ApiKey, str]:
        """Create a key as an administrator. Raises as `create`, and Forbidden."""
        await require_admin(tx, caller)
        return await self.create(tx, name, scopes, user_id=user_id, operator=Operator(caller, client))

    async def revoke_for(self, tx: WriteTransaction, caller: Caller, key_id: int, *, client: Client | None = None) -> ApiKey:
        """End a key as an administrator. Raises as `revoke`, and Forbidden."""
        await require_admin(tx, caller)
        return await self.revoke(tx, key_id, operator=Operator(caller, client))

    async def list_for(self, tx: ReadTransaction, caller: Caller, walk: Walk) -> tuple[list[ListedKey], int]:
        """List the keys as an administrator. Raises Forbidden, Invalid naming `cursor`."""
        await require_admin(tx, caller)
        return await self.list_keys(tx, walk)

    async def verify(self, text: str) -> tuple[int, int]:
        """Return the account and the id of a key that a request came with. Raises Unauthenticated; Unavailable.

        It reads the key's row in a transaction of its own; `Accounts.key_caller` tells whether the key is still valid.
        """
        given = KeySecret.read(text)
        if given is None:
            raise Unauthenticated(_NO_KEY)
        async with self._database.read(single_statement=True) as tx:
            owner = await keys_store.find_owner(tx, given.key_id)
        if owner is None or not given.matches(owner[1]):
            raise Unauthenticated(_NO_KEY)
        return owner[0], given.key_id

    def note_use(self, key_id: int) -> None:
        """Remember that a key was used now, until `write_uses`."""
        self._used[key_id] = self._clock() // MINUTE * MINUTE

    async def write_uses(self) -> None:
        """Store when keys were used since the last time. A batch job: it opens a transaction, if there is anything to store."""
        used, self._used = self._used, {}
        if used:
            async with self._database.write() as tx:
                await keys_store.write_uses(tx, used)

    async def _require_service(self, tx: WriteTransaction, user_id: int) -> None:
        """Lock an account that is to get a key, and check that it may have one more."""
        account = await users.lock_account(tx, user_id)
        if account is None:
            raise NotFound(f"There is no user {user_id}.", code="USER_NOT_FOUND")
        if account.user.role is not Role.SYSTEM:
            raise Conflict("Only service accounts (role SYSTEM) have API keys.", code="NO_SERVICE_ACCOUNT")
        if account.user.is_disabled:
            raise Conflict(f"User {user_id} is disabled.", code="USER_DISABLED")
        if len((await keys_store.read_active(tx, [user_id])).get(user_id, ())) >= MAX_KEYS:
            raise Conflict(f"An account has at most {MAX_KEYS} API keys: revoke one first.", code="TOO_MANY_KEYS")

    async def _record(self, tx: WriteTransaction, action: Action, key: ApiKey, operator: Operator) -> None:
        record = {"userId": str(key.user_id), "scopes": write_scopes(key.scopes)}
        await self._audit.record_for(tx, action, operator.caller, key.target, metadata=record, client=operator.client)

"""Forgotten passwords, and the first password of invited people: links that are mailed or handed over."""

import msgspec

from headway.accounts import links_store as links
from headway.accounts import store as users
from headway.accounts.administration import require_admin
from headway.accounts.link_model import (
    INVITATION_LIFETIME,
    MAX_TOKEN,
    LinkPurpose,
    LinkToken,
    PasswordLink,
    StoredLink,
    binding,
    ended_link,
    hash_secret,
    is_right,
    new_token,
    read_token,
)
from headway.accounts.mail import AskedMail
from headway.accounts.model import COMMAND_LINE, MAX_EMAIL, Operator, User, normalize_email
from headway.accounts.sign_in import SignIn
from headway.audit.model import Action
from headway.audit.service import AuditRecorder
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.errors import Conflict, NotFound
from headway.identity import Client
from headway.instants import DAY, MINUTE, Clock, Milliseconds
from headway.mail.model import Letter, MailKind
from headway.settings import Settings

PATH = "/app/reset-password"


class PasswordRecovery:
    """Gives people a password who have none, or forgot it.

    `ask` does the same for every address: it stores what was asked for. Whether there is an account is looked up by
    `resolve`, when the mail is sent. `ask`, `reset` and `purge` open their own transactions.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        sign_in: SignIn,
        audit: AuditRecorder,
        mail: AskedMail,
        settings: Settings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._sign_in = sign_in
        self._audit = audit
        self._mail = mail
        self._lifetime = settings.reset_link_minutes * MINUTE
        has_provider = settings.oidc_issuer is not None or settings.idp_issuer is not None
        self._provider = settings.oidc_name if has_provider else None

    async def ask(self, email: str, client: Client) -> None:
        """Ask for a mail with a link to choose a password. Raises Invalid, Conflict MAIL_NOT_SET_UP, RateLimited."""
        self._mail.require("ask an administrator for a link")
        email = normalize_email(email[: 4 * MAX_EMAIL])
        await self._mail.ask(Letter(MailKind.PASSWORD_ASKED, email, client.languages, lifetime=self._lifetime), client)

    async def purge(self) -> None:
        """Delete links that expired: those of addresses hold the new one."""
        more = 1
        while more:
            async with self._database.write() as tx:
                more = await links.delete_expired(tx, self._clock())

    async def resolve(self, tx: WriteTransaction, asked: Letter) -> Letter | None:
        """Return the letter to the owner of an address; None if nobody who may sign in has it."""
        user, stored = await users.credentials(tx, asked.to) or (None, None)
        if user is None or user.is_disabled or user.email is None:
            return None
        letter = msgspec.structs.replace(asked, to=user.email, user_id=user.id)
        if stored is None and user.external_id is not None and self._provider is not None:
            values = {"name": user.name, "provider": self._provider}
            return msgspec.structs.replace(letter, kind=MailKind.PASSWORD_ELSEWHERE, values=values)
        token = await self._make(tx, user, self._lifetime)
        values = {"name": user.name, "token": token, "minutes": str(self._lifetime // MINUTE)}
        return msgspec.structs.replace(letter, kind=MailKind.PASSWORD_RESET, values=values)

    async def make_link(self, tx: WriteTransaction, user_id: int, operator: Operator = COMMAND_LINE) -> PasswordLink:
        """Return a link to choose a password, to be handed over, as an operator. An older link ends.

        Raises Forbidden, NotFound USER_NOT_FOUND, Conflict USER_DISABLED or ADDRESS_MISSING.
        """
        user = await self._find(tx, user_id, operator)
        token = await self._make(tx, user, INVITATION_LIFETIME)
        await self._record(tx, user, operator, is_mailed=False)
        return PasswordLink(f"{PATH}#{token}", self._clock() + INVITATION_LIFETIME)

    async def invite(self, tx: WriteTransaction, user_id: int, operator: Operator = COMMAND_LINE) -> None:
        """Mail a link to choose the first password, as an operator. An older link ends.

        Raises as `make_link`, and Conflict MAIL_NOT_SET_UP.
        """
        user = await self._find(tx, user_id, operator)
        self._mail.require("hand a link over")
        token = await self._make(tx, user, INVITATION_LIFETIME)
        values = {"name": user.name, "token": token, "days": str(INVITATION_LIFETIME // DAY)}
        languages = None if operator.client is None else operator.client.languages
        await self._mail.outbox.write(tx, Letter(MailKind.ACCOUNT_INVITATION, user.email or "", languages, values, user.id))
        await self._record(tx, user, operator, is_mailed=True)

    async def tell_changed(self, tx: WriteTransaction, user: User, client: Client | None) -> None:
        """Store a letter to the owner of an account whose password was changed."""
        if user.email is not None:
            languages = None if client is None else client.languages
            values = {"name": user.name}
            await self._mail.outbox.write(tx, Letter(MailKind.PASSWORD_CHANGED, user.email, languages, values, user.id))

    async def reset(self, token: str, password: str, client: Client) -> None:
        """Set the password of the account whose link this is, which ends the link and all tokens of the account.

        Raises Invalid naming `token` or `new_password`, RateLimited.
        """
        found = read_token(token[:MAX_TOKEN])
        taken_at = await self._sign_in.count_attempt(client)
        async with self._database.read() as snapshot:
            await self._check(snapshot, found)
        # A wrong token costs no hash, and a password that breaks a rule costs no link.
        hashed = await self._sign_in.hash_new(password, "new_password")
        async with self._database.write() as tx:
            await users.lock_account(tx, found.number)
            user = await self._check(tx, found)
            await links.end(tx, user.id, LinkPurpose.PASSWORD)
            await self._sign_in.set_by_link(tx, user.id, hashed, client)
        await self._sign_in.forgive_attempt(client, taken_at)

    async def _check(self, tx: ReadTransaction, found: LinkToken) -> User:
        """Return the account of a link. Raises Invalid naming `token`."""
        user = await users.find(tx, found.number)
        link = await links.find(tx, found.number, LinkPurpose.PASSWORD)
        bound = binding(await users.password_hash(tx, found.number), None if user is None else user.email)
        if user is None or user.is_disabled or not is_right(link, found.secret, bound, self._clock()):
            raise ended_link()
        return user

    async def _make(self, tx: WriteTransaction, user: User, lifetime: Milliseconds) -> str:
        """Store a new link, in place of an older one; return its token."""
        # Whoever changes the password or the address at the same time ends the link, or is seen.
        await users.lock_account(tx, user.id)
        now, token = self._clock(), new_token(user.id)
        bound = binding(await users.password_hash(tx, user.id), user.email)
        link = StoredLink(hash_secret(token.secret, *bound), None, now + lifetime)
        await links.write(tx, user.id, LinkPurpose.PASSWORD, link, now)
        return str(token)

    async def _find(self, tx: WriteTransaction, user_id: int, operator: Operator) -> User:
        if operator.caller is not None:
            await require_admin(tx, operator.caller)
        user = await users.find(tx, user_id)
        if user is None:
            raise NotFound(f"There is no user {user_id}.", code="USER_NOT_FOUND")
        if user.is_disabled:
            raise Conflict(f"User {user_id} is disabled.", code="USER_DISABLED")
        if user.email is None:
            raise Conflict("A password needs an address to sign in with.", code="ADDRESS_MISSING")
        return user

    async def _record(self, tx: WriteTransaction, user: User, operator: Operator, *, is_mailed: bool) -> None:
        action, caller = Action.CREATE_PASSWORD_LINK, operator.caller
        await self._audit.record_for(tx, action, caller, user.target, metadata={"isMailed": is_mailed}, client=operator.client)

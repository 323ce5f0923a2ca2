"""Registering where an address has to be proven: there is no account before its owner has got a mail."""

import hmac
from collections.abc import Awaitable, Callable

import msgspec

from headway.accounts import registrations_store as registrations
from headway.accounts import store as users
from headway.accounts.link_model import ADDRESS_LIFETIME, MAX_TOKEN, LinkToken, ended_link, hash_secret, new_token, read_token
from headway.accounts.mail import AskedMail
from headway.accounts.model import MAX_EMAIL, NewUser, User, normalize_email
from headway.accounts.registrations_store import Registration
from headway.accounts.service import Accounts
from headway.audit.model import Action
from headway.audit.service import AuditRecorder
from headway.db.database import Database, ReadTransaction, WriteTransaction
from headway.errors import Conflict
from headway.identity import Client
from headway.instants import HOUR, Clock
from headway.mail.model import Letter, MailKind

Proves = Callable[[ReadTransaction, str, str], Awaitable[bool]]


class Registering:
    """Keeps registrations until their addresses are proven, if `is_on`.

    Registering does the same for every address, also one that is taken: it stores the registration and what is asked for.
    Whether the address is taken is looked up by `resolve`, when the mail is sent.
    """

    def __init__(
        self, database: Database, clock: Clock, accounts: Accounts, audit: AuditRecorder, mail: AskedMail, *, is_on: bool
    ) -> None:
        self._database = database
        self._clock = clock
        self._accounts = accounts
        self._audit = audit
        self._mail = mail
        self.is_on = is_on
        self.proves: Proves = _proves_nothing
        """Whether a token of an invitation proves an address."""

    async def must_prove(self, new: NewUser, invitation: str, client: Client) -> bool:
        """Return whether the address of a settled registration has to be proven first; if so, the mail about it is counted.

        `invitation` is the token of an invitation that proves it, or any other text. Opens its own transactions. Raises
        RateLimited.
        """
        if not self.is_on:
            return False
        async with self._database.read() as tx:
            if await self.proves(tx, invitation, new.email or ""):
                return False
        await self._mail.count(new.email or "", client)
        return True

    async def keep(self, tx: WriteTransaction, new: NewUser, client: Client) -> None:
        """Store a registration, as settled and with a hashed password, and ask for the mail that proves its address."""
        now = self._clock()
        made = await registrations.insert_registration(tx, new, now, now + ADDRESS_LIFETIME)
        await self._mail.outbox.write(tx, _asked(new.email or "", client, registration=str(made)))

    async def purge(self) -> None:
        """Delete registrations that nobody has proven in time. Opens its own transactions."""
        more = 1
        while more:
            async with self._database.write() as tx:
                more = await registrations.delete_expired(tx, self._clock())

    async def ask_again(self, email: str, client: Client) -> None:
        """Ask for another mail to a registered address.

        Opens its own transactions. Raises Invalid, Conflict MAIL_NOT_SET_UP, RateLimited.
        """
        self._mail.require("addresses need no proof")
        email = normalize_email(email[: 4 * MAX_EMAIL])
        await self._mail.ask(_asked(email, client), client)

    async def find_unproven(self, tx: ReadTransaction, email: str) -> str | None:
        """Return the hash of the password with which a settled address was registered last, if it is not proven yet."""
        found = await registrations.find_newest(tx, email, self._clock())
        return None if found is None else found.password_hash

    async def resolve(self, tx: WriteTransaction, asked: Letter) -> Letter | None:
        """Return the letter with a link; the owner of a taken address is told that there is an account."""
        now = self._clock()
        if "registration" in asked.values:
            found = await registrations.lock(tx, int(asked.values["registration"]), now)
        else:
            found = await registrations.find_newest(tx, asked.to, now)
        if found is None:
            return None
        owner = await users.find_by_email(tx, asked.to)
        if owner is not None:
            values = {"name": owner.name}
            known = msgspec.structs.replace(asked, kind=MailKind.ADDRESS_KNOWN, values=values, user_id=owner.id)
            return None if owner.is_disabled else known
        token = new_token(found.id)
        await registrations.set_link(tx, found.id, hash_secret(token.secret, asked.to))
        # Without the name: whoever typed it may have typed the address of somebody else.
        values = {"token": str(token), "hours": str(ADDRESS_LIFETIME // HOUR)}
        return msgspec.structs.replace(asked, kind=MailKind.REGISTRATION, values=values)

    async def confirm(self, tx: WriteTransaction, token: str, client: Client) -> User:
        """Create the account whose address a link proves. Raises Invalid naming `token`."""
        found = read_token(token[:MAX_TOKEN])
        registration = _check(await registrations.lock(tx, found.number, self._clock()), found)
        new = msgspec.structs.replace(registration.new, password_hash=registration.password_hash)
        try:
            user = await self._accounts.add(tx, new)
        except Conflict as taken:
            raise ended_link() from taken
        await registrations.delete_of_email(tx, new.email or "")
        await self._audit.record(tx, Action.VERIFY_EMAIL, user.actor, user.target, client=client)
        return user


def _check(registration: Registration | None, token: LinkToken) -> Registration:
    """Return a registration if a link is its newest. Raises Invalid naming `token`."""
    if registration is None or registration.link_hash is None:
        raise ended_link()
    if not hmac.compare_digest(registration.link_hash, hash_secret(token.secret, registration.new.email)):
        raise ended_link()
    return registration


def _asked(email: str, client: Client, **values: str) -> Letter:
    return Letter(MailKind.REGISTRATION_ASKED, email, client.languages, values, lifetime=ADDRESS_LIFETIME)


async def _proves_nothing(_tx: ReadTransaction, _token: str, _email: str) -> bool:
    """Stand in where the composition sets no hook."""
    return False

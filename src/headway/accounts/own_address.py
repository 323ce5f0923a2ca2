"""Changing one's own address: the new one is proven by a mail, and the old one is told."""

import msgspec

from headway.accounts import links_store as links
from headway.accounts import store as users
from headway.accounts.link_model import (
    ADDRESS_LIFETIME,
    MAX_TOKEN,
    LinkPurpose,
    StoredLink,
    binding,
    ended_link,
    hash_secret,
    is_right,
    new_token,
    read_token,
)
from headway.accounts.mail import AskedMail
from headway.accounts.model import MAX_EMAIL, Operator, User, normalize_email
from headway.accounts.service import Accounts
from headway.accounts.sign_in import SignIn
from headway.db.database import Database, WriteTransaction
from headway.errors import Conflict, Invalid
from headway.identity import Caller, Client
from headway.instants import HOUR, Clock
from headway.mail.model import Letter, MailKind


class OwnAddress:
    """Changes the addresses of callers, as soon as they have proven the new ones."""

    def __init__(self, database: Database, clock: Clock, accounts: Accounts, sign_in: SignIn, mail: AskedMail) -> None:
        self._database = database
        self._clock = clock
        self._accounts = accounts
        self._sign_in = sign_in
        self._mail = mail

    async def ask(self, user_id: int, *, password: str, email: str, client: Client) -> None:
        """Ask for a mail to a new address, and tell the old one. What is answered does not tell whether the new one is taken.

        Opens its own transactions. Raises Invalid naming the field, Conflict MAIL_NOT_SET_UP, RateLimited.
        """
        self._mail.require("ask an administrator to change the address")
        email = _normalized(email[: 4 * MAX_EMAIL])
        proven = await self._sign_in.prove(user_id, password, client)
        await self._mail.count(email, client)
        async with self._database.write() as tx:
            user = await self._accounts.find(tx, user_id)
            asked, note = (
                asked_letter(user, proven, email, client.languages),
                _to_old(MailKind.ADDRESS_CHANGE_NOTE, user, client),
            )
            await self._mail.outbox.write(tx, asked, *note)

    async def resolve(self, tx: WriteTransaction, asked: Letter) -> Letter | None:
        """Return the letter with a link; the owner of a taken address is told that somebody wanted to use it.

        None if the account has another password or address since: whoever asked knew the old one.
        """
        now, token = self._clock(), read_token(asked.values["token"])
        account = await users.lock_account(tx, token.number)
        if account is None or account.user.is_disabled:
            return None
        user, link = account.user, StoredLink(asked.values["hash"], asked.to, now + ADDRESS_LIFETIME)
        bound = (*binding(await users.password_hash(tx, user.id), user.email), asked.to)
        if not is_right(link, token.secret, bound, now):
            return None
        owner = await users.find_by_email(tx, asked.to)
        if owner is not None:
            values = {"name": owner.name}
            known = msgspec.structs.replace(asked, kind=MailKind.ADDRESS_KNOWN, values=values, user_id=owner.id)
            return None if owner.is_disabled or owner.id == user.id else known
        await links.write(tx, user.id, LinkPurpose.ADDRESS, link, now)
        values = {"name": user.name, "token": str(token), "hours": str(ADDRESS_LIFETIME // HOUR)}
        return msgspec.structs.replace(asked, kind=MailKind.ADDRESS_CHANGE, values=values, user_id=user.id)

    async def confirm(self, tx: WriteTransaction, token: str, client: Client) -> User:
        """Change the address that a link proves. Raises Invalid naming `token`."""
        found = read_token(token[:MAX_TOKEN])
        account = await users.lock_account(tx, found.number)
        link = await links.find(tx, found.number, LinkPurpose.ADDRESS)
        stored = await users.password_hash(tx, found.number)
        user = None if account is None else account.user
        email = None if link is None else link.email
        bound = (*binding(stored, None if user is None else user.email), email)
        if user is None or email is None or user.is_disabled or not is_right(link, found.secret, bound, self._clock()):
            raise ended_link()
        await links.end(tx, user.id, LinkPurpose.ADDRESS)
        caller = Caller(user.id, user.role, user.external_id, None, user.name, user.email)
        try:
            changed = await self._accounts.change(tx, user.id, email=email, operator=Operator(caller, client))
        except Conflict as taken:
            raise ended_link() from taken
        await self._mail.outbox.write(tx, *_to_old(MailKind.ADDRESS_CHANGED, user, client))
        return changed


def asked_letter(user: User, password_hash: str | None, email: str, languages: str | None) -> Letter:
    """Return what a user asks for with a proven password. The link that it becomes is bound to that password already."""
    token = new_token(user.id)
    values = {"token": str(token), "hash": hash_secret(token.secret, *binding(password_hash, user.email), email)}
    return Letter(MailKind.ADDRESS_CHANGE_ASKED, email, languages, values, lifetime=ADDRESS_LIFETIME)


def _normalized(email: str) -> str:
    """Return the form in which an address is stored. Raises Invalid naming `new_email`."""
    try:
        return normalize_email(email)
    except Invalid as error:
        raise Invalid.field("new_email", error.fields[0].message) from error


def _to_old(kind: MailKind, user: User, client: Client) -> list[Letter]:
    """Return the letter to the address that an account has, if it has one."""
    return [] if user.email is None else [Letter(kind, user.email, client.languages, {"name": user.name}, user.id)]

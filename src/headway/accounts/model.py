"""Users, their sessions, and the rules of both."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from headway.audit.model import Actor, Target, TargetType
from headway.errors import Conflict, Invalid
from headway.identity import Caller, Client, Role, Scope, settle_email
from headway.ids import MAX_EXTERNAL_ID
from headway.instants import DAY, SECOND, Instant
from headway.text import is_blank, nfc, nfd

REFRESH_LIFETIME = 7 * DAY
SESSION_LIFETIME = 90 * DAY
"""However often a session is refreshed, it ends after this time and the password is needed again."""
GRACE = 30 * SECOND
"""How long a used refresh token still returns its successor: several tabs of a browser may use it at the same time."""

MAX_NAME, MAX_EMAIL = 200, 254
"""In characters; interests and goals are as long as names."""
MAX_WORDS = 50
EMAIL_PATTERN = r"^[^@\s\x00-\x20\x7f-\xa0]{1,64}@[^@.\s\x00-\x20\x7f-\xa0]+(\.[^@.\s\x00-\x20\x7f-\xa0]+)+$"
_ADDRESS = re.compile(EMAIL_PATTERN)


class Operator(NamedTuple):
    """Who manages accounts: a caller with that right and the client of the request, or nobody, at the command line."""

    caller: Caller | None = None
    client: Client | None = None


COMMAND_LINE = Operator()

TokenUse = tuple[int, Instant]
"""(generation of a refresh token, when it was used)"""


class NewUser(msgspec.Struct, frozen=True):
    """An account to create."""

    role: Role
    name: str
    email: str | None = None
    external_id: str | None = None
    password_hash: str | None = None
    interests: Sequence[str] = ()


class User(msgspec.Struct, frozen=True, gc=False):
    """An account. `external_id` is the subject of an outside identity provider."""

    id: int
    role: Role
    name: str
    email: str | None
    external_id: str | None
    token_version: int
    is_disabled: bool
    erased_at: Instant | None = None
    """When all was taken from the account that told of its owner, for ever."""

    @property
    def actor(self) -> Actor:
        """The account as the actor of an audit entry."""
        return Actor(str(self.id), self.name, self.email, self.role.value)

    @property
    def target(self) -> Target:
        """The account as the target of an audit entry."""
        return Target(TargetType.USER, str(self.id), TargetType.USER.model, self.name)


class AccountState(msgspec.Struct, frozen=True, gc=False):
    """What decides whether an account's tokens are valid, and what they allow."""

    user: User
    ended_sessions: frozenset[str]
    """Those that ended so lately that there may be tokens of them."""
    keys: Mapping[int, frozenset[Scope]] = {}
    """The API keys of a service account that are not revoked, by their ids, and what each allows."""

    def accepts(self, token_version: int | None, session_id: str | None) -> bool:
        """Return whether a token of this version and session is valid; one of an outside provider has neither."""
        user = self.user
        is_current = not user.is_disabled and (token_version is None or token_version == user.token_version)
        return is_current and session_id not in self.ended_sessions

    def scopes_of(self, key_id: int) -> frozenset[Scope] | None:
        """Return what an API key allows; None if it is not valid."""
        may_have_keys = self.user.role is Role.SYSTEM and not self.user.is_disabled
        return self.keys.get(key_id) if may_have_keys else None


class Account(msgspec.Struct, frozen=True):
    """A user with what only its owner sees."""

    user: User
    interests: list[str]
    learning_goals: list[str]
    created_at: Instant
    shows_streak: bool = False
    """Whether the learner's pages tell how many days in a row have study; the learner decides."""


class Session(msgspec.Struct, frozen=True):
    """A sign-in. `expires_at` is when the refresh token of the current generation expires."""

    user: User
    id: str
    generation: int
    expires_at: Instant


class StoredSession(msgspec.Struct, frozen=True):
    """A sign-in as stored; `replaced` lists the refresh tokens used within `GRACE`."""

    token_version: int
    generation: int
    replaced: Sequence[TokenUse]
    created_at: Instant
    expires_at: Instant
    ended_at: Instant | None

    def is_valid(self, user: User, now: Instant) -> bool:
        """Return whether the session can go on: neither it nor the account's tokens have ended."""
        is_current = self.token_version == user.token_version and not user.is_disabled
        return is_current and self.ended_at is None and self.expires_at > now

    def refresh(self, generation: int, now: Instant) -> "StoredSession | None":
        """Return the session after the use of a refresh token; None if that token was used before, and not just now.

        The current token starts the next generation; one that was used less than `GRACE` ago changes nothing.
        """
        recent = [use for use in self.replaced if abs(now - use[1]) <= GRACE]
        if generation == self.generation:
            return msgspec.structs.replace(
                self,
                generation=generation + 1,
                replaced=[*recent, (generation, now)],
                expires_at=min(now + REFRESH_LIFETIME, self.created_at + SESSION_LIFETIME),
            )
        return self if generation in {used for used, _ in recent} else None


def check_not_erased(user: User) -> None:
    """Reject a change of an account whose owner was erased. Raises Conflict USER_ERASED."""
    if user.erased_at is not None:
        raise was_erased(user)


def was_erased(user: User) -> Conflict:
    """Return the error that tells that the owner of an account was erased."""
    return Conflict(f"User {user.id} was erased.", code="USER_ERASED")


def check_name(name: str, field: str = "name") -> None:
    """Reject a name that cannot be shown. Raises Invalid."""
    if is_blank(name) or len(name) > MAX_NAME or "\0" in name:
        raise Invalid.field(field, f"must have 1 to {MAX_NAME} characters")


def check_external_id(external_id: str) -> None:
    """Reject an external id that no token could have as its subject. Raises Invalid."""
    if not 1 <= len(external_id) <= MAX_EXTERNAL_ID or "\0" in external_id:
        raise Invalid.field("external_id", f"must have 1 to {MAX_EXTERNAL_ID} characters")


def check_words(field: str, words: Sequence[str]) -> None:
    """Reject a list that is too long, or that has an entry that is. Raises Invalid."""
    if len(words) > MAX_WORDS:
        raise Invalid.field(field, f"must not have more than {MAX_WORDS} entries")
    for i, word in enumerate(words):
        check_name(word, f"{field}[{i}]")


def settle_account(new: NewUser) -> NewUser:
    """Return an account as it is stored, its texts in NFC. Raises Invalid naming the field."""
    settled = msgspec.structs.replace(
        new,
        name=nfc(new.name),
        email=None if new.email is None else normalize_email(new.email),
        external_id=None if new.external_id is None else nfc(new.external_id),
        interests=[nfc(each) for each in new.interests],
    )
    check_name(settled.name)
    check_words("interests", settled.interests)
    if settled.external_id is not None:
        check_external_id(settled.external_id)
    return settled


def normalize_email(email: str) -> str:
    """Return the form in which an e-mail address is stored: in lower case and in NFC. Raises Invalid."""
    email = settle_email(email)
    if not is_email(email):
        raise Invalid.field("email", "must be a valid e-mail address")
    return email


def email_spellings(email: str) -> list[str]:
    """Return the forms in which the address may be stored: older ones are in the form in which they were typed.

    The one that was typed comes first, because an older account may have another spelling of the same address.
    """
    lower = email.strip().lower()
    return list(dict.fromkeys([lower, settle_email(email), nfd(lower)]))


def is_email(text: str) -> bool:
    """Return whether a text has the form of an e-mail address."""
    return len(text) <= MAX_EMAIL and _ADDRESS.fullmatch(text) is not None

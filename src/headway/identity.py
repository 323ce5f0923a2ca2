"""Roles, callers and their clients, and how people are named by strings."""

import re
from collections.abc import Sequence
from enum import StrEnum
from ipaddress import IPv4Address, ip_address, ip_network
from typing import NamedTuple

import msgspec

from headway.text import nfc

NOBODY = 0
"""The user id of callers without an account."""
ERASED_NAME = "Erased user"
"""The name that the accounts of erased people have."""
_ACCOUNT, OUTSIDE, _ADDRESS = "id:", "ext:", "email:"
_ID = re.compile("[1-9][0-9]{0,14}")
MAX_USER_NAME = 600
"""The most characters of a text that names a user. With its mark, the longest external id has fewer."""


class Role(StrEnum):
    """The role of an account. `CourseRole` is the role in one course."""

    PARTICIPANT = "PARTICIPANT"
    INSTRUCTOR = "INSTRUCTOR"
    ADMIN = "ADMIN"
    SYSTEM = "SYSTEM"

    @property
    def can_teach(self) -> bool:
        """Whether an account with this role can create courses, and have a role in the staff of courses."""
        return self in {Role.INSTRUCTOR, Role.ADMIN}

    @property
    def sees_all(self) -> bool:
        """Whether an account with this role may see everybody's data."""
        return self in {Role.ADMIN, Role.SYSTEM}


class Channel(StrEnum):
    """By which way somebody reads."""

    API = "API"
    PAGE = "PAGE"
    KEY = "KEY"
    """With an API key."""
    COMMAND = "COMMAND"
    WEBHOOK = "WEBHOOK"


class Scope(StrEnum):
    """What an API key allows, each by its own: the account's role decides as well, and no scope adds to it."""

    EVENTS_WRITE = "events:write"
    PROGRESS_READ = "progress:read"
    ROSTER_READ = "roster:read"
    ROSTER_WRITE = "roster:write"
    COURSES_READ = "courses:read"
    COURSES_WRITE = "courses:write"
    WEBHOOKS_WRITE = "webhooks:write"


class CourseRole(StrEnum):
    """The role of a member of staff in one course. It counts only while the role of the account allows to teach."""

    OWNER = "owner"
    INSTRUCTOR = "instructor"


class UserIds(NamedTuple):
    """The ids of a user: that of the account, and the subject at the outside identity provider, if there is one."""

    id: int
    external_id: str | None

    @property
    def name(self) -> str:
        """The text that stands for the user where a contract has strings: the external id, or else the id."""
        return self.external_id or str(self.id)

    @property
    def stored_names(self) -> Sequence[str]:
        """All texts that stand for the user in stored entries; see `UserRef.stored_name`."""
        if self.external_id is None:
            return [str(self.id)]
        marked = _stored_external(self.external_id)
        # Entries of before the marks name an external id that looks like a marked one as it is; digits name accounts.
        bare = [] if marked == self.external_id or _ID.fullmatch(self.external_id) else [self.external_id]
        return [str(self.id), marked, *bare]


class UserRef(NamedTuple):
    """A user as a client names one: `id:5` is the account 5, `ext:5` the outside subject "5", a bare text is either.

    `email:ada@example.org` is the account with that address, which is in the form of `settle_email` here.
    """

    user_id: int | None
    external_id: str | None
    email: str | None = None

    @classmethod
    def parse(cls, text: str) -> "UserRef":
        """Read a text; every one names somebody who may or may not exist."""
        if text.startswith(_ADDRESS) and text != _ADDRESS:
            return cls(None, None, settle_email(text.removeprefix(_ADDRESS)))
        if text.startswith(OUTSIDE) and text != OUTSIDE:
            return cls(None, text.removeprefix(OUTSIDE))
        if _ID.fullmatch(bare := text.removeprefix(_ACCOUNT)):
            return cls(int(bare), text if text == bare else None)
        return cls(None, text)

    def is_of(self, user: UserIds) -> bool:
        """Return whether a user has one of the ids. An address is none: see `Caller.is_named_by`."""
        has_external_id = user.external_id is not None and user.external_id == self.external_id
        return user.id == self.user_id or has_external_id

    def stored_name(self, user: UserIds | None) -> str:
        """Return the text to store for whom this names; it means the same for ever. None is somebody unknown.

        Digits are the id of an account. An external id stands as it is, marked `ext:` if it would read as something else. An
        address that no account has stays an address, whoever may have it later.
        """
        if self.email is not None:
            return f"{_ADDRESS}{self.email}" if user is None else str(user.id)
        if self.user_id is not None and (user is None or user.id == self.user_id):
            return str(self.user_id)
        return _stored_external(self.external_id or "")


class Caller(msgspec.Struct, frozen=True):
    """The account of a request's bearer token, and the session that the token belongs to, if any.

    `name` and `email` are recorded in audit entries, without reading the account again.
    """

    user_id: int
    role: Role
    external_id: str | None = None
    session_id: str | None = None
    name: str = ""
    email: str | None = None
    key_id: int | None = None
    """The API key of the request, if it came with one instead of a token."""
    scopes: frozenset[Scope] | None = None
    """What that key allows; None for a token, which allows all that the account may."""
    channel: Channel = Channel.API
    """PAGE for a browser that was signed in at a page."""

    @property
    def ids(self) -> UserIds:
        """The ids of the account."""
        return UserIds(self.user_id, self.external_id)

    def is_named_by(self, ref: UserRef) -> bool:
        """Return whether a reference names this account, by an id or by its address."""
        has_address = ref.email is not None and self.email is not None and settle_email(self.email) == ref.email
        return has_address or ref.is_of(self.ids)

    @property
    def sees_all(self) -> bool:
        """Whether the account may see everybody's data."""
        return self.role.sees_all


OPERATOR = Caller(NOBODY, Role.SYSTEM, channel=Channel.COMMAND)
"""Whoever uses the command line, where rights are looked at."""


class Client(msgspec.Struct, frozen=True):
    """The client of a request: its network address and user agent."""

    address: str
    user_agent: str | None = None
    languages: str | None = None
    """What the client wants to read, as in Accept-Language; the audit log does not have it."""

    @property
    def network(self) -> str:
        """What shares limits on clients: the address, or the first 64 bits of an IPv6 address, whose owner chooses the rest."""
        try:
            address = ip_address(self.address)
        except ValueError:
            return self.address
        if isinstance(address, IPv4Address):
            return self.address
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((int(address), 64), strict=False))


def settle_email(text: str) -> str:
    """Return the form of an e-mail address that all its spellings have: in lower case and in NFC. A text may be no address."""
    return nfc(nfc(text).strip().lower())


def _stored_external(external_id: str) -> str:
    reads_otherwise = _ID.fullmatch(external_id) or external_id.startswith((_ACCOUNT, OUTSIDE, _ADDRESS))
    return f"{OUTSIDE}{external_id}" if reads_otherwise else external_id

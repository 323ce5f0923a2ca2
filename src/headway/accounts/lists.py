"""Accounts as administrators list them."""

from typing import NamedTuple

import msgspec

from headway.accounts.model import Account, User
from headway.identity import Role
from headway.instants import Instant


class UserSearch(NamedTuple):
    """Which accounts to list; None matches any. `q` is an id, a whole e-mail address or external id, or parts of a name."""

    q: str | None = None
    role: Role | None = None
    is_disabled: bool | None = None


class ListedUser(msgspec.Struct, frozen=True):
    """An account in a list. `signed_in_at` is when the newest of its stored sign-ins began; see `SESSION_LIFETIME`."""

    user: User
    created_at: Instant
    signed_in_at: Instant | None


class UserCounts(NamedTuple):
    """How many accounts there are by role, and how many of all are disabled."""

    by_role: dict[Role, int]
    disabled: int

    @property
    def total(self) -> int:
        """The number of all accounts."""
        return sum(self.by_role.values())


class SignedIn(NamedTuple):
    """A sign-in that can still go on."""

    began_at: Instant
    expires_at: Instant


class UserDetails(NamedTuple):
    """An account with its sign-ins, the newest first."""

    account: Account
    sessions: list[SignedIn]

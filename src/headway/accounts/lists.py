"""Accounts as administrators list them."""

from enum import StrEnum
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


class UserSort(StrEnum):
    """The orders of the list; accounts that were never used come last."""

    NEWEST = "newest"
    NAME = "name"
    ACTIVE = "active"
    """Those used last come first."""
    INACTIVE = "inactive"
    """Those used longest ago come first."""


class ListedUser(msgspec.Struct, frozen=True):
    """An account in a list.

    `signed_in_at` is when the newest of its stored sign-ins began, see `SESSION_LIFETIME`; `seen_at` when it was used last, to
    the hour. `folded_name` is the name as it is sorted by.
    """

    user: User
    created_at: Instant
    signed_in_at: Instant | None
    seen_at: Instant | None = None
    folded_name: str | None = None


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

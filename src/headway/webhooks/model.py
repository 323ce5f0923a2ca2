"""Webhooks and their deliveries: what is sent where, how often it is tried again, and when a webhook ends."""

import base64
import random
import secrets
from collections.abc import Collection, Sequence
from email.utils import parsedate_to_datetime
from enum import StrEnum
from ipaddress import ip_address
from typing import NamedTuple, TypeAlias

import msgspec

from headway.errors import FieldError
from headway.instants import DAY, HOUR, MINUTE, SECOND, Instant, Milliseconds, from_datetime
from headway.text import MAX_URL_LENGTH, split_url
from headway.webhooks.addresses import is_public
from headway.webhooks.announcements import SUBSCRIBABLE, EventType

MAX_WEBHOOKS = 50
"""Of an installation: each is a row more for what happens."""
MAX_DESCRIPTION = 200
NO_LEARNER = NO_COURSE = 0
"""Stand for the learner and the course of a test."""
OLD_SECRET_FOR = DAY
"""How long deliveries are signed with the secret before, too."""

RETRY_AFTER: Sequence[Milliseconds] = (
    5 * SECOND,
    MINUTE,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    12 * HOUR,
    18 * HOUR,
    24 * HOUR,
)
"""The pauses after attempts that fail: 71 h 36 min together, each a tenth shorter or longer at random."""
_JITTER = 0.1
LONGEST_PAUSE = DAY
"""The longest time for which a receiver is left alone because it asks for that."""
_ASKS_TO_WAIT = frozenset({429, 503})
"""The statuses with which `Retry-After` says when to try again (RFC 9110, section 10.2.3; RFC 6585, section 4)."""
_KEPT_ATTEMPTS = 20
MAX_EXCERPT, MAX_ERROR = 200, 200
"""The most characters that are kept of what a receiver answers, and of an error."""
_SUCCESS = range(200, 300)
GONE = 410
"""The status by which a receiver says that it wants no more (Standard Webhooks, "Deliverability and reliability")."""


class DeliveryStatus(StrEnum):
    """What became of a delivery. FAILED: no attempt is made by itself any more."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class DisabledReason(StrEnum):
    """Why a webhook gets nothing."""

    BY_HAND = "by-hand"
    GONE = "gone"
    """The receiver has answered 410."""
    FAILING = "failing"
    """All attempts of a delivery have failed, and nothing else was delivered since the first of them."""


class NewWebhook(msgspec.Struct, frozen=True):
    """A webhook to create or to change. Without a course it is for all courses."""

    url: str
    events: tuple[str, ...] = SUBSCRIBABLE
    course_id: int | None = None
    description: str | None = None


class Webhook(msgspec.Struct, frozen=True):
    """A receiver, and what it gets. `secrets` are those to sign with, the newest first."""

    id: int
    url: str
    events: tuple[str, ...]
    course_id: int | None
    description: str | None
    secrets: tuple[str, ...]
    is_enabled: bool
    disabled_at: Instant | None
    disabled_reason: DisabledReason | None
    created_at: Instant
    updated_at: Instant
    paused_until: Instant | None = None
    """Until when the receiver has asked to be left alone."""

    @property
    def host(self) -> str:
        """The host of the URL, whose other parts may be secret."""
        return host_of(self.url)


def host_of(url: str) -> str:
    """Return the host of a URL, with its port if it has one."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0]


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """One attempt to deliver: the status of the answer, or the error, and the beginning of what was answered."""

    at: Instant
    took_ms: Milliseconds
    status: int | None = None
    error: str | None = None
    excerpt: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the receiver has taken the delivery."""
        return self.status in _SUCCESS


Line: TypeAlias = tuple[int, int, int]
"""(webhook_id, user_id, course_id): the deliveries that are sent one after the other."""


class Delivery(msgspec.Struct):
    """One announcement for one webhook. `tries` counts the attempts since it began, or was begun again by hand."""

    id: int
    webhook_id: int
    message_id: str
    type: EventType
    user_id: int
    course_id: int
    data: str
    """The fields of the announcement, as JSON."""
    at: Instant
    status: DeliveryStatus
    next_at: Instant | None
    """When the next attempt is due; while one is made, when it is given up."""
    tries: int
    attempts: tuple[Attempt, ...]
    """The latest ones."""
    ended_at: Instant | None = None

    def settle(self, attempt: Attempt, *, jitter: float, not_before: Instant = 0) -> None:
        """Take in an attempt; `jitter` is from -1 to 1. The next one is not made before the receiver wants it."""
        self.attempts = (*self.attempts, attempt)[-_KEPT_ATTEMPTS:]
        self.tries += 1
        ended_at = attempt.at + attempt.took_ms
        if attempt.is_success:
            self.status, self.next_at, self.ended_at = DeliveryStatus.DELIVERED, None, ended_at
        elif attempt.status == GONE or self.tries > len(RETRY_AFTER):
            self.status, self.next_at, self.ended_at = DeliveryStatus.FAILED, None, ended_at
        else:
            self.next_at = max(ended_at + round(RETRY_AFTER[self.tries - 1] * (1 + _JITTER * jitter)), not_before)

    @property
    def line(self) -> Line:
        """The deliveries of which one waits for the other."""
        return self.webhook_id, self.user_id, self.course_id

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no more."""
        return bool(self.attempts) and self.attempts[-1].status == GONE

    @property
    def began_at(self) -> Instant:
        """When the attempts began that count."""
        return self.attempts[-min(self.tries, len(self.attempts))].at if self.tries and self.attempts else self.at


class Subscription(NamedTuple):
    """What an enabled webhook gets."""

    webhook_id: int
    events: Collection[str]
    course_id: int | None

    def takes(self, event_type: EventType, course_id: int) -> bool:
        """Return whether it gets what happened in a course."""
        return event_type in self.events and self.course_id in {None, course_id}


class Backlog(NamedTuple):
    """What waits to be delivered: how much, counted up to a bound, and since when."""

    pending: int
    oldest_at: Instant | None


def new_secret() -> str:
    """Return a new secret, as Standard Webhooks writes them: 32 random bytes in base64."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def read_retry_after(status: int | None, text: str | None, now: Instant) -> Instant | None:
    """Return when a receiver wants to be asked again, within `LONGEST_PAUSE`: by seconds or by a date; None if it does not say.

    What is neither, and dates that have passed, say nothing.
    """
    if status not in _ASKS_TO_WAIT or not text:
        return None
    if text.isascii() and text.isdigit():
        until = now + int(text) * SECOND
    else:
        try:
            until = from_datetime(parsedate_to_datetime(text))
        except (ValueError, OverflowError, IndexError, TypeError):
            return None
    return min(until, now + LONGEST_PAUSE) if until > now else None


def random_jitter() -> float:
    """Return a random number from -1 to 1."""
    return random.uniform(-1, 1)  # noqa: S311 - it spreads attempts, and hides nothing


def check(new: NewWebhook, *, allows_http: bool, allows_private: bool) -> list[FieldError]:
    """Return what is wrong with a webhook: all that can be known without asking for the addresses of its host."""
    errors = []
    fault = _url_fault(new.url, allows_http=allows_http, allows_private=allows_private)
    if fault is not None:
        errors.append(FieldError("url", fault))
    if not new.events or any(each not in SUBSCRIBABLE for each in new.events):
        errors.append(FieldError("events", f"must be some of {', '.join(SUBSCRIBABLE)}"))
    if new.description is not None and len(new.description) > MAX_DESCRIPTION:
        errors.append(FieldError("description", f"must have at most {MAX_DESCRIPTION} characters"))
    return errors


def _url_fault(url: str, *, allows_http: bool, allows_private: bool) -> str | None:
    is_http = url.startswith("http://")
    try:
        parts = split_url(f"https{url.removeprefix('http')}" if is_http and allows_http else url, max_length=MAX_URL_LENGTH)
    except ValueError as error:
        return str(error)
    if parts.fragment or not url.isascii():
        return "must be in ASCII and have no fragment"
    if not allows_private and _is_private_literal(parts.hostname or ""):
        return "must not be a private, loopback, link-local or reserved address"
    return None


def _is_private_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        # A name, or a number in an odd notation: its addresses are checked whenever a connection is made.
        return False
    return not is_public(host)

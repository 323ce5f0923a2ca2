"""Mails: what they tell, to whom, and what became of them."""

import random
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

from headway.instants import DAY, HOUR, MINUTE, SECOND, Instant, Milliseconds

RETRY_AFTER = (10 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR)
"""After each attempt, how long until the next one; after the last of them, always the longest."""
LIFETIME: Milliseconds = 2 * DAY
"""How long a mail is tried that says nothing else."""
MAX_ANSWER = 500
_JITTER = 0.1
_LOCAL = r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*"
_LABEL = r"\w(?:[\w-]{0,61}\w)?"
_MAILBOX = re.compile(rf"{_LOCAL}@{_LABEL}(?:\.{_LABEL})+")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


class MailKind(StrEnum):
    """What a mail tells. Those that end in `asked` become another one, or none, before they are sent."""

    PASSWORD_ASKED = "password_asked"  # noqa: S105 - the name of a kind
    PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a kind
    PASSWORD_ELSEWHERE = "password_elsewhere"  # noqa: S105 - the name of a kind
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of a kind
    ACCOUNT_INVITATION = "account_invitation"
    COURSE_INVITATION = "course_invitation"
    COURSE_ENROLLMENT = "course_enrollment"
    REGISTRATION_ASKED = "registration_asked"
    REGISTRATION = "registration"
    ADDRESS_KNOWN = "address_known"
    ADDRESS_CHANGE_ASKED = "address_change_asked"
    ADDRESS_CHANGE = "address_change"
    ADDRESS_CHANGE_NOTE = "address_change_note"
    ADDRESS_CHANGED = "address_changed"


class MailStatus(StrEnum):
    """What became of a mail."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class Letter(msgspec.Struct, frozen=True):
    """What is told to whom. It is written out when it is sent, in the first of `languages` (as in Accept-Language) there is."""

    kind: MailKind
    to: str
    languages: str | None = None
    values: Mapping[str, str] = {}
    user_id: int | None = None
    """The account of the receiver, if there is one."""
    lifetime: Milliseconds = LIFETIME
    """After this time it is not sent any more: its link has ended."""


class Written(NamedTuple):
    """A letter as it is read: its subject, and its paragraphs as text and as HTML."""

    subject: str
    text: str
    html: str
    language: str


class Outcome(StrEnum):
    """What came of an attempt."""

    SENT = "sent"
    RETRIED = "retried"
    FAILED = "failed"


class Attempt(NamedTuple):
    """What came of an attempt, and what the mail server said."""

    outcome: Outcome
    answer: str


class Mail(msgspec.Struct):
    """A letter in the outbox. `letter` is None, and `to` too, once it is sent, and where no present key decrypts them."""

    id: int
    message_id: str
    kind: MailKind
    user_id: int | None
    to: str | None
    letter: Letter | None
    at: Instant
    status: MailStatus
    next_at: Instant | None
    """When the next attempt is due; while one is made, when it is given up."""
    until_at: Instant
    tries: int
    answer: str | None = None
    ended_at: Instant | None = None

    def settle(self, attempt: Attempt, now: Instant, *, jitter: float) -> None:
        """Take in an attempt that has ended; `jitter` is from -1 to 1."""
        self.tries += 1
        self.answer = attempt.answer[:MAX_ANSWER]
        if attempt.outcome is Outcome.SENT:
            self._end(MailStatus.SENT, now)
            return
        pause = RETRY_AFTER[min(self.tries, len(RETRY_AFTER)) - 1]
        self.next_at = now + round(pause * (1 + _JITTER * jitter))
        if attempt.outcome is Outcome.FAILED or self.next_at >= self.until_at:
            self._end(MailStatus.FAILED, now)

    def give_up(self, answer: str, now: Instant) -> None:
        """Send it no more."""
        self.answer = answer
        self._end(MailStatus.FAILED, now)

    def _end(self, status: MailStatus, now: Instant) -> None:
        # What it said, with its link, is kept no longer than it is needed; a failure still says to whom.
        self.status, self.next_at, self.ended_at, self.letter = status, None, now, None
        if status is MailStatus.SENT:
            self.to = None


class MailFacts(NamedTuple):
    """What waits and what failed: counted up to a bound, with the latest failures."""

    pending: int
    oldest_at: Instant | None
    failed: int
    failures: tuple[Mail, ...]
    retried: tuple[Mail, ...]
    """Those that wait after an attempt that came to nothing."""
    unreadable: int = 0
    """How many of those that are due first no present key decrypts."""


def is_mailbox(address: str) -> bool:
    """Return whether mail can be handed over for an address: no quotes, brackets or lists, which accounts may have."""
    return _MAILBOX.fullmatch(address) is not None


def one_line(text: str) -> str:
    """Return a text as a header can have it: in one line, and without what cannot be seen."""
    return " ".join(_INVISIBLE.sub(" ", text).split())


def random_jitter() -> float:
    """Return a random number from -1 to 1."""
    return random.uniform(-1, 1)  # noqa: S311 - it spreads attempts, and hides nothing

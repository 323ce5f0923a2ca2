"""Audit entries: who did what to what, and who recorded it."""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from headway.identity import Caller, Client, Role, settle_email
from headway.instants import Instant
from headway.text import nfc

_ACCOUNT_ID = re.compile("[1-9][0-9]{0,14}")


class TargetType(StrEnum):
    """The kinds of things that can be acted upon."""

    USER = "USER"
    COURSE = "COURSE"
    LESSON = "LESSON"
    ENROLLMENT = "ENROLLMENT"
    COHORT = "COHORT"
    FILE = "FILE"
    NOTE = "NOTE"
    DISCUSSION = "DISCUSSION"
    SYSTEM = "SYSTEM"
    OTHER = "OTHER"

    @property
    def model(self) -> str | None:
        """The name of its model; SYSTEM and OTHER have none."""
        return None if self in {TargetType.SYSTEM, TargetType.OTHER} else self.value.capitalize()


class EntryStatus(StrEnum):
    """Whether the action succeeded."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"


class Action(StrEnum):
    """The actions that Headway records by itself."""

    LOGIN = "LOGIN"
    LOGIN_FAILED = "LOGIN_FAILED"
    LOGOUT_EVERYWHERE = "LOGOUT_EVERYWHERE"
    EXPORT_DATA = "EXPORT_DATA"
    APPLY_RETENTION = "APPLY_RETENTION"
    TOKEN_REUSED = "TOKEN_REUSED"  # noqa: S105 - the name of an action
    CHANGE_PASSWORD = "CHANGE_PASSWORD"  # noqa: S105 - the name of an action
    CREATE_PASSWORD_LINK = "CREATE_PASSWORD_LINK"  # noqa: S105 - the name of an action
    CHANGE_ROLE = "CHANGE_ROLE"
    CHANGE_COURSE_ROLE = "CHANGE_COURSE_ROLE"
    CHANGE_EMAIL = "CHANGE_EMAIL"
    CHANGE_NAME = "CHANGE_NAME"
    CHANGE_EXTERNAL_ID = "CHANGE_EXTERNAL_ID"
    VERIFY_EMAIL = "VERIFY_EMAIL"
    CREATE_USER = "CREATE_USER"
    CREATE_TOKEN = "CREATE_TOKEN"  # noqa: S105 - the name of an action
    ERASE_USER = "ERASE_USER"
    CREATE_API_KEY = "CREATE_API_KEY"
    REVOKE_API_KEY = "REVOKE_API_KEY"
    DISABLE_USER = "DISABLE_USER"
    ENABLE_USER = "ENABLE_USER"
    CREATE_COURSE = "CREATE_COURSE"
    CHANGE_COURSE = "CHANGE_COURSE"
    ENROLL_LEARNER = "ENROLL_LEARNER"
    INVITE_LEARNER = "INVITE_LEARNER"
    WITHDRAW_INVITATION = "WITHDRAW_INVITATION"
    CHANGE_ENROLLMENT = "CHANGE_ENROLLMENT"
    UPDATE_PROGRESS = "UPDATE_PROGRESS"
    REPORT_EVENTS = "REPORT_EVENTS"
    GRADE_SUBMISSION = "GRADE_SUBMISSION"
    RESET_PROGRESS = "RESET_PROGRESS"
    UNDO_RESET = "UNDO_RESET"
    IMPORT_DATA = "IMPORT_DATA"
    CHANGE_TUTORIAL = "CHANGE_TUTORIAL"
    ROTATE_KEYS = "ROTATE_KEYS"
    ARCHIVE_EVENTS = "ARCHIVE_EVENTS"
    CREATE_BACKUP = "CREATE_BACKUP"
    RESTORE_BACKUP = "RESTORE_BACKUP"
    CREATE_WEBHOOK = "CREATE_WEBHOOK"
    CHANGE_WEBHOOK = "CHANGE_WEBHOOK"
    DELETE_WEBHOOK = "DELETE_WEBHOOK"


class Actor(msgspec.Struct, frozen=True):
    """Who did it, as named by whoever recorded it."""

    user_id: str | None
    name: str | None
    email: str | None
    role: str | None


class Target(msgspec.Struct, frozen=True):
    """What it was done to."""

    type: TargetType
    id: str | None = None
    model: str | None = None
    name: str | None = None


class Context(msgspec.Struct, frozen=True):
    """The circumstances; `additional_info` belongs to the client."""

    description: str | None = None
    source: str | None = None
    additional_info: dict[str, Any] = {}


class EntryDraft(NamedTuple):
    """What a caller asks to record; without an actor, the caller is the actor."""

    action: str
    actor: Actor | None
    target: Target
    context: Context
    metadata: dict[str, object]
    size_bytes: int = 0
    """The size of the client's own data."""


class Deed(NamedTuple):
    """What an authenticated user did, to be recorded."""

    action: Action
    actor: Actor
    target: Target
    metadata: dict[str, Any]
    client: Client | None


class Act(NamedTuple):
    """What a caller or an operator did, to be recorded with others."""

    action: Action
    target: Target
    metadata: dict[str, object]


class NewAuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry to append. `recorded_by` is the authenticated account, None for Headway itself."""

    action: str
    actor: Actor
    is_actor_verified: bool
    recorded_by: int | None
    recorded_role: Role
    target: Target
    context: Context = Context()
    metadata: dict[str, Any] = {}
    status: EntryStatus = EntryStatus.SUCCESS
    client: Client | None = None


class NamedIds(NamedTuple):
    """Who is named in the columns of an entry; texts are as `UserRef.stored_name` writes them."""

    action: str
    actor_id: str | None
    recorded_by: int | None
    target_type: str
    target_id: str | None

    def people(self) -> list[int]:
        """Return the ids of the accounts whose names and texts the content of the entry may hold.

        That an account was erased is told without any: it has to be read when the account has no key any more.
        """
        if self.is_erasure:
            return []
        named = [self.target_id if self.target_type == TargetType.USER else None]
        if self.target_type == TargetType.ENROLLMENT and self.target_id is not None:
            named.append(self.target_id.partition("-")[2])
        return [*_account_ids(named), *self.authors()]

    def authors(self) -> list[int]:
        """Return the ids of the accounts that did what the entry tells, or recorded it."""
        ids = _account_ids([self.actor_id])
        return ids if self.recorded_by is None else [*ids, self.recorded_by]

    @property
    def is_erasure(self) -> bool:
        """Whether Headway itself recorded that an account was erased."""
        return self.action == Action.ERASE_USER and self.recorded_by is None


def _account_ids(names: Iterable[str | None]) -> list[int]:
    return [int(each) for each in names if each is not None and _ACCOUNT_ID.fullmatch(each)]


class AuditEntry(NewAuditEntry, frozen=True, kw_only=True):
    """An entry of the log; `seq` starts at 1 and has no gaps."""

    seq: int
    id: str
    performed_at: Instant


class EntryFilter(NamedTuple):
    """Which entries to list; None matches any, and of several ids each one. `since` is inclusive, `until` exclusive."""

    action: str | None = None
    actor_ids: Sequence[str] | None = None
    target_type: TargetType | None = None
    target_ids: Sequence[str] | None = None
    since: Instant | None = None
    until: Instant | None = None

    @property
    def names_users(self) -> bool:
        """Whether all ids are of users."""
        return not self.target_ids or self.target_type is TargetType.USER


class AccountIds(NamedTuple):
    """The ids by which the log knows an account: as an actor, and as the one who recorded."""

    actor_ids: Sequence[str]
    user_id: int

    def is_part_of(self, entry: NewAuditEntry) -> bool:
        """Return whether the account is the actor of an entry, or recorded it."""
        return entry.actor.user_id in self.actor_ids or entry.recorded_by == self.user_id


def course_target(course_id: int, title: str | None = None) -> Target:
    """Return a course as a target."""
    return Target(TargetType.COURSE, str(course_id), TargetType.COURSE.model, title)


def enrollment_target(course_id: int, user_id: int) -> Target:
    """Return a learner's enrollment in a course as a target."""
    return Target(TargetType.ENROLLMENT, f"{course_id}-{user_id}", TargetType.ENROLLMENT.model)


def learner_in_course(course_id: int, user_id: int) -> dict[str, object]:
    """Return the metadata that name a learner in a course."""
    return {"courseId": str(course_id), "learnerId": str(user_id)}


def caller_actor(caller: Caller) -> Actor:
    """Return a caller as an actor."""
    return Actor(str(caller.user_id), caller.name, caller.email, caller.role.value)


def caller_ids(caller: Caller) -> AccountIds:
    """Return the ids of a caller."""
    return AccountIds(caller.ids.stored_names, caller.user_id)


def new_entry(caller: Caller, draft: EntryDraft, client: Client) -> NewAuditEntry:
    """Return the entry for a caller's draft.

    The actor is verified if it is the caller, or if the caller may see all and so is trusted to name somebody else.
    """
    return NewAuditEntry(
        action=draft.action,
        actor=caller_actor(caller) if draft.actor is None else draft.actor,
        is_actor_verified=draft.actor is None or caller.sees_all or _is_caller(draft.actor, caller),
        recorded_by=caller.user_id,
        recorded_role=caller.role,
        target=draft.target,
        context=draft.context,
        metadata=draft.metadata,
        client=client,
    )


def _is_caller(actor: Actor, caller: Caller) -> bool:
    """Return whether an actor is the caller by its id, and in all else that is said of it: role, name and e-mail address."""
    return (
        actor.user_id in caller.ids.stored_names
        and actor.role in {None, caller.role.value}
        and (actor.name is None or nfc(actor.name).strip() == nfc(caller.name).strip())
        and (actor.email is None or _is_address_of(actor.email, caller))
    )


def _is_address_of(text: str, caller: Caller) -> bool:
    return caller.email is not None and settle_email(text) == settle_email(caller.email)

"""Request and response bodies of accounts and sessions."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from headway.accounts.link_model import MAX_TOKEN
from headway.accounts.model import EMAIL_PATTERN, MAX_EMAIL, MAX_NAME, MAX_WORDS
from headway.accounts.passwords import LONGEST, SHORTEST
from headway.http.decoding import VERBATIM
from headway.http.schemas import text, visible_text
from headway.identity import Role
from headway.ids import MAX_EXTERNAL_ID

Name = Annotated[str, visible_text(MAX_NAME)]
Email = Annotated[str, VERBATIM, Meta(extra_json_schema={"maxLength": MAX_EMAIL, "pattern": EMAIL_PATTERN})]
Password = Annotated[
    str,
    VERBATIM,
    text(LONGEST, shortest=SHORTEST),
    Meta(description="Has an upper-case letter and a special character, and is not a common password."),
]
Words = Annotated[list[Name], Meta(extra_json_schema={"maxItems": MAX_WORDS})]


class RegisterBody(msgspec.Struct):
    """A learner to register. Other fields, such as a role, are ignored."""

    name: Name
    email: Email
    password: Password
    interests: Words = []
    invitation: Annotated[str, VERBATIM, Meta(max_length=MAX_TOKEN)] = ""
    """What the link of an invitation holds after `#`: it proves the address, where addresses have to be proven."""


class Account(msgspec.Struct, rename="camel"):
    """An account, as its owner sees it."""

    id: str
    name: str
    email: str | None
    role: str
    interests: list[str]
    created_at: str


class LoginBody(msgspec.Struct):
    """The credentials of a user."""

    email: Annotated[str, VERBATIM, Meta(max_length=1_000)]
    password: Annotated[str, VERBATIM, Meta(max_length=10_000)]


class RefreshBody(msgspec.Struct, rename="camel"):
    """The refresh token of a session to continue."""

    refresh_token: Annotated[str, Meta(max_length=32_000)]


class PasswordBody(msgspec.Struct, rename="camel"):
    """The current password and its replacement."""

    current_password: Annotated[str, VERBATIM, Meta(max_length=10_000)]
    new_password: Password


class Registered(msgspec.Struct):
    """A registration that waits until its address is proven: see the mail to it."""

    email: str
    status: Literal["unverified"] = "unverified"


class VerificationBody(msgspec.Struct):
    """An address that was registered, and is not proven yet."""

    email: Email


class TokenBody(msgspec.Struct):
    """What a mailed link holds after `#`, or the whole link."""

    token: Annotated[str, VERBATIM, Meta(min_length=1, max_length=MAX_TOKEN)]


class AddressBody(msgspec.Struct, rename="camel"):
    """Another address for the account, and its password."""

    new_email: Email
    current_password: Annotated[str, VERBATIM, Meta(max_length=10_000)]


class ForgottenBody(msgspec.Struct):
    """The address of whoever forgot a password."""

    email: Email


class ResetBody(msgspec.Struct, rename="camel"):
    """What the mailed link holds after `#` (or the whole link), and the new password."""

    token: Annotated[str, VERBATIM, Meta(min_length=1, max_length=MAX_TOKEN)]
    new_password: Password


class Asked(msgspec.Struct):
    """What happens now; it is the same for every address."""

    message: str


class NewUserBody(msgspec.Struct, rename="camel"):
    """An account to create. With `invite`, its owner gets a mail to choose a password."""

    name: Name
    email: Email
    role: Role = Role.PARTICIPANT
    external_id: Annotated[str, visible_text(MAX_EXTERNAL_ID)] | None = None
    invite: bool = True


class CreatedUser(msgspec.Struct, rename="camel"):
    """An account as administrators see it."""

    id: str
    name: str
    email: str | None
    role: str
    external_id: str | None


class PasswordLink(msgspec.Struct, rename="camel"):
    """A link to choose a password, shown this once. `url` is null where the server does not know its own address."""

    path: str
    url: str | None
    expires_at: str


class SignedIn(msgspec.Struct, kw_only=True, rename="camel"):
    """A session: an access token with its lifetime in seconds, and a refresh token that can be used once."""

    status: str = "success"
    token: str
    refresh_token: str
    expires_in: int
    user: Account


class Profile(msgspec.Struct, rename="camel"):
    """An account with its courses, study time and points."""

    id: str
    name: str
    email: str | None
    role: str
    interests: list[str]
    learning_goals: list[str]
    enrolled_courses: list[str]
    total_study_hours: float
    points: int
    created_at: str


class ProfileBody(msgspec.Struct, rename="camel"):
    """Changes to a profile. Omitted fields keep their values; other fields are ignored."""

    name: Name | UnsetType = UNSET
    interests: Words | UnsetType = UNSET
    learning_goals: Words | UnsetType = UNSET

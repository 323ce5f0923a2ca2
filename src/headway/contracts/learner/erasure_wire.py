"""Request and response bodies of erasures."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from headway.accounts.model import MAX_EMAIL
from headway.http.schemas import visible_text
from headway.privacy.erasure import Reason


class ErasureBody(msgspec.Struct, rename="camel"):
    """Why a person is erased. `confirmation` repeats the id or the address of the account, so that nobody else is erased."""

    reason: Reason
    confirmation: Annotated[str, visible_text(MAX_EMAIL)]


class Receipt(msgspec.Struct, rename="camel"):
    """What was erased: counts by kind, and nothing personal. `erasedBy` is null for an operator at the command line.

    `left` is what is still in files of archived events: as many events of the person. Older receipts are without it.
    """

    format: str
    installation: str
    user_id: str
    role: str
    reason: Reason
    erased_at: str
    erased_by: str | None
    erased: dict[str, int]
    left: dict[str, int] | UnsetType = UNSET


class Erasure(msgspec.Struct, rename="camel"):
    """An erasure with its receipt, signed with Ed25519. `signature` and `publicKey` are Base64."""

    id: str
    receipt: Receipt
    signature: str
    public_key: str


class ReceiptKey(msgspec.Struct, rename="camel"):
    """The key that verifies all receipts of this installation, in Base64."""

    algorithm: str
    public_key: str

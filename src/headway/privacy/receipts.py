"""Receipts of erasures: what was erased, when and by whom, without anything personal, signed so that anybody can verify it.

The key is Ed25519. It is made with the first receipt and stored encrypted; key rotation encrypts it anew, so that the same
public key verifies all receipts of an installation, however old.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import UNSET, UnsetType

from headway.errors import Invalid
from headway.instants import Instant

MAX_RECEIPT_BYTES = 64_000
FORMAT = "headway-erasure-1"


class Receipt(msgspec.Struct, frozen=True, rename="camel"):
    """What a receipt says. `erased` are counts by kind; `erased_by` is null for an operator at the command line.

    `installation` identifies the installation that signed: it is the beginning of the SHA-256 of its public key.
    """

    format: str
    installation: str
    user_id: str
    role: str
    reason: str
    erased_at: str
    erased_by: str | None
    erased: dict[str, int]
    left: dict[str, int] | UnsetType = UNSET
    """What an erasure does not reach, by kind. Older receipts say nothing of it."""


class SignedReceipt(msgspec.Struct, frozen=True, rename="camel"):
    """A receipt with its signature and the public key that verifies it, in Base64."""

    receipt: Receipt
    signature: str
    public_key: str


class Erasure(msgspec.Struct, frozen=True):
    """An erasure with its signed receipt."""

    id: int
    at: Instant
    signed: SignedReceipt


def encode(receipt: Mapping[str, object] | Receipt) -> bytes:
    """Return what is signed of a receipt: its JSON in UTF-8 with sorted keys and without white space."""
    return msgspec.json.encode(receipt, order="sorted")


def new_private_key() -> str:
    """Return a new private key in Base64."""
    return b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


def public_key_of(private_key: str) -> str:
    """Return the public key of a private key, both in Base64."""
    return b64encode(_private(private_key).public_key().public_bytes_raw()).decode()


def sign(private_key: str, receipt: Receipt) -> str:
    """Return the signature of a receipt in Base64."""
    return b64encode(_private(private_key).sign(encode(receipt))).decode()


def verify(content: bytes, public_key: str) -> Receipt:
    """Return the receipt in a file, if a public key verifies its signature. It needs no database.

    The key in the file is not asked: whoever forges a receipt writes a key of their own there.
    Raises Invalid naming `key` or `file`.
    """
    try:
        key = Ed25519PublicKey.from_public_bytes(b64decode(public_key, validate=True))
    except ValueError as error:
        raise Invalid.field("key", "must be an Ed25519 public key: 32 bytes in Base64") from error
    if len(content) > MAX_RECEIPT_BYTES:
        raise Invalid.field("file", f"must not have more than {MAX_RECEIPT_BYTES} bytes")
    try:
        given = msgspec.json.decode(content, type=_Given)
        receipt = msgspec.convert(given.receipt, Receipt)
        signature = b64decode(given.signature, validate=True)
    except (ValueError, msgspec.ValidationError) as error:
        raise Invalid.field("file", "is not a receipt of an erasure") from error
    try:
        # What the file says is verified, with fields of which this version knows nothing.
        key.verify(signature, encode(given.receipt))
    except InvalidSignature as error:
        raise Invalid.field("file", "was not signed with this key, or was changed since") from error
    return receipt


class _Given(msgspec.Struct):
    receipt: dict[str, object]
    signature: str


def _private(private_key: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(b64decode(private_key))

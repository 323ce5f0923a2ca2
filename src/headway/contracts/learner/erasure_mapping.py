"""Conversion of erasures: pure functions."""

from headway.contracts.learner import erasure_wire
from headway.privacy.erasure import Reason
from headway.privacy.receipts import Erasure, Receipt


def erasure(made: Erasure) -> erasure_wire.Erasure:
    """Render an erasure with its receipt, which can be saved as a file and verified."""
    signed = made.signed
    return erasure_wire.Erasure(
        id=str(made.id), receipt=_receipt(signed.receipt), signature=signed.signature, public_key=signed.public_key
    )


def _receipt(receipt: Receipt) -> erasure_wire.Receipt:
    return erasure_wire.Receipt(
        format=receipt.format,
        installation=receipt.installation,
        user_id=receipt.user_id,
        role=receipt.role,
        reason=Reason(receipt.reason),
        erased_at=receipt.erased_at,
        erased_by=receipt.erased_by,
        erased=receipt.erased,
        left=receipt.left,
    )

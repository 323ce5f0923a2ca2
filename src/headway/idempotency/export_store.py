"""What is told of the responses that are kept for a person's repeated requests."""

from headway.db.personal import TableSection
from headway.idempotency.tables import idempotency_keys

SECTIONS = [
    TableSection(
        "repeatable-requests",
        idempotency_keys,
        ["key"],
        without={"request": "a hash", "answer": "a copy of what is told elsewhere"},
    )
]

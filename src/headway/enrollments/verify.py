"""Verify the seats of courses and their waiting lists."""

from headway.db.database import ReadTransaction
from headway.enrollments import store
from headway.verify import Difference, Findings


async def check_seats(tx: ReadTransaction, findings: Findings) -> None:
    """Compare each course's seats taken with its open enrollments and its capacity; nobody waits beside a free seat."""
    for row in await store.read_seats(tx):
        findings.checked["courses"] += 1
        key: dict[str, int | str] = {"id": row["id"]}
        if row["seats_taken"] != row["holders"]:
            findings.add([Difference("courses", key, "seats_taken", row["seats_taken"], row["holders"])])
        if row["capacity"] is not None and row["holders"] > row["capacity"]:
            expected = f"at least {row['holders']}, the learners who hold a seat"
            findings.add([Difference("courses", key, "capacity", row["capacity"], expected)])
    findings.add(
        Difference("waiting_list", {"course_id": row["id"]}, "number", row["waiting"], "nobody, for there are free seats")
        for row in await store.find_waiting_beside_free_seats(tx)
    )

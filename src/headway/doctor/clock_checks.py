"""The clock: against what is stored, and against the clock of the database server."""

from headway.audit import store as audit_store
from headway.db.facts import read_clock
from headway.doctor.patient import Area, Needs, Patient
from headway.health.findings import Found, ok, problem, warning
from headway.instants import MINUTE, SECOND, iso

area = Area("Clock")

_TOLERATED = 2 * SECOND
_WRONG = MINUTE
_FIRST_CREDIBLE = 1_767_225_600_000
"""2026-01-01: no version of Headway is older."""


@area.check(
    "Stored times",
    why="With a clock behind what is stored, sessions, limits and new events are taken for older than they are.",
    needs=Needs.DATA,
)
async def stored_times(patient: Patient) -> Found:
    """Compare the clock with the newest entry of the audit log, which is signed with its time."""
    now = patient.clock()
    if now < _FIRST_CREDIBLE:
        return problem(f"The clock says {iso(now)}.", "Set it: timedatectl set-ntp true.")
    async with patient.database.read() as tx:
        head = await audit_store.head(tx)
    if head is not None and head.at > now + _TOLERATED:
        behind = (head.at - now) / SECOND
        return problem(
            f"The clock says {iso(now)}; the newest entry of the audit log is of {iso(head.at)}, {behind:,.0f} seconds later.",
            "Set the clock (timedatectl set-ntp true); if it is right, one was wrong when that was written.",
        )
    return ok(f"It is {iso(now)}, after everything that is stored.")


@area.check(
    "Database server", why="Servers with different clocks store times that contradict each other.", needs=Needs.DATABASE
)
async def database_server(patient: Patient) -> Found | None:
    """Compare the clock with that of PostgreSQL."""
    if patient.settings.is_sqlite:
        return None
    before = patient.clock()
    async with patient.database.read(single_statement=True) as tx:
        theirs = await read_clock(tx)
    after = patient.clock()
    return compare(before, theirs, after)


def compare(before: int, theirs: int, after: int) -> Found:
    """Compare a clock that was read in between with this one."""
    difference = max(before - theirs, theirs - after, 0)
    if difference <= _TOLERATED:
        return ok("The clock of the database server agrees.")
    report = problem if difference > _WRONG else warning
    return report(f"The clocks differ by {difference / SECOND:,.0f} seconds.", "Set both by the same time servers (NTP).")

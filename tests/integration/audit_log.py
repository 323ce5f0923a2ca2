"""Quick ways to write to the activity log, to change it behind its back, and to have it verified."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, update

from headway.accounts.naming import find_user
from headway.audit.chain import ChainHead
from headway.audit.model import Context, EntryDraft, Target, TargetType
from headway.audit.service import AuditLog
from headway.audit.tables import audit_entries
from headway.audit.verify import Fault, verify_log
from headway.db.dialects import Statement
from headway.identity import Caller, Client
from headway.ids import uuid7
from headway.telemetry import Metrics
from tests.world import World

HERE = Client("192.0.2.7", "a browser")
ENTRIES = 9
Statements = Sequence[Statement]


def log_of(world: World) -> AuditLog:
    return AuditLog(world.database, world.clock, uuid7, Metrics(), find_user=find_user)


def draft(action: str) -> EntryDraft:
    return EntryDraft(action, None, Target(TargetType.COURSE, "5", "Course", "Engines"), Context("why", "TEST"), {"size": 1})


async def write(world: World, count: int = ENTRIES) -> list[str]:
    """Write entries, one after the other, and give their ids."""
    user, log = await world.user(), log_of(world)
    made = [await log.record(Caller(user.id, user.role), draft(f"STEP_{number}"), HERE) for number in range(1, count + 1)]
    await log.close()
    return [each.id for each in made]


async def change(world: World, changes: Statements) -> None:
    async with world.database.write() as tx:
        for statement in changes:
            await tx.run(statement)


async def faults(world: World, kept: ChainHead | None = None) -> list[Fault]:
    return (await world.read(verify_log, kept_head=kept)).faults


def entry(number: int, **values: Any) -> Statement:
    return update(audit_entries).where(audit_entries.c.seq == number).values(values)


def without(first: int, last: int) -> Statement:
    return delete(audit_entries).where(audit_entries.c.seq.between(first, last))

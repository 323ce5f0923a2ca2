"""Retention of the audit log: the contents of old entries go, and the chain is verified on."""

from sqlalchemy import select, update

from headway.audit.model import Action, EntryFilter, Target, TargetType
from headway.audit.tables import audit_entries
from headway.audit.verify import verify_log
from headway.identity import Caller, Role
from headway.paging.service import Walk
from tests.integration.retentions import check, retention
from tests.world import World


async def contents(world: World) -> list[bool]:
    """Tell of each entry of the log whether it has its content."""
    found = await world.rows(select(audit_entries.c.content).order_by(audit_entries.c.seq))
    return [row[0] != "" for row in found]


async def test_the_contents_of_old_entries_go_and_the_chain_is_verified_on(world: World) -> None:
    for _ in range(3):
        await note(world)
    old = len(await contents(world))
    world.clock.advance(seconds=20 * 86_400)
    await note(world)
    young = len(await contents(world))
    rule = retention(world, retention_audit_days=10)

    reports = {each.name: each for each in await rule.apply()}

    assert reports["audit"].removed == reports["audit"].found.number == old
    assert await contents(world) == [False] * old + [True] * (young - old) + [True, True]
    await check(world)
    await rule.apply()
    assert len(await contents(world)) == young + 2
    world.clock.advance(seconds=20 * 86_400)
    await rule.apply()
    assert await contents(world) == [False] * young + [True] * 4
    await check(world)
    admin = Caller((await world.user(Role.ADMIN)).id, Role.ADMIN)
    async with world.database.read() as tx:
        (*_, first) = await world.services.audit_log.read(tx, admin, EntryFilter(), Walk(500, 1))
    assert (first.target.name, first.metadata, first.seq) == (None, {}, 1)
    assert "because of its age" in (first.context.description or "")


async def note(world: World) -> None:
    """Have Headway record something."""
    target = Target(TargetType.USER, "1", None, "Somebody")
    await world.write(world.services.audit.record_as_operator, Action.CHANGE_NAME, target, metadata={"name": "Ada"})


async def test_a_content_that_is_missing_for_another_reason_is_found(world: World) -> None:
    await note(world)
    world.clock.advance(seconds=20 * 86_400)
    await note(world)
    await retention(world, retention_audit_days=10).apply()
    last = len(await contents(world))
    young = (await contents(world)).index(True) + 1
    for seq in (young, last):
        async with world.database.write() as tx:
            await tx.run(update(audit_entries).where(audit_entries.c.seq == seq).values(content=""))

    async with world.database.read() as tx:
        faults = (await verify_log(tx, kept_head=None)).faults

    assert {fault.seq for fault in faults} >= {young, last}

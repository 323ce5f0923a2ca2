"""What is stored: the schema, the audit log, archives, webhooks, and backups of it."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from headway import schema
from headway.audit import verification_store
from headway.backups.files import newest_backup
from headway.db.types import ONLY_ON
from headway.doctor.database_store import read_names
from headway.doctor.files_checks import full_disks
from headway.doctor.patient import Area, Needs, Patient
from headway.health.findings import Found, ok, problem, warning
from headway.instants import DAY, HOUR, iso
from headway.learning.archive_store import Archive, read_archives
from headway.webhooks import deliveries_store
from headway.webhooks import store as webhooks
from headway.webhooks.model import DisabledReason

area = Area("Data")

_OVERDUE = HOUR


@area.check(
    "Schema",
    why="A server serves only the schema of its version; it migrates an older one when it starts.",
    needs=Needs.DATABASE,
)
async def schema_version(patient: Patient) -> Found:
    """Compare the schema of the database with that of this version."""
    found, head = await schema.version_of(patient.database), schema.head()
    if found is None:
        async with patient.database.read() as tx:
            names = await read_names(tx, is_sqlite=patient.settings.is_sqlite)
        if not names:
            return ok("The database is empty; the first start makes its tables.")
        return problem(
            f"The database has tables, such as {min(names)}, and no schema version: it is not Headway's, or was damaged.",
            "Name another database in HEADWAY_DATABASE_URL, or restore a backup.",
        )
    if found == head:
        return ok(f"The database has the schema version {head}, as this version of Headway.")
    if schema.knows(found):
        return warning(
            f"The database has the schema version {found}, and this version of Headway has {head}.",
            "Back it up; then `headway migrate`, or the start of a server, migrates it.",
        )
    return problem(
        f"The database has the schema version {found}, which this version of Headway does not know: it is a later one's.",
        "Install the version that migrated it, or restore a backup of before.",
    )


@area.check(
    "Tables", why="Without a table nothing is stored in it, and without an index it is read as a whole.", needs=Needs.DATA
)
async def tables(patient: Patient) -> Found:
    """Look for the tables and indexes that this version's schema has."""
    is_sqlite = patient.settings.is_sqlite
    async with patient.database.read() as tx:
        names = await read_names(tx, is_sqlite=is_sqlite)
    missing = sorted(_declared("sqlite" if is_sqlite else "postgresql") - names)
    if missing:
        return problem(
            f"Tables or indexes that the database lacks: {len(missing)}, such as {', '.join(missing[:3])}.",
            "Restore a backup as a whole: a restoration may have ended in the middle.",
        )
    return ok("All tables and indexes are there.")


def _declared(dialect: str) -> set[str]:
    """Return the names of the tables and indexes of this version's schema."""
    declared = schema.metadata.tables.values()
    indexes = [index for table in declared for index in table.indexes]
    names = {str(index.name) for index in indexes if index.info.get(ONLY_ON, dialect) == dialect}
    return names | {table.name for table in declared}


@area.check("Audit log", why="Changes of the log are found only by verifying it.", needs=Needs.DATA)
async def audit_log(patient: Patient) -> Found | None:
    """Look at what the last verification of the log found."""
    async with patient.database.read() as tx:
        last, _ = await verification_store.read(tx)
    if last is None:
        return ok("The log has not been verified by a server yet, which does it daily after its first ten minutes.")
    if last.faults:
        return problem(
            f"The log is not as it was written: {last.first_fault} ({last.faults} faults, found {iso(last.verified_at)}).",
            "Run `headway audit verify`, and compare with a backup: somebody has changed the database.",
        )
    age = (patient.clock() - last.verified_at) // DAY
    if age >= 7:
        return warning(
            f"The log was verified {age} days ago.", "Run `headway audit verify`; large logs are not verified by themselves."
        )
    return ok(f"The log was verified {iso(last.verified_at)}, without faults.")


@area.check("Archives", why="Archived events are only in their files.", needs=Needs.DATA)
async def archives(patient: Patient) -> list[Found] | None:
    """Look for the files of archived events, and for the library that reads them."""
    async with patient.database.read() as tx:
        known = await read_archives(tx)
    if not known:
        return None
    found = [*_lost_archives(known), *full_disks({"archives": Path(known[-1].file).parent})]
    return found or [ok(f"Files of archived events: {len(known)}, all there with their sizes.")]


def _lost_archives(known: list[Archive]) -> Iterator[Found]:
    if find_spec("pyarrow") is None:
        yield problem("There are archived events, and pyarrow is not installed.", "pip install 'headway[archive]'")
    for each in known:
        file = Path(each.file)
        if not file.exists():
            yield problem(f"{file} is missing, with {each.events} archived events.", "Restore the file from a backup.")
        elif file.stat().st_size != each.size_bytes:
            yield problem(f"{file} has another size than it was written with.", "Restore the file from a backup.")


@area.check("Webhooks", why="What other systems are not told they do not know.", needs=Needs.DATA)
async def sent(patient: Patient) -> list[Found] | None:
    """Look for webhooks that were disabled, and for deliveries that wait for too long."""
    now = patient.clock()
    found = []
    async with patient.database.read() as tx:
        known = await webhooks.list_all(tx, now)
        for each in known:
            if not each.is_enabled:
                if each.disabled_reason is not DisabledReason.BY_HAND:
                    reason = each.disabled_reason.value if each.disabled_reason else "unknown"
                    remedy = f"Mend the receiver, then `headway webhook enable {each.id}`: what waits is sent."
                    found.append(problem(f"Webhook {each.id} to {each.host} is disabled: {reason}.", remedy))
                continue
            backlog = await deliveries_store.read_backlog(tx, each.id)
            if backlog.oldest_at is not None and backlog.oldest_at < now - _OVERDUE:
                hours = (now - backlog.oldest_at) // HOUR
                found.append(
                    warning(
                        f"Deliveries that wait for {each.host} (webhook {each.id}): {backlog.pending}, one for {hours} hours.",
                        "Look at its deliveries: the receiver refuses them, or no server runs that sends them.",
                    )
                )
    return found or ([ok(f"Webhooks: {len(known)}; nothing waits for long.")] if known else None)


@area.check("Backups", why="What is not copied is lost with the disk.")
async def backups(patient: Patient) -> Found:
    """Look at the age of the newest backup."""
    folder = patient.settings.backup_folder
    if folder is None:
        return warning(
            "HEADWAY_BACKUP_FOLDER is not set: nobody sees when backups stop.",
            "Set it to the folder of the backups, and see docs/backups.md.",
        )
    try:
        newest = newest_backup(Path(folder), with_manifest=patient.settings.is_sqlite)
    except OSError as error:
        return problem(f"{folder} (HEADWAY_BACKUP_FOLDER): {error.strerror}.", "Create the folder, or correct the setting.")
    if newest is None:
        return problem(f"There is no backup in {folder}.", "Make one: docs/backups.md.")
    hours = (patient.clock() - newest.at) // HOUR
    if hours >= patient.settings.backup_max_age_hours:
        return problem(
            f"The newest backup, {newest.file.name}, is {hours} hours old.",
            "Look at the log of what makes them, such as the timer.",
        )
    if newest.faults is not None:
        return problem(f"The newest backup, {newest.file.name}, holds faults: {newest.faults}.", "Run `headway verify`.")
    return ok(f"The newest backup, {newest.file.name}, is {max(hours, 0)} hours old.")

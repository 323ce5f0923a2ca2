"""The database: its version, whether it keeps what it acknowledges, its connections, and whether it cleans up."""

from collections.abc import Iterator

from headway import schema
from headway.doctor.database_store import (
    PostgresFacts,
    Troubles,
    read_postgres,
    read_privileges,
    read_sqlite_version,
    read_troubles,
)
from headway.doctor.patient import Area, Needs, Patient
from headway.health.findings import Found, ok, problem, warning
from headway.settings import Settings

area = Area("Database")

_OLDEST_POSTGRES = 14
_OLDEST_SQLITE = (3, 38, 0)
_OLD_AGE, _DANGEROUS_AGE = 1_000_000_000, 1_500_000_000


@area.check("Version", why="An older database lacks what Headway uses, or no longer gets security fixes.", needs=Needs.DATABASE)
async def version(patient: Patient) -> Found:
    """Compare the version with what Headway needs."""
    if patient.settings.is_sqlite:
        async with patient.database.read() as tx:
            found = await read_sqlite_version(tx)
        if tuple(map(int, found.split("."))) < _OLDEST_SQLITE:
            needed = ".".join(map(str, _OLDEST_SQLITE))
            return problem(f"SQLite's library is {found}.", f"Use a Python with SQLite {needed} or later.")
        return ok(f"SQLite {found}.")
    facts = await _facts(patient)
    return version_of(int(facts.settings["server_version_num"]), facts.settings["server_version"])


def version_of(number: int, name: str) -> Found:
    """Compare the number of a PostgreSQL version, such as 180001, with what Headway needs."""
    if number // 10_000 < _OLDEST_POSTGRES:
        return problem(f"PostgreSQL {name} is too old.", f"Upgrade to version {_OLDEST_POSTGRES} or later.")
    return ok(f"PostgreSQL {name}.")


@area.check("Durability", why="What was acknowledged must be on the disk, or a crash loses it.", needs=Needs.DATABASE)
async def durability(patient: Patient) -> list[Found]:
    """Look for settings that let a crash lose or damage what was acknowledged."""
    if patient.settings.is_sqlite:
        return [ok("Every commit of SQLite is on the disk (synchronous=FULL).")]
    return list(_losses((await _facts(patient)).settings)) or [ok("PostgreSQL writes every commit to the disk.")]


def _losses(settings: dict[str, str]) -> Iterator[Found]:
    if settings["fsync"] == "off":
        yield problem("fsync is off: a crash of the machine can damage the whole database.", "Set fsync = on, and reload.")
    if settings["full_page_writes"] == "off":
        yield problem(
            "full_page_writes is off: a crash of the machine can damage pages.", "Set full_page_writes = on, and reload."
        )
    if settings["synchronous_commit"] == "off":
        yield problem(
            "synchronous_commit is off: a crash loses what was acknowledged last.",
            "Set synchronous_commit = on for the server, the database and the role.",
        )


@area.check("Kind", why="Headway stores any text, and writes all the time.", needs=Needs.DATABASE)
async def kind(patient: Patient) -> list[Found] | None:
    """Look at the encoding, at whether the server can be written, and at what stands between."""
    if patient.settings.is_sqlite:
        return None
    facts = await _facts(patient)
    return list(_unsuitable(facts)) or [ok("The database is UTF-8, and can be written.")]


def _unsuitable(facts: PostgresFacts) -> Iterator[Found]:
    settings = facts.settings
    if settings["server_encoding"] != "UTF8":
        yield problem(
            f"The database has the encoding {settings['server_encoding']}: some names and messages cannot be stored.",
            "Create one with ENCODING 'UTF8' TEMPLATE template0, and restore a dump into it.",
        )
    if facts.is_replica:
        yield problem("The server is a replica, which only reads.", "Name the primary in HEADWAY_DATABASE_URL.")
    elif settings["default_transaction_read_only"] == "on":
        yield problem(
            "default_transaction_read_only is on: nothing can be written.",
            "Set it to off for the server, the database and the role.",
        )
    if settings["TimeZone"] != "UTC" or settings["jit"] != "off":
        yield problem(
            "The settings that Headway gives its connections do not arrive: a pooler stands between that drops them.",
            "Connect to PostgreSQL itself, or use a pooler that keeps sessions.",
        )


@area.check("Privileges", why="What the role may not write is not stored.", needs=Needs.DATABASE)
async def privileges(patient: Patient) -> Found | None:
    """Look at what the role may do in its schema."""
    if patient.settings.is_sqlite:
        return None
    async with patient.database.read() as tx:
        found = await read_privileges(tx)
    if found.schema is None:
        return problem(
            "There is no schema that this role can use.",
            "Create the one that search_path names, and GRANT USAGE, CREATE on it.",
        )
    if found.forbidden:
        names = ", ".join(found.forbidden[:3])
        return problem(
            f"The role may not read and write {len(found.forbidden)} tables: {names}.",
            "Name the role that owns them in HEADWAY_DATABASE_URL, or GRANT SELECT, INSERT, UPDATE, DELETE.",
        )
    if not found.may_create and await schema.version_of(patient.database) is None:
        return problem(
            f"The role may not create tables in the schema {found.schema}.",
            "Make it the owner of the database, or GRANT CREATE on the schema.",
        )
    return ok("The role may read and write all tables.")


@area.check("Connections", why="Who gets no connection is answered with 503.", needs=Needs.DATABASE)
async def connections(patient: Patient) -> list[Found] | None:
    """Compare what the server processes may open with what PostgreSQL allows."""
    if patient.settings.is_sqlite:
        return None
    needed = needed_connections(patient.settings)
    facts = await _facts(patient)
    of_server = int(facts.settings["max_connections"]) - int(facts.settings["superuser_reserved_connections"])
    found = [
        problem(
            f"{patient.settings.workers} server processes may open {needed} connections, and the {name} allows {limit}.",
            "Raise the limit, or lower HEADWAY_WORKERS, HEADWAY_POSTGRES_POOL_SIZE or HEADWAY_LARGE_READS.",
        )
        for name, limit in {"server": of_server, **facts.connection_limits}.items()
        if limit < needed
    ]
    return found or [ok(f"{needed} connections of these servers, of {of_server}.")]


def needed_connections(settings: Settings) -> int:
    """Return how many connections the server processes of the settings may open: their pools, and one each to be notified."""
    return settings.workers * (settings.postgres_pool_size + settings.large_reads + 1)


@area.check("Cleaning up", why="Dead rows that stay make everything slow, and the disk full.", needs=Needs.DATABASE)
async def cleaning_up(patient: Patient) -> list[Found] | None:
    """Look for what keeps PostgreSQL from removing dead rows."""
    if patient.settings.is_sqlite:
        return None
    facts = await _facts(patient)
    async with patient.database.read() as tx:
        troubles = await read_troubles(tx)
    return list(_dirt(facts, troubles)) or [ok("Autovacuum runs, and no table is full of dead rows.")]


def _dirt(facts: PostgresFacts, troubles: Troubles) -> Iterator[Found]:
    if facts.settings["autovacuum"] == "off":
        yield problem("autovacuum is off.", "Set autovacuum = on, and reload.")
    if troubles.not_vacuumed:
        names = ", ".join(troubles.not_vacuumed)
        yield problem(f"autovacuum is off for {names}.", "ALTER TABLE … RESET (autovacuum_enabled).")
    for name, dead, live in troubles.dead_rows:
        yield warning(f"{name} has {dead:,} dead rows beside {live:,} live ones.", f"VACUUM {name}; look for old transactions.")
    if troubles.idle_in_transaction:
        yield warning(
            f"{troubles.idle_in_transaction} connections have had a transaction open for ten minutes and do nothing.",
            "Look into pg_stat_activity, and end them: nothing that was deleted since can be removed.",
        )
    if facts.age > _OLD_AGE:
        report = problem if facts.age > _DANGEROUS_AGE else warning
        yield report(
            f"The oldest row is {facts.age:,} transactions old; at 2,000 million the database stops.", "VACUUM FREEZE."
        )


async def _facts(patient: Patient) -> PostgresFacts:
    async with patient.database.read() as tx:
        return await read_postgres(tx)

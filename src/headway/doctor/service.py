"""The doctor: runs all checks, whatever goes wrong in one of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog

import headway
from headway import schema
from headway.db import postgres, sqlite
from headway.db.database import Database
from headway.db.keyring import Keyring
from headway.doctor import (
    clock_checks,
    data_checks,
    database_checks,
    files_checks,
    key_checks,
    mail_checks,
    outside_checks,
    settings_checks,
    tls_checks,
)
from headway.doctor.patient import Check, Needs, Patient
from headway.errors import HeadwayError, OperatorError, Unavailable
from headway.health.findings import Finding, Found, Report, problem, warning
from headway.instants import Clock
from headway.settings import Settings

_MODULES = (
    settings_checks,
    key_checks,
    files_checks,
    clock_checks,
    database_checks,
    data_checks,
    tls_checks,
    outside_checks,
    mail_checks,
)
CHECKS: Sequence[Check] = [check for module in _MODULES for check in module.area.checks]
_TIMEOUT_SECONDS = 15
_FRESH_SECONDS = 10.0
_REACH_SECONDS = 5
_REACHABLE_MATTERS = "Without its database Headway does nothing."
_RIGHTS_REMEDY = "Look at what is said of the rights of its files, and run this as the account of the server."
_DAMAGED = ("is not a database", "malformed")
_AT_ONCE = 2
"""Checks of the database that run beside one another: the role may have few connections."""

log = structlog.get_logger(__name__)


async def examine_installation(environ: Mapping[str, str], flags: Mapping[str, object], clock: Clock) -> Report:
    """Look at everything beside, or without, a server. It changes nothing and makes no key."""
    settings, loaded = settings_checks.invalid_settings(environ, flags)
    if settings is None:
        names = settings_checks.unknown_variables(environ)
        found = [each.by("Settings", "Names", settings_checks.NAMES_MATTER) for each in names]
        return Report(headway.__version__, [*found, loaded.by("Settings", "Values", settings_checks.VALUES_MATTER)])
    database = schema.database(settings, for_commands=True, keyring=Keyring.present(settings))
    patient = Patient(settings, database, clock, environ)
    # Before the database is opened, which mends the rights of its files.
    findings = await _examine(patient, [each for each in CHECKS if each.needs is Needs.SETTINGS], at_once=len(CHECKS))
    findings += await _examine_database(patient)
    return Report(headway.__version__, _in_order(findings))


class ServerDoctor:
    """The checks that make sense in a server process. Whoever asks within some seconds gets the same report."""

    def __init__(self, settings: Settings, database: Database, clock: Clock, environ: Mapping[str, str]) -> None:
        self._patient = Patient(settings, database, clock, environ, in_server=True)
        self._look: asyncio.Task[Report] | None = None
        self._looked_at = 0.0

    async def examine(self) -> Report:
        """Look at this process, its database and what it depends on."""
        if self._look is None or (self._look.done() and time.monotonic() - self._looked_at >= _FRESH_SECONDS):
            self._look = asyncio.create_task(self._examine(), name="doctor")
        return await asyncio.shield(self._look)

    async def _examine(self) -> Report:
        checks = [each for each in CHECKS if not each.before_serving]
        findings = await _examine(self._patient, checks, at_once=len(CHECKS))
        self._looked_at = time.monotonic()
        return Report(headway.__version__, _in_order(findings))


async def _examine_database(patient: Patient) -> list[Finding]:
    """Look at the database and at what is stored in it, or say why it cannot be opened."""
    fault = await _find_unreachable(patient.settings)
    if fault is None:
        async with _opened(patient.database) as fault:
            if fault is None:
                return await _examine(patient, await _of_database(patient), at_once=_AT_ONCE)
    return [fault.by("Database", "Reach", _REACHABLE_MATTERS)]


async def _find_unreachable(settings: Settings) -> Found | None:
    """Return why the database cannot be reached; None if it can be opened, or if there is none yet."""
    if settings.is_sqlite:
        path = settings.sqlite_path
        try:
            if sqlite.is_there(path):
                return None if path.is_file() else problem(f"{path} is no file.", "Name a file in HEADWAY_DATABASE_URL.")
        except OSError as error:
            return problem(f"{path} cannot be reached: {error.strerror}.", _RIGHTS_REMEDY)
        return warning(f"There is no database at {path} yet.", "`headway serve` makes it; if there was one, restore a backup.")
    try:
        connection = await postgres.connect(settings.database_url, timeout_seconds=_REACH_SECONDS)
        await connection.close()
    except Exception as error:  # noqa: BLE001 - whatever the driver raises is the reason
        reason = " ".join(str(error).split()) or "it does not answer in time"
        return problem(f"PostgreSQL cannot be reached: {reason}", "Start it, or correct HEADWAY_DATABASE_URL.")
    return None


@asynccontextmanager
async def _opened(database: Database) -> AsyncIterator[Found | None]:
    """Open the database within the block, and yield None, or why it cannot be opened."""
    try:
        await database.open()
    except (HeadwayError, OperatorError, OSError) as error:
        cause = error.__cause__ or error
        is_damaged = any(each in str(cause) for each in _DAMAGED)
        remedy = "Restore a backup: `headway restore`." if is_damaged else _RIGHTS_REMEDY
        yield problem(f"The database cannot be opened: {cause}", remedy)
        return
    try:
        yield None
    finally:
        await database.close()


async def _of_database(patient: Patient) -> list[Check]:
    """Return the checks of an open database: those of its data only if it has this version's schema, and these keys."""
    try:
        has_data = await schema.version_of(patient.database) == schema.head()
        if has_data:
            await schema.is_current(patient.database, schema.head())
    except (HeadwayError, OperatorError):
        has_data = False
    needed = {Needs.DATABASE, Needs.DATA} if has_data else {Needs.DATABASE}
    return [each for each in CHECKS if each.needs in needed]


async def _examine(patient: Patient, checks: Sequence[Check], *, at_once: int) -> list[Finding]:
    free = asyncio.Semaphore(at_once)

    async def run(check: Check) -> Sequence[Found]:
        async with free:
            return await _run(check, patient)

    found = await asyncio.gather(*map(run, checks))
    return [
        each.by(check.area, check.name, check.why) for check, several in zip(checks, found, strict=True) for each in several
    ]


async def _run(check: Check, patient: Patient) -> Sequence[Found]:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            found = await check.look(patient)
    except TimeoutError:
        return [problem("There is no answer in time.", "Look at what this depends on; it may be overloaded.")]
    except Unavailable as error:
        return [problem(f"This could not be looked at: {error.__cause__ or error}", "See what is said of the database.")]
    except PermissionError as error:
        return [problem(f"{error.filename} may not be read.", _RIGHTS_REMEDY)]
    except Exception as error:
        log.exception("A check of the doctor failed.", area=check.area, check=check.name)
        return [
            warning(
                f"This could not be looked at: {type(error).__name__}: {error}", "Report it: a check does not fail by itself."
            )
        ]
    if found is None:
        return []
    return [found] if isinstance(found, Found) else found


def _in_order(findings: Sequence[Finding]) -> list[Finding]:
    areas = [module.area.name for module in _MODULES]
    return sorted(findings, key=lambda each: areas.index(each.area))

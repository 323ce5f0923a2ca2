"""Every statement of a request looks rows up by their keys, whatever the database knows of the sizes of tables."""

import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import and_, select

from headway.db import dialects
from headway.db.database import WriteTransaction
from headway.db.dialects import (
    Compiled,
    DeleteRows,
    Dialect,
    RowsStatement,
    Statement,
    UpdateRows,
    WriteRows,
    delete_before,
    lookup,
    rows,
)
from headway.db.postgres import Planner
from headway.learning.tables import study_days
from headway.limits.tables import rate_limits
from headway.settings import Settings
from tests.databases import Templates
from tests.filling import fill
from tests.integration.every_request import send_every_request
from tests.plans import Connection, connect, explain_generic, explain_now, find_scans, find_scans_on_sqlite, read_indexes
from tests.world import World

_keys = rows("keys", {column.name: column.type for column in study_days.primary_key})
_is_same = and_(*(column == _keys.c[column.name] for column in study_days.primary_key))
_found = lookup(_keys, study_days, _is_same)
_known_or_not = lookup(_keys, study_days, _is_same, is_outer=True)
STATEMENTS: dict[str, Statement] = {
    "in order": select(study_days.c.spans).select_from(_found).order_by(*study_days.primary_key),
    "of the key alone": select(study_days.c.user_id, study_days.c.day).select_from(_found),
    "for update": select(study_days.c.spans).select_from(_found).with_for_update(of=study_days),
    "locking": select(study_days.c.spans).select_from(lookup(_keys, study_days, _is_same, is_locking=True)),
    "outer": select(_keys.c.user_id, study_days.c.spans).select_from(_known_or_not),
    "deleted by time": delete_before(rate_limits.c.expires_at),
}
INSERT = WriteRows(study_days, ["user_id", "course_id", "day", "spans"])
WRITES: dict[str, RowsStatement] = {"updated": UpdateRows(study_days, ["spans"]), "deleted by keys": DeleteRows(study_days)}


class Allowed(NamedTuple):
    """A way of finding rows that is right, in statements that contain a text, and why."""

    scan: str
    text: str
    reason: str
    is_certain: bool = True
    """Whether it is found so each time."""


_ERASURE = "An erasure looks everywhere for the person, and is rare."
_STARTING = "A server that starts looks once for accounts without a key."
ALLOWED = (
    Allowed("courses is read as a whole", "access_days IS NOT NULL", "Once a minute: which courses end access by themselves."),
    Allowed("courses is read as a whole", "SELECT DISTINCT courses.", "The subjects and levels among which a learner chooses."),
    Allowed(
        "attention_",
        "WHERE attention_messages.course_id",
        "Who was written to in a course is read, which here has all messages.",
        is_certain=False,
    ),
    Allowed(
        "attention_",
        "FROM attention_dismissals",
        "All dismissals of a course are read, which here has all there are.",
        is_certain=False,
    ),
    Allowed(
        "waiting_list is read as a whole",
        "count(*) AS total FROM waiting_list",
        "Those who wait for a seat in a course are counted, which here are all.",
        is_certain=False,
    ),
    Allowed("alembic_version by", "", "It has one row."),
    Allowed("audit_verification is read as a whole", "", "It has one row."),
    Allowed("audit_head is read as a whole", "", "It has one row."),
    Allowed("index_keys is read as a whole", "", "It has a row for each kind of key: one.", is_certain=False),
    Allowed("api_keys is read as a whole", "AS total FROM api_keys", "Administrators count all keys.", is_certain=False),
    Allowed("api_keys is read as a whole", "WHERE api_keys.user_id", "A school has a few keys.", is_certain=False),
    Allowed("archives is read as a whole", "FROM archives ORDER BY", "It has a row for each file.", is_certain=False),
    Allowed("archives is read as a whole", "archives.removed_at IS NULL", "It has a row for each file."),
    Allowed("users", "personal_keys.user_id IS NULL", _STARTING, is_certain=False),
    Allowed("personal_keys", "personal_keys.user_id IS NULL", _STARTING, is_certain=False),
    Allowed("mails by ix_mails_user_id", "mails.user_id IS NULL", _ERASURE, is_certain=False),
    Allowed(
        "webhook_deliveries is read as a whole",
        "AND webhook_deliveries.user_id",
        "An export looks at 20,000 at once, which here are all.",
        is_certain=False,
    ),
    Allowed("roster_places is read as a whole", "WHERE roster_places.user_id", "Here it has few rows.", is_certain=False),
    Allowed("uncounted_events is read as a whole", "WHERE uncounted_events.user_id", "Here it has few rows.", is_certain=False),
    Allowed("mails by ix_mails_due", "mails.status = 'pending'", "What waits is all of a partial index, up to a bound."),
    Allowed("mails by ix_mails_failed", "mails.status = 'failed'", "What failed is all of a partial index, up to a bound."),
    Allowed("mails is read as a whole", "mails.status", "Here there are few mails.", is_certain=False),
    Allowed("mails by pk_mails", "mails.user_id", "Here the few mails are those of one account.", is_certain=False),
    Allowed("retention_runs is read as a whole", "", "It has one row."),
    Allowed("registrations by", "registrations.email_hash", "Here the few registrations are of one address.", is_certain=False),
    Allowed("webhooks by pk_webhooks", "", "There are 50 at the most."),
    Allowed("webhooks is read as a whole", "", "There are 50 at the most.", is_certain=False),
    Allowed("users is read as a whole", "AS total FROM users", "Administrators count all accounts."),
    Allowed("erasures is read as a whole", "AS total FROM erasures", "Administrators count all erasures.", is_certain=False),
    Allowed("saved_filters is read as a whole", "saved_filters.saved_at FROM saved_filters", _ERASURE, is_certain=False),
    Allowed("webhook_deliveries is read as a whole", "DELETE FROM webhook_deliveries", _ERASURE, is_certain=False),
    Allowed("mails is read as a whole", "mails.recipient IS NOT NULL OR", _ERASURE, is_certain=False),
    Allowed("roster_places by", "DELETE FROM roster_places", "A person is in few rosters.", is_certain=False),
    Allowed("audit_redactions", "", _ERASURE, is_certain=False),
    Allowed("users is read as a whole", "users.token_version", "Administrators search all accounts.", is_certain=False),
    Allowed("users is read as a whole", "owning.role", "Administrators search courses by a tutor's name.", is_certain=False),
    Allowed("course_staff by", "", "A course has a few members of staff, and a user belongs to the staff of a few courses."),
    Allowed(
        "course_staff is read as a whole",
        "taught.user_id, users.name, courses.id",
        "The tutors of a learner's courses: here all that there are belong to one.",
        is_certain=False,
    ),
    Allowed("waiting_list by ix_waiting_list_course_id", "", "Whoever waits for a seat is counted, by the same index."),
    Allowed("users by pk_users", "courses.slug", "There is no course, whose owner is found here, while nobody has an account."),
    Allowed(
        "conversations by ix_conversations_user_id", "", "Here a user has one conversation: either index finds it at once."
    ),
    Allowed("messages by uq_messages_user_id", "", "Here a user has one message: either index finds it at once."),
    Allowed("submissions by ix_submissions_id", "", "No two submissions have the same id."),
    Allowed("enrollments is read as a whole", "everybody", "The peers of a learner are counted: all.", is_certain=False),
    Allowed(
        "enrollments by pk_enrollments",
        "SELECT enrollments.user_id FROM enrollments WHERE enrollments.course_id",
        "All learners of a course are listed, which here has nearly all that there are.",
        is_certain=False,
    ),
)


async def _insert_day(tx: WriteTransaction) -> None:
    await tx.write_rows((INSERT, [(1, 1, 1, "{}")]))


@pytest.mark.parametrize("name", [*STATEMENTS, *WRITES])
async def test_rows_of_a_table_of_one_row_are_looked_up(world: World, settings: Settings, name: str) -> None:
    await world.write(_insert_day)
    if settings.is_sqlite:
        sqlite = dialects.sqlite3().compile(WRITES[name] if name in WRITES else STATEMENTS[name])
        with closing(sqlite3.connect(settings.sqlite_path)) as file:
            assert list(find_scans_on_sqlite(file, sqlite.sql)) == []
        return
    dialect = dialects.postgresql()
    compiled = dialect.compile_together([WRITES[name]]) if name in WRITES else dialect.compile(STATEMENTS[name])
    async with opened(settings.database_url, Planner.LOOKS_UP) as connection:
        await connection.execute("ANALYZE")
        plan = await explain_generic(connection, compiled.sql)
        assert list(find_scans(plan, await read_indexes(connection))) == []


@asynccontextmanager
async def opened(database_url: str, planner: Planner) -> AsyncIterator[Connection]:
    connection = await connect(database_url, planner)
    yield connection
    await connection.close()


class Recorder:
    """Records the statements that a server runs: those of its loop, and those of large reads, with the values of one run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lookups: dict[str, list[Any]] = {}
        self.large: dict[str, list[Any]] = {}
        bind, compile_ = Compiled.bind, Dialect._compile

        def bind_and_record(compiled: Compiled, params: dict[str, Any]) -> list[Any]:
            values = bind(compiled, params)
            self._statements()[compiled.sql] = values
            return values

        def compile_and_record(dialect: Dialect, statement: Statement) -> Compiled:
            compiled = compile_(dialect, statement)
            self._statements().setdefault(compiled.sql, [])
            return compiled

        monkeypatch.setattr(Compiled, "bind", bind_and_record)
        monkeypatch.setattr(Dialect, "_compile", compile_and_record)

    def _statements(self) -> dict[str, list[Any]]:
        return self.large if threading.current_thread().name == "large-reads" else self.lookups


class Plans:
    """Reads the plans of recorded statements, and notes what is wrong, and what would be if it were not allowed."""

    def __init__(self, recorded: Recorder) -> None:
        self._recorded = recorded
        self.wrong: list[str] = []
        self.used: set[Allowed] = set()

    async def read(self, state: str, database_url: str, *, chooses: bool = True) -> None:
        async with opened(database_url, Planner.LOOKS_UP) as connection:
            indexes = await read_indexes(connection)
            for sql in self._recorded.lookups:
                self._note(state, sql, find_scans(await explain_generic(connection, sql), indexes, chooses=chooses))

    async def read_large(self, state: str, database_url: str) -> None:
        async with opened(database_url, Planner.IS_FREE) as connection:
            indexes = await read_indexes(connection)
            for sql, values in self._recorded.large.items():
                scans = find_scans(await explain_now(connection, sql, values), indexes)
                self._note(state, sql, (scan for scan in scans if scan.endswith("is read as a whole")))

    def _note(self, state: str, sql: str, scans: Iterator[str]) -> None:
        text = " ".join(sql.split())
        for scan in scans:
            allowed = [each for each in ALLOWED if scan.startswith(each.scan) and each.text in text]
            self.used.update(allowed)
            if not allowed:
                self.wrong.append(f"{scan} ({state}): {text}")


async def test_every_statement_looks_rows_up_on_postgresql(
    templates: Templates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        recorded = Recorder(patch)
        school = templates.copy("postgresql", tmp_path)
        await send_every_request(school)
    plans, empty = Plans(recorded), templates.copy("postgresql", tmp_path)

    await plans.read("empty", empty)
    await analyze(empty)
    # All indexes of a table without a page cost the same.
    await plans.read("empty and analyzed", empty, chooses=False)
    await plans.read("small", school)
    await analyze(school)
    await plans.read("small and analyzed", school)
    async with opened(school, Planner.IS_FREE) as connection:
        await fill(connection)
    await plans.read("grown", school)
    await analyze(school)
    await plans.read("large", school)
    await plans.read_large("large", school)

    assert not plans.wrong, "\n".join(plans.wrong)
    assert [allowed for allowed in ALLOWED if allowed.is_certain and allowed not in plans.used] == []


async def analyze(database_url: str) -> None:
    async with opened(database_url, Planner.IS_FREE) as connection:
        await connection.execute("ANALYZE")


async def test_every_statement_looks_rows_up_on_sqlite(
    templates: Templates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        recorded = Recorder(patch)
        school = templates.copy("sqlite", tmp_path)
        await send_every_request(school)
    with closing(sqlite3.connect(school.removeprefix("sqlite:///"))) as file:
        found = [f"{scan}: {sql}" for sql in recorded.lookups for scan in find_scans_on_sqlite(file, sql)]
    read_as_a_whole = (
        "SELECT courses.id, courses.access_days",
        "FROM webhooks",
        # An erasure looks everywhere for the person.
        *("saved_filters.saved_at FROM saved_filters", "mails.recipient IS NOT NULL OR", "FROM audit_redactions"),
        *("DELETE FROM webhook_deliveries", "AS total FROM erasures", "UPDATE api_keys SET name"),
        *("WHERE mails.status = 'pending'", "WHERE mails.status = 'failed'"),
        *("SELECT version_num FROM alembic_version", "FROM audit_verification", "FROM audit_head"),
        *("FROM retention_runs", "archives.removed_at IS NULL", "personal_keys.user_id IS NULL"),
    )
    assert [each for each in found if not any(text in " ".join(each.split()) for text in read_as_a_whole)] == []

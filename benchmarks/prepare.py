"""Preparing an empty database for load: courses, learners enrolled in all of them, and a token for each learner.

Courses are created by their service. Learners are written in bulk, as rows that their services would have written one by one:
100,000 learners take seconds.
"""

import itertools
from collections.abc import Sequence

from sqlalchemy import bindparam, select

from headway import schema
from headway.accounts.model import User
from headway.accounts.tables import users
from headway.courses.completion import Completion, Rule
from headway.courses.model import NewCourse, NewModule, NewUnit
from headway.db.database import WriteTransaction
from headway.db.dialects import WriteRows
from headway.db.keyring import signing_key
from headway.enrollments import statistics_store
from headway.enrollments import store as enrollments
from headway.enrollments.statistics import StatisticsDelta
from headway.http.authentication import Tokens
from headway.identity import Role
from headway.instants import Instant, system_clock
from headway.services import Services
from headway.settings import Settings
from workload import Course, Person, Unit

UNITS_PER_MODULE = 5
# They take turns. A visit of ten events, 30 seconds each, meets every one of them.
COMPLETIONS = (
    Completion(Rule.MANUAL),
    Completion(Rule.VIEWED),
    Completion(Rule.TIME, 240),
    Completion(Rule.SCROLL, 90),
    Completion(Rule.VIDEO, 95),
)
LEARNERS_AT_ONCE = 2_000
TOKEN_SECONDS = 86_400

_write_users = WriteRows(users, ["role", "name", "folded_name", "token_version", "is_disabled", "created_at", "updated_at"])
_newest_users = select(users.c.id).order_by(users.c.id.desc()).limit(bindparam("limit"))


async def prepare(settings: Settings, *, learners: int, units: int, courses: int) -> tuple[list[Course], list[Person]]:
    """Migrate an empty database, and fill it."""
    await schema.migrate(settings)
    database = schema.database(settings)
    await database.open()
    try:
        services = Services(settings, database)
        async with database.write() as tx:
            owner = await services.accounts.create(tx, role=Role.INSTRUCTOR, name="Instructor")
        made = []
        for number in range(courses):
            async with database.write() as tx:
                tree = await services.course_editing.create(tx, new_course(f"Course {number + 1}", units), owner_id=owner.id)
            made.append(Course(tree.id, tuple(Unit(unit.id, unit.module_id) for unit in tree.units)))
        user_ids: list[int] = []
        while missing := learners - len(user_ids):
            async with database.write() as tx:
                user_ids += await add_learners(tx, min(missing, LEARNERS_AT_ONCE), [course.id for course in made])
        await services.close()
    finally:
        await database.close()
    return made, issue_tokens(settings, user_ids)


def new_course(title: str, units: int) -> NewCourse:
    rules = itertools.cycle(COMPLETIONS)
    made = [NewUnit(f"Unit {number + 1}", completion=next(rules)) for number in range(units)]
    parts = [made[first : first + UNITS_PER_MODULE] for first in range(0, units, UNITS_PER_MODULE)]
    return NewCourse(title, modules=tuple(NewModule(f"Module {n + 1}", units=tuple(part)) for n, part in enumerate(parts)))


async def add_learners(tx: WriteTransaction, count: int, course_ids: Sequence[int]) -> list[int]:
    """Create learners and enroll them in all courses. Return their ids."""
    now = system_clock()
    names = [f"Learner {number}" for number in range(count)]
    await tx.write_rows((_write_users, [("PARTICIPANT", name, name.lower(), 1, False, now, now) for name in names]))
    user_ids = sorted(row["id"] for row in await tx.all(_newest_users, limit=count))
    for course_id in course_ids:
        await enroll(tx, course_id, user_ids, now)
    return user_ids


async def enroll(tx: WriteTransaction, course_id: int, user_ids: Sequence[int], now: Instant) -> None:
    await enrollments.insert_enrollments(tx, course_id, user_ids, enrolled_at=now, now=now)
    await enrollments.add_seats(tx, course_id, len(user_ids))
    delta = StatisticsDelta()
    for enrollment in (await enrollments.lock(tx, [(user_id, course_id) for user_id in user_ids])).values():
        delta.replace(course_id, None, enrollment)
    await statistics_store.write_statistics(tx, delta)


def issue_tokens(settings: Settings, user_ids: Sequence[int]) -> list[Person]:
    tokens = Tokens(signing_key(settings), system_clock, lifetime_seconds=TOKEN_SECONDS)
    learners = (User(i, Role.PARTICIPANT, "", None, None, token_version=1, is_disabled=False) for i in user_ids)
    return [Person(learner.id, tokens.issue(learner).encode()) for learner in learners]

"""What `headway demo` loads."""

import pytest
from sqlalchemy import func, select

from headway.assessments.tables import submissions
from headway.db.database import Database
from headway.enrollments.tables import enrollments
from headway.identity import Client, Role
from headway.importers.demo import DemoImport
from headway.instants import DAY
from headway.services import make_checks
from headway.verify import Verify
from headway.web import reader
from tests.world import World

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""The demo makes a SQLite file."""


async def test_the_demo_has_a_run_that_ends_today_and_three_people_who_may_sign_in(world: World, database: Database) -> None:
    loading = DemoImport(world.services)
    advanced: list[int] = []

    people = await loading.run(advanced.append)

    assert sum(advanced) == loading.rows
    assert [user.role for user in people[:3]] == [Role.PARTICIPANT, Role.INSTRUCTOR, Role.ADMIN]
    for user in people[:3]:
        assert user.email is not None
        session = await world.services.sign_in.sign_in(email=user.email, password=reader.PASSWORD, client=Client("::1"))
        assert session.user.id == user.id
    ((last, learners),) = await world.rows(
        select(func.max(enrollments.c.last_activity_at), func.count()).where(enrollments.c.course_id == people.course.id)
    )
    assert (last // DAY, learners) == (world.clock.now // DAY, 383)
    assert list((await Verify(database, make_checks()).run()).differences) == []


async def test_the_demo_has_work_to_grade_and_messages_to_answer(world: World) -> None:
    people = await DemoImport(world.services).run(lambda _: None)

    graded = select(submissions.c.user_id, submissions.c.grade)
    by_learner = dict(await world.rows(graded))
    unread = await world.read(
        world.services.messaging.list_conversations,
        people.instructor.id,
        walk=world.services.paging.walk(people.instructor.id, (), cursor=None, page=1, limit=10),
    )
    small = await world.read(world.services.courses.find_by_slug, reader.COURSE_SLUG)

    assert by_learner[people.learner.id] is not None
    assert list(by_learner.values()).count(None) >= 5
    assert (unread.total, unread.unread) == (2, 2)
    assert small is not None
    assert await world.read(world.services.enrollments.find, people.learner.id, small.id) is not None

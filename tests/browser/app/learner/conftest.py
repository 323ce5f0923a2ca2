"""A learner of the demo, with courses, work, messages and a certificate."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import pytest_asyncio

from headway.accounts.model import User
from headway.assessments.model import NewGrade
from headway.cli.courses import load_course
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseTree, NewAssessment, NewCourse, NewModule, NewUnit
from headway.enrollments.status import EnrollmentStatus, StatusChange
from headway.identity import Caller, Role
from headway.importers import oulad
from headway.instants import DAY, HOUR, MINUTE
from headway.learning.model import ActivityType, Event, Report
from headway.web import reader
from tests.browser.app.conftest import App, open_app
from tests.databases import Templates

URL = "https://github.com/ada/engine"


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def app(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    """A server of the demo, whose course has content."""
    folder = tmp_path_factory.mktemp("demo-app")
    async with open_app(templates.copy("sqlite", folder), folder, HEADWAY_DEMO="true") as opened:
        yield opened


class Desk(NamedTuple):
    """A learner with courses, work, messages and a certificate."""

    learner: User
    tutor: User
    demo: CourseTree
    course: CourseTree
    full: CourseTree


async def _demo_course(app: App) -> CourseTree:
    """Return the course of the demo, which is loaded once."""
    services = app.world.services
    async with app.world.database.write() as tx:
        found = await services.courses.find_by_slug(tx, reader.COURSE_SLUG)
        if found is None:
            await services.accounts.ensure(tx, role=Role.INSTRUCTOR, name="Grace Hopper", email=oulad.OWNER_EMAIL)
            found = await load_course(reader.COURSE_FILE, services, tx)
    return found


@pytest_asyncio.fixture(loop_scope="session")
async def desk(app: App) -> Desk:
    world, services, now = app.world, app.world.services, app.now()
    demo = await _demo_course(app)
    tutor = await world.find_user(demo.owner_id)
    learner, peer = await world.user(), await world.user()
    for user, name in ((learner, "Ada Lovelace"), (peer, "Charles Babbage")):
        await world.write(services.accounts.change_profile, user.id, name=name)
    modules = (
        NewModule(
            "Steam",
            units=(NewUnit("What steam can do", kind="page"), NewUnit("A boiler", completion=Completion(Rule.TIME, 1200))),
        ),
        NewModule("Numbers", units=(NewUnit("Tables of logarithms"), NewUnit("More tables", is_required=False))),
    )
    tasks = (
        NewAssessment("Draw an engine", description="A drawing with measures.", due_at=now + 2 * DAY),
        NewAssessment("Describe a valve", due_at=now - DAY),
        NewAssessment("Compute a table", max_grade=20),
    )
    new = NewCourse(
        "Engines that compute", modules, tasks, description="From steam to numbers.", subject="Physics", is_sequential=True
    )
    course = await world.write(services.course_editing.create, new, owner_id=tutor.id)
    full = await world.write(
        services.course_editing.create, NewCourse("Sold out", modules[:1], capacity=0, subject="Physics"), owner_id=tutor.id
    )
    done = await world.write(
        services.course_editing.create,
        NewCourse("First steps", (NewModule("Only", units=(NewUnit("One"),)),)),
        owner_id=tutor.id,
    )
    for each in (demo, course, done):
        await world.write(services.enrollments.enroll, learner.id, each.id)
    await world.write(services.enrollments.enroll, peer.id, course.id)
    await world.write(services.enrollments.enroll_or_wait, learner.id, full.id)
    caller, staff = Caller(learner.id, Role.PARTICIPANT), Caller(tutor.id, Role.INSTRUCTOR)
    await services.marking.mark(caller, course.units[0])
    await services.marking.mark(caller, done.units[0])
    certified = StatusChange(EnrollmentStatus.CERTIFIED, "https://certificates.example/1")
    await world.write(services.enrollments.set_status, staff, done.id, learner.id, certified)
    for days in range(3):
        await _study(app, learner, course, end=now - days * DAY - HOUR, minutes=4)
    await world.write(services.assessments.submit, caller, course.assessments[2].id, f"{URL}/1")
    handed_in, _ = await world.write(services.assessments.submit, caller, course.assessments[2].id, f"{URL}/2")
    await world.write(services.assessments.grade, staff, handed_in.id, NewGrade(17.5, "Good work. Check the last row."))
    for sender, receiver, text in ((peer, learner, "Did you understand the valve?"), (learner, tutor, "May I hand in later?")):
        await world.write(services.messaging.send, sender.id, receiver.id, text)
    await world.write(services.accounts.show_streak, learner.id, is_shown=True)
    return Desk(learner, tutor, demo, course, full)


async def _study(app: App, learner: User, course: CourseTree, *, end: int, minutes: int) -> None:
    world, unit_id = app.world, course.units[1].id
    event = Event(
        world.services.new_id(),
        ActivityType.UNIT_VIEW,
        course.id,
        unit_id=unit_id,
        start_time=end - minutes * MINUTE,
        end_time=end,
    )
    await world.write(world.services.tracking.record, [Report(learner.id, end, (event,))], world.clock())


def unit_of(course: CourseTree, slug: str) -> int:
    return next(unit.id for unit in course.units if unit.slug == slug)

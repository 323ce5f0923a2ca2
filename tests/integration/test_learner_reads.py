"""What a learner's pages read: the next step, study by day, offers of courses, assessments and correspondents."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import select

from headway.accounts.model import User
from headway.accounts.tables import users
from headway.assessments.model import AssessmentState, NewGrade
from headway.courses.completion import Completion, Rule
from headway.courses.model import CourseKind, CourseTree, NewAssessment, NewCourse, NewModule, NewUnit
from headway.db.database import Database
from headway.enrollments.model import EnrollmentStatus, StatusChange
from headway.enrollments.offers import Offer, OfferState
from headway.errors import Conflict, Forbidden, HeadwayError, NotFound
from headway.identity import Caller, Role
from headway.instants import DAY, HOUR, MINUTE
from headway.learning.learner_courses import LearnerCourses
from headway.learning.model import ActivityType, Event, Report
from headway.learning.store import CourseStructures
from headway.learning.tables import learner_activity_logs, unit_progress
from headway.paging.service import Walk
from tests.counting_database import CountingDatabase
from tests.integration.concurrency import differences
from tests.world import NOON, World

BERLIN = ZoneInfo("Europe/Berlin")


async def _make_course(world: World, *units: NewUnit, owner: User | None = None, **given: Any) -> CourseTree:
    owner = owner or await world.user(Role.INSTRUCTOR)
    modules = (NewModule("First", units=units or (NewUnit("One"), NewUnit("Two"))),)
    new = NewCourse(given.pop("title", "Course"), modules=modules, **given)
    return await world.write(world.services.course_editing.create, new, owner_id=owner.id)


async def _study(world: World, learner: User, course: CourseTree, *, end: int, minutes: float, unit: int = 0) -> None:
    length = int(minutes * MINUTE)
    event = Event(
        world.services.new_id(),
        ActivityType.UNIT_VIEW,
        course.id,
        unit_id=course.units[unit].id,
        start_time=end - length,
        end_time=end,
    )
    await world.write(world.services.tracking.record, [Report(learner.id, max(end, world.clock()), (event,))], world.clock())


def _caller(user: User) -> Caller:
    return Caller(user.id, user.role)


# Paths


async def test_the_path_leads_to_the_next_step_and_back_to_what_was_studied_last(world: World) -> None:
    manual = (NewUnit("One"), NewUnit("Extra", is_required=False), NewUnit("Three"), NewUnit("Four"))
    course = await _make_course(world, *manual, kind=CourseKind.SESSION, starts_at=NOON, ends_at=NOON + 10 * DAY)
    learner = await world.learner(course)
    one, extra, three, _ = course.units
    await _study(world, learner, course, end=NOON - HOUR, minutes=5, unit=2)
    await world.services.marking.mark(_caller(learner), one)

    ((path,), total) = await world.read(world.services.learning.paths, learner.id, Walk(10, 1))

    assert total == 1
    assert path.next_step is not None
    assert path.next_step.id == three.id
    assert path.last_studied is not None
    assert path.last_studied.unit.id == one.id
    assert (path.completed_units, path.required_units) == (1, 3)
    assert path.schedule == (CourseKind.SESSION, NOON, NOON + 10 * DAY)
    assert path.is_open

    done = select(unit_progress.c.unit_id).where(unit_progress.c.status == "COMPLETED")
    assert await world.rows(done) == [(one.id,)]
    assert extra.id != path.next_step.id


async def test_who_left_a_course_has_no_next_step_in_it(world: World) -> None:
    course = await _make_course(world)
    learner = await world.learner(course)
    await world.write(world.services.enrollments.leave, learner.id, course.id)

    ((path,), _) = await world.read(world.services.learning.paths, learner.id, Walk(10, 1))

    assert not path.is_open
    assert path.next_step is None


async def test_paths_take_as_many_statements_for_one_course_as_for_many(world: World) -> None:
    learner, counts = await world.user(), []
    for number in range(5):
        course = await _make_course(world, title=f"Course {number}")
        await world.write(world.services.enrollments.enroll, learner.id, course.id)
        counted = CountingDatabase(world.database)
        async with cast("Database", counted).read() as tx:
            paths, total = await LearnerCourses(world.clock, CourseStructures()).paths(tx, learner.id, Walk(10, 1))
        assert len(paths) == total == number + 1
        counts.append(counted.statements)

    assert len(set(counts)) == 1


async def test_finished_courses_are_listed_with_their_certificates(world: World) -> None:
    course, other = await _make_course(world), await _make_course(world, title="Begun only")
    learner = await world.learner(course)
    await world.write(world.services.enrollments.enroll, learner.id, other.id)
    assert await world.read(world.services.learning.list_finished, learner.id) == []

    for unit in course.units:
        await world.services.marking.mark(_caller(learner), unit)
    change = StatusChange(EnrollmentStatus.CERTIFIED, "https://certificates.example/1")
    owner = Caller(course.owner_id, Role.INSTRUCTOR)
    await world.write(world.services.enrollments.set_status, owner, course.id, learner.id, change)

    ((enrollment, title),) = await world.read(world.services.learning.list_finished, learner.id)
    assert (enrollment.course_id, title) == (course.id, "Course")
    assert enrollment.certificate_link == "https://certificates.example/1"


# Marking units as complete


async def test_marking_a_unit_completes_it_by_its_rule_and_is_kept_as_an_event(world: World) -> None:
    course = await _make_course(world)
    learner = await world.learner(course)

    unit = await world.read(world.services.marking.check, _caller(learner), course.id, course.units[0].id)
    await world.services.marking.mark(_caller(learner), unit)
    await world.services.marking.mark(_caller(learner), unit)

    assert await world.rows(select(unit_progress.c.unit_id, unit_progress.c.met_rule)) == [(unit.id, "manual")]
    events = select(learner_activity_logs.c.activity_type, learner_activity_logs.c.unit_id)
    assert await world.rows(events) == [("unit_complete", unit.id)] * 2
    assert await differences(world) == []


@pytest.mark.parametrize(
    ("unit", "code"),
    [(1, "UNIT_LOCKED"), (2, "OTHER_RULE"), (None, "UNIT_NOT_FOUND")],
    ids=["locked", "another rule", "unknown"],
)
async def test_a_unit_that_cannot_be_marked_is_refused(world: World, unit: int | None, code: str) -> None:
    made = (NewUnit("One"), NewUnit("Two"), NewUnit("Quiz", completion=Completion(Rule.QUIZ, 50)))
    course = await _make_course(world, *made, is_sequential=True)
    learner = await world.learner(course)
    unit_id = 0 if unit is None else course.units[unit].id

    with pytest.raises(HeadwayError) as refused:
        await world.read(world.services.marking.check, _caller(learner), course.id, unit_id)

    assert refused.value.kind == code


async def test_only_those_enrolled_mark_units(world: World) -> None:
    course = await _make_course(world)
    owner = Caller(course.owner_id, Role.INSTRUCTOR)
    for caller in (owner, _caller(await world.user())):
        with pytest.raises(Forbidden):
            await world.read(world.services.marking.check, caller, course.id, course.units[0].id)


# Study by day


async def test_study_by_day_adds_up_to_the_study_time_in_every_zone(world: World) -> None:
    course, second = await _make_course(world), await _make_course(world, title="Second")
    learner = await world.learner(course)
    await world.write(world.services.enrollments.enroll, learner.id, second.id)
    midnight = NOON - 12 * HOUR
    for end, minutes, where in (
        (NOON - HOUR, 30, course),
        (NOON - HOUR + 10 * MINUTE, 20, course),  # overlaps by 10 minutes
        (midnight - 30 * MINUTE, 60, course),  # over midnight in Berlin
        (midnight - 5 * DAY, 15, course),
        (NOON - HOUR, 10, second),
    ):
        await _study(world, learner, where, end=end, minutes=minutes)

    access = await world.read(world.services.progress.authorize, _caller(learner), course.id, learner.id)
    times = world.services.study_times
    calendar = await world.read(times.in_course, access, BERLIN, days=14)
    total = await world.read(times.own, learner.id, BERLIN, days=14)
    profile = await world.read(world.services.profiles.read, learner.id)

    assert calendar.by_day == {
        date(2026, 1, 1): 40 * MINUTE + 30 * MINUTE,
        date(2025, 12, 31): 30 * MINUTE,
        date(2025, 12, 27): 15 * MINUTE,
    }
    assert (calendar.first, calendar.last, len(calendar.days)) == (date(2025, 12, 19), date(2026, 1, 1), 14)
    assert calendar.total == (await world.read(world.services.enrollments.find, learner.id, course.id)).study_ms  # type: ignore[union-attr]
    assert total.by_day[date(2026, 1, 1)] == calendar.by_day[date(2026, 1, 1)] + 10 * MINUTE
    assert total.total == profile.study_ms
    in_utc = await world.read(times.in_course, access, UTC, days=14)
    assert in_utc.by_day == {
        date(2026, 1, 1): 40 * MINUTE,
        date(2025, 12, 31): 60 * MINUTE,
        date(2025, 12, 26): 15 * MINUTE,
    }


async def test_a_calendar_begins_at_the_first_midnight_of_the_zone(world: World) -> None:
    course = await _make_course(world)
    learner = await world.learner(course)
    begin = datetime(2025, 12, 31, tzinfo=BERLIN)
    start = int(begin.timestamp() * 1000)
    await _study(world, learner, course, end=start + 10 * MINUTE, minutes=30)

    calendar = await world.read(world.services.study_times.own, learner.id, BERLIN, days=2)

    assert calendar.by_day == {date(2025, 12, 31): 10 * MINUTE}


async def test_a_streak_counts_days_of_the_learners_zone(world: World) -> None:
    course = await _make_course(world)
    learner = await world.learner(course)
    # 23:15 to 23:30 UTC: in Berlin each falls on the next day, the last one on the day of NOON.
    for days in (1, 2, 3):
        await _study(world, learner, course, end=NOON - days * DAY + 11 * HOUR + 30 * MINUTE, minutes=15)

    streak = world.services.study_times.own_streak
    assert await world.read(streak, learner.id, BERLIN) == 3
    assert await world.read(streak, learner.id, UTC) == 3
    world.clock.advance(seconds=86_400)
    assert await world.read(streak, learner.id, BERLIN) == 3
    assert await world.read(streak, learner.id, UTC) == 0
    world.clock.advance(seconds=86_400)
    assert await world.read(streak, learner.id, BERLIN) == 0


async def test_streaks_are_off_until_the_learner_wants_them(world: World) -> None:
    learner = await world.user()
    assert not (await world.read(world.services.accounts.find_account, learner.id)).shows_streak

    for is_shown in (True, False):
        await world.write(world.services.accounts.show_streak, learner.id, is_shown=is_shown)
        assert (await world.read(world.services.accounts.find_account, learner.id)).shows_streak is is_shown
        assert await world.rows(select(users.c.shows_streak).where(users.c.id == learner.id)) == [(is_shown,)]


# Offers


async def _offer(world: World, user: User, course: CourseTree) -> Offer:
    found = await world.read(world.services.courses.find, course.id)
    return (await world.read(world.services.offers.read, user.id, [found]))[course.id]


async def _outcome(world: World, user: User, course: CourseTree) -> str:
    try:
        await world.write(world.services.enrollments.enroll, user.id, course.id)
    except Conflict as refused:
        return refused.kind
    return "enrolled"


@pytest.mark.parametrize(
    ("given", "state", "outcome"),
    [
        ({}, OfferState.FREE, "enrolled"),
        ({"capacity": 1}, OfferState.FREE, "enrolled"),
        ({"capacity": 0}, OfferState.FULL, "COURSE_FULL"),
        ({"enroll_from": NOON + 1}, OfferState.NOT_OPEN_YET, "COURSE_CLOSED"),
        ({"enroll_from": NOON}, OfferState.FREE, "enrolled"),
        ({"enroll_until": NOON}, OfferState.CLOSED, "COURSE_CLOSED"),
        ({"enroll_until": NOON + 1}, OfferState.FREE, "enrolled"),
        ({"ends_at": NOON}, OfferState.CLOSED, "COURSE_CLOSED"),
    ],
)
async def test_an_offer_says_what_enrolling_does(world: World, given: dict[str, Any], state: OfferState, outcome: str) -> None:
    course, user = await _make_course(world, **given), await world.user()

    offer = await _offer(world, user, course)

    assert offer.state is state
    assert offer.free_seats == given.get("capacity")
    assert await _outcome(world, user, course) == outcome
    if outcome == "enrolled":
        assert (await _offer(world, user, course)).state is OfferState.ENROLLED
        assert await _outcome(world, user, course) == "LEARNER_ENROLLMENT_DENIED"


async def test_an_offer_names_the_courses_that_have_to_be_completed_first(world: World) -> None:
    first = await _make_course(world, NewUnit("One"), title="First")
    course, user = await _make_course(world, prerequisites=(first.id,)), await world.user()

    offer = await _offer(world, user, course)

    assert offer.state is OfferState.PREREQUISITES
    assert [each.title for each in offer.missing] == ["First"]
    assert await _outcome(world, user, course) == "PREREQUISITE_MISSING"
    await world.write(world.services.enrollments.enroll, user.id, first.id)
    await world.services.marking.mark(_caller(user), first.units[0])
    assert (await _offer(world, user, course)).state is OfferState.FREE


async def test_an_offer_tells_the_place_on_the_waiting_list(world: World) -> None:
    course = await _make_course(world, capacity=1)
    seated, first, second = await world.learner(course), await world.user(), await world.user()
    for user in (first, second):
        assert (await _offer(world, user, course)).state is OfferState.FULL
        await world.write(world.services.enrollments.enroll_or_wait, user.id, course.id)
        world.clock.advance(seconds=1)

    assert [(each.state, each.position) for each in [await _offer(world, user, course) for user in (first, second)]] == [
        (OfferState.WAITING, 1),
        (OfferState.WAITING, 2),
    ]
    (place,) = await world.read(world.services.offers.list_waiting, second.id)
    assert (place.course_id, place.title, place.position) == (course.id, "Course", 2)

    await world.write(world.services.enrollments.leave, seated.id, course.id)

    assert (await _offer(world, first, course)).state is OfferState.ENROLLED
    assert (await _offer(world, second, course)).position == 1
    again = await _offer(world, seated, course)
    assert again.state is OfferState.FULL
    assert again.enrollment is not None


async def test_whose_access_has_ended_is_told_so(world: World) -> None:
    course = await _make_course(world, access_days=1)
    learner = await world.learner(course)
    world.clock.advance(seconds=86_400)

    assert (await _offer(world, learner, course)).state is OfferState.ENDED
    assert await _outcome(world, learner, course) == "LEARNER_ENROLLMENT_DENIED"


async def test_facets_are_those_of_published_courses(world: World) -> None:
    for subject, level, is_published in (
        ("Art", "basic", True),
        ("Art", None, True),
        ("Biology", "hard", True),
        ("X", "y", False),
    ):
        await _make_course(world, subject=subject, level=level, is_published=is_published)

    assert await world.read(world.services.courses.facets) == (["Art", "Biology"], ["basic", "hard"])


# Assessments


async def test_assessments_are_listed_with_their_states(world: World) -> None:
    tasks = tuple(
        NewAssessment(title, due_at=due_at)
        for title, due_at in (("Open", None), ("Due", NOON + DAY), ("Late", NOON - DAY), ("Sent", NOON - DAY), ("Graded", None))
    )
    course, other = (
        await _make_course(world, assessments=tasks),
        await _make_course(world, assessments=(NewAssessment("Else"),)),
    )
    learner, classmate = await world.learner(course), await world.learner(course)
    assessments = world.services.assessments
    sent, graded = course.assessments[3].id, course.assessments[4].id
    for learner_of, task, number in (
        (learner, sent, 1),
        (learner, sent, 2),
        (learner, graded, 3),
        (classmate, course.assessments[0].id, 4),
    ):
        url = f"https://github.com/a/{number}"
        submission, _ = await world.write(assessments.submit, _caller(learner_of), task, url)
        if task == graded:
            owner = Caller(course.owner_id, Role.INSTRUCTOR)
            await world.write(assessments.grade, owner, submission.id, NewGrade(80, "Well done"))

    found = await world.read(assessments.list_own, learner.id)

    states = [(each.assessment.title, each.state(NOON)) for each in found]
    assert states == [
        ("Open", AssessmentState.TO_HAND_IN),
        ("Due", AssessmentState.TO_HAND_IN),
        ("Late", AssessmentState.LATE),
        ("Sent", AssessmentState.HANDED_IN),
        ("Graded", AssessmentState.GRADED),
    ]
    assert [each.submission_url for each in found[3].submissions] == ["https://github.com/a/2", "https://github.com/a/1"]
    assert found[3].submission is not None
    assert found[3].submission.is_late(found[3].assessment)
    assert found[4].submissions[0].feedback == "Well done"
    assert await world.read(assessments.list_own, learner.id, course.id) == found
    assert await world.read(assessments.list_own, learner.id, other.id) == []
    await world.write(world.services.enrollments.leave, learner.id, course.id)
    assert await world.read(assessments.list_own, learner.id) == []


async def test_a_retired_assessment_is_listed_where_work_was_handed_in(world: World) -> None:
    course = await _make_course(world, assessments=(NewAssessment("Old"), NewAssessment("Other")))
    learner, other = await world.learner(course), await world.learner(course)
    await world.write(world.services.assessments.submit, _caller(learner), course.assessments[0].id, "https://github.com/a/b")

    def retire(tree: CourseTree) -> NewCourse:
        modules = tuple(NewModule(each.title, id=each.id) for each in tree.modules)
        return msgspec.structs.replace(tree.course, modules=modules, assessments=())

    owner = Caller(course.owner_id, Role.INSTRUCTOR)
    await world.write(world.services.course_editing.change, owner, course.id, retire)

    listed = world.services.assessments.list_own
    assert [each.assessment.title for each in await world.read(listed, learner.id)] == ["Old"]
    assert await world.read(listed, other.id) == []


# Correspondents


async def test_tutors_are_the_staff_of_the_courses_to_which_one_has_access(world: World) -> None:
    course, left = await _make_course(world), await _make_course(world)
    learner = await world.learner(course)
    second = await _make_course(world, title="Second", owner=await world.find_user(course.owner_id))
    for each in (left, second):
        await world.write(world.services.enrollments.enroll, learner.id, each.id)
    await world.write(world.services.enrollments.leave, learner.id, left.id)

    (tutor,) = await world.read(world.services.messaging.list_tutors, learner.id)

    assert tutor.user_id == course.owner_id
    assert tutor.shared_courses == [(course.id, "Course"), (second.id, "Second")]
    assert (await world.read(world.services.messaging.find_correspondent, learner.id, tutor.user_id)).may_write


async def test_peers_are_found_by_name(world: World) -> None:
    course = await _make_course(world)
    learner = await world.learner(course)
    names = ["Änne Weiß", "Anne White", "Bo"]
    for name in names:
        user = await world.learner(course)
        await world.write(world.services.accounts.change_profile, user.id, name=name)
    stranger = await world.user()
    await world.write(world.services.accounts.change_profile, stranger.id, name="Anne Elsewhere")

    async def find(name: str | None) -> Sequence[str]:
        found = await world.read(world.services.messaging.find_peers, learner.id, name, limit=3)
        assert all(peer.shared_courses == [(course.id, "Course")] for peer in found)
        return [peer.name for peer in found]

    assert await find(None) == names
    assert await find("anne") == ["Änne Weiß", "Anne White"]
    assert await find("white ann") == ["Anne White"]
    assert await find("elsewhere") == []
    assert await find("%") == []
    await world.learner(course)
    assert await find(None) == names


async def test_somebody_with_whom_one_wrote_stays_a_correspondent(world: World) -> None:
    course = await _make_course(world)
    learner, peer, stranger = await world.learner(course), await world.learner(course), await world.user()
    messaging = world.services.messaging
    await world.write(messaging.send, peer.id, learner.id, "Hello")
    await world.write(messaging.send, peer.id, learner.id, "Again")

    found = await world.read(messaging.find_correspondent, learner.id, peer.id)
    assert found == (peer.id, peer.name, True, 2)
    assert await world.read(messaging.count_unread, learner.id) == 2

    await world.write(world.services.enrollments.leave, peer.id, course.id)
    assert not (await world.read(messaging.find_correspondent, learner.id, peer.id)).may_write
    for other in (stranger.id, learner.id, 999_999):
        with pytest.raises(NotFound):
            await world.read(messaging.find_correspondent, learner.id, other)

"""Study by day of a time zone adds up to the study time, and days in a row make a streak."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select

from headway.accounts.tables import users
from headway.instants import DAY, HOUR, MINUTE
from tests.integration.learner_courses import caller_of, make_course, study
from tests.world import NOON, World

BERLIN = ZoneInfo("Europe/Berlin")


async def test_study_by_day_adds_up_to_the_study_time_in_every_zone(world: World) -> None:
    course, second = await make_course(world), await make_course(world, title="Second")
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
        await study(world, learner, where, end=end, minutes=minutes)

    access = await world.read(world.services.progress.authorize, caller_of(learner), course.id, learner.id)
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
    course = await make_course(world)
    learner = await world.learner(course)
    begin = datetime(2025, 12, 31, tzinfo=BERLIN)
    start = int(begin.timestamp() * 1000)
    await study(world, learner, course, end=start + 10 * MINUTE, minutes=30)

    calendar = await world.read(world.services.study_times.own, learner.id, BERLIN, days=2)

    assert calendar.by_day == {date(2025, 12, 31): 10 * MINUTE}


async def test_a_streak_counts_days_of_the_learners_zone(world: World) -> None:
    course = await make_course(world)
    learner = await world.learner(course)
    # 23:15 to 23:30 UTC: in Berlin each falls on the next day, the last one on the day of NOON.
    for days in (1, 2, 3):
        await study(world, learner, course, end=NOON - days * DAY + 11 * HOUR + 30 * MINUTE, minutes=15)

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

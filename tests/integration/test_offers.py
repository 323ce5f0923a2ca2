"""What a course offers to a user is what enrolling then does."""

from typing import Any

import pytest

from headway.accounts.model import User
from headway.courses.model import CourseTree, NewUnit
from headway.enrollments.offers import Offer, OfferState
from headway.errors import Conflict
from tests.integration.learner_courses import caller_of, make_course
from tests.world import NOON, World


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
    course, user = await make_course(world, **given), await world.user()

    offer = await _offer(world, user, course)

    assert offer.state is state
    assert offer.free_seats == given.get("capacity")
    assert await _outcome(world, user, course) == outcome
    if outcome == "enrolled":
        assert (await _offer(world, user, course)).state is OfferState.ENROLLED
        assert await _outcome(world, user, course) == "LEARNER_ENROLLMENT_DENIED"


async def test_an_offer_names_the_courses_that_have_to_be_completed_first(world: World) -> None:
    first = await make_course(world, NewUnit("One"), title="First")
    course, user = await make_course(world, prerequisites=(first.id,)), await world.user()

    offer = await _offer(world, user, course)

    assert offer.state is OfferState.PREREQUISITES
    assert [each.title for each in offer.missing] == ["First"]
    assert await _outcome(world, user, course) == "PREREQUISITE_MISSING"
    await world.write(world.services.enrollments.enroll, user.id, first.id)
    await world.services.marking.mark(caller_of(user), first.units[0])
    assert (await _offer(world, user, course)).state is OfferState.FREE


async def test_an_offer_tells_the_place_on_the_waiting_list(world: World) -> None:
    course = await make_course(world, capacity=1)
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
    course = await make_course(world, access_days=1)
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
        await make_course(world, subject=subject, level=level, is_published=is_published)

    assert await world.read(world.services.courses.facets) == (["Art", "Biology"], ["basic", "hard"])

"""Whom a user finds to write to: tutors, peers, and who has written before."""

from collections.abc import Sequence

import pytest

from headway.errors import NotFound
from tests.integration.learner_courses import make_course
from tests.world import World


async def test_tutors_are_the_staff_of_the_courses_to_which_one_has_access(world: World) -> None:
    course, left = await make_course(world), await make_course(world)
    learner = await world.learner(course)
    second = await make_course(world, title="Second", owner=await world.find_user(course.owner_id))
    for each in (left, second):
        await world.write(world.services.enrollments.enroll, learner.id, each.id)
    await world.write(world.services.enrollments.leave, learner.id, left.id)

    (tutor,) = await world.read(world.services.messaging.list_tutors, learner.id)

    assert tutor.user_id == course.owner_id
    assert tutor.shared_courses == [(course.id, "Course"), (second.id, "Second")]
    assert (await world.read(world.services.messaging.find_correspondent, learner.id, tutor.user_id)).may_write


async def test_peers_are_found_by_name(world: World) -> None:
    course = await make_course(world)
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
    course = await make_course(world)
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

"""`headway verify` on what is counted beside progress: seats and those who wait, unread messages, the numbers of the feed."""

from typing import Any

import pytest
from sqlalchemy import bindparam, delete, update

from headway.courses.completion import Completion
from headway.courses.tables import courses
from headway.db.dialects import Statement
from headway.enrollments.seating import Waiting
from headway.feed.tables import feed, feed_topics
from headway.messaging.tables import conversations, messages
from headway.services import make_checks
from headway.verify import Verify
from tests.world import World

Played = dict[str, int]


@pytest.fixture
async def played(world: World) -> Played:
    """Two learners who wrote to each other, and one who waits for a seat."""
    course = await world.course((Completion(),), capacity=2)
    first, second = await world.learner(course), await world.learner(course)
    third = await world.user()
    assert isinstance(await world.write(world.services.enrollments.enroll_or_wait, third.id, course.id), Waiting)
    for text in ("one", "two", "three"):
        await world.write(world.services.messaging.send, first.id, second.id, text)
    await world.write(world.services.messaging.send, second.id, first.id, "back")
    await world.write(world.services.messaging.mark_conversation_read, first.id, second.id)
    return {"course": course.id, "first": first.id, "second": second.id}


async def named(world: World) -> list[str]:
    found = await Verify(world.database, make_checks()).run()
    return [f"{each.table}.{each.column}" for each in found.differences]


async def spoil(world: World, statement: Statement, **given: Any) -> None:
    async with world.database.write() as tx:
        await tx.run(statement, **given)


async def test_what_happened_leaves_no_difference(world: World, played: Played) -> None:
    assert played
    assert await named(world) == []


async def test_a_wrong_number_of_unread_messages_is_named(world: World, played: Played) -> None:
    await spoil(
        world, update(conversations).where(conversations.c.user_id == bindparam("id")).values(unread=7), id=played["second"]
    )

    assert await named(world) == ["conversations.unread"]


async def test_a_reading_mark_that_was_not_counted_is_named(world: World, played: Played) -> None:
    await spoil(world, update(messages).where(messages.c.user_id == bindparam("id")).values(is_read=True), id=played["second"])

    assert await named(world) == ["conversations.unread"]


async def test_a_course_that_is_not_found_by_what_it_says_is_named(world: World, played: Played) -> None:
    await spoil(world, update(courses).where(courses.c.id == bindparam("at")).values(title="Another"), at=played["course"])

    assert await named(world) == ["course_terms.term"]


async def test_a_gap_in_the_feed_is_named(world: World, played: Played) -> None:
    in_the_middle = (feed.c.topic == bindparam("at"), feed.c.seq == 2)
    await spoil(world, delete(feed).where(*in_the_middle), at=f"user:{played['second']}")

    assert await named(world) == ["feed.seq"]


async def test_a_topic_that_forgot_its_number_is_named(world: World, played: Played) -> None:
    topic = f"user:{played['second']}"
    await spoil(world, update(feed_topics).where(feed_topics.c.topic == bindparam("at")).values(seq=1), at=topic)

    assert await named(world) == ["feed_topics.seq"]


async def test_somebody_who_waits_beside_a_free_seat_is_named(world: World, played: Played) -> None:
    await spoil(world, update(courses).where(courses.c.id == bindparam("at")).values(capacity=3), at=played["course"])

    assert await named(world) == ["waiting_list.number"]

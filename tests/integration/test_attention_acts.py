"""What staff do about learners who need help: put aside, write, note, on both databases."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from sqlalchemy import select

from headway.attention.model import Rule, RuleName
from headway.attention.service import Sent
from headway.attention.tables import attention_dismissals, attention_messages, course_notes
from headway.db.keyring import Keyring
from headway.errors import Conflict, Forbidden, Invalid, NotFound
from headway.identity import Caller, CourseRole, Role
from headway.instants import DAY
from headway.key_rotation import rotate_keys
from headway.messaging.tables import messages
from headway.paging.service import Walk
from tests.integration.attention_class import AttentionClass, make_class, named
from tests.world import NOON, World

Act = Callable[[Caller], Awaitable[Any]]


@pytest.fixture
async def course(world: World) -> AttentionClass:
    """A class in the middle of its course."""
    return await make_class(world, starts_at=NOON - 10 * DAY, ends_at=NOON + 90 * DAY)


async def test_what_is_put_aside_stays_so_until_there_is_other_evidence(course: AttentionClass, world: World) -> None:
    ada, grace = await course.learner(), await course.learner()
    course.pass_days(8)

    async def dismiss(*user_ids: int, days: int = 30) -> int:
        acted = await world.write(
            course.attention.dismiss, course.tutor, course.course.id, user_ids, days=days, note="On leave"
        )
        return cast("int", acted)

    assert await dismiss(ada.id, ada.id + 10**6) == 1
    found = await course.find()
    assert (list(found.listed), list(found.dismissed)) == ([grace.id], [ada.id])
    (shown,) = await world.read(course.attention.read, found, [ada.id])
    assert (shown.note, [each.rule for each in shown.findings]) == ("On leave", [RuleName.NOT_SEEN])

    # Another reason is another finding, and the one that was put aside is not shown with it.
    course.pass_days(15)
    found = await course.find()
    assert named(found.listed[ada.id]) == {"behind_plan": 25}
    assert named(found.listed[grace.id]) == {"not_seen": 23, "behind_plan": 25}
    (shown,) = await world.read(course.attention.read, found, [ada.id])
    assert [each.rule for each in shown.findings] == [RuleName.BEHIND_PLAN]
    assert await dismiss(ada.id) == 1
    assert ada.id in (await course.find()).dismissed

    # Another absence, too.
    await course.study(ada.id, "viewed")
    course.pass_days(7)
    assert named((await course.find()).listed[ada.id]) == {"not_seen": 7}


async def test_what_is_put_aside_comes_back_in_time_or_when_that_is_undone(course: AttentionClass, world: World) -> None:
    ada, grace = await course.learner(), await course.learner()
    course.pass_days(8)
    everybody = [ada.id, grace.id]
    await world.write(course.attention.dismiss, course.tutor, course.course.id, everybody, days=2, note=None)
    assert (await course.find()).listed == {}

    await world.write(course.attention.restore, course.tutor, course.course.id, [ada.id])
    assert list((await course.find()).listed) == [ada.id]
    course.pass_days(2)
    assert sorted((await course.find()).listed) == everybody
    # What has expired goes with the next one.
    await world.write(course.attention.dismiss, course.tutor, course.course.id, [ada.id], days=2, note=None)
    assert await world.rows(select(attention_dismissals.c.user_id)) == [(ada.id,)]
    for days, note, field in ((0, None, "days"), (366, None, "days"), (1, " ", "note"), (1, "x" * 5_001, "note")):
        with pytest.raises(Invalid) as refused:
            await world.write(course.attention.dismiss, course.tutor, course.course.id, [ada.id], days=days, note=note)
        assert [each.field for each in refused.value.fields] == [field]


async def send(course: AttentionClass, *user_ids: int, text: str = "Hello {name}!") -> Sent:
    sent = await course.world.write(course.attention.send, course.tutor, course.course.id, user_ids, text)
    return cast("Sent", sent)


async def received(world: World) -> list[tuple[int, str]]:
    found = await world.rows(select(messages.c.user_id, messages.c.sender_id, messages.c.message).order_by(messages.c.user_id))
    texts = await world.decrypt(*(text for _, _, text in found))
    return [(row[0], text) for row, text in zip(found, texts, strict=True) if row[0] != row[1]]


async def test_a_message_to_several_has_the_name_of_each_and_arrives_once(course: AttentionClass, world: World) -> None:
    ada, grace, gone = [await course.learner(name) for name in ("Ada <b>", "Grace {name}", "Gone")]
    await world.write(world.services.enrollments.leave, gone.id, course.course.id)
    somebody = await world.user()
    receivers = (ada.id, grace.id, gone.id, somebody.id, ada.id)

    assert await send(course, *receivers) == Sent(sent=2, repeated=0, refused=1)
    assert await send(course, *receivers) == Sent(sent=0, repeated=2, refused=1)
    assert await received(world) == [(ada.id, "Hello Ada <b>!"), (grace.id, "Hello Grace {name}!")]
    unread = await world.read(world.services.messaging.list_conversations, ada.id, Walk(10, 1))
    assert (unread.total, unread.unread) == (1, 1)
    assert await send(course, ada.id, text="Another one") == Sent(1, 0, 0)
    course.pass_days(0.9)
    assert await send(course, ada.id) == Sent(0, 1, 0)
    course.pass_days(0.2)
    assert await send(course, ada.id) == Sent(1, 0, 0)
    # It is known by its HMAC alone.
    assert all("Hello" not in str(row) for row in await world.rows(select(attention_messages)))


async def test_two_clicks_at_the_same_time_send_one_message(course: AttentionClass, world: World) -> None:
    learners = [(await course.learner()).id for _ in range(5)]

    results = await asyncio.gather(*(send(course, *learners) for _ in range(4)))

    assert sorted(each.sent for each in results) == [0, 0, 0, 5]
    assert sorted(user_id for user_id, _ in await received(world)) == learners


async def test_messages_are_bounded(course: AttentionClass, world: World) -> None:
    ada = await course.learner()
    for text in ("", " ", "x" * 5_001, "\0"):
        with pytest.raises(Invalid):
            await send(course, ada.id, text=text)
    with pytest.raises(Invalid):
        await send(course, ada.id, text="{name}" * 800)
    with pytest.raises(Conflict) as refused:
        await send(course, *range(1, 1_002))

    assert refused.value.kind == "TOO_MANY_RECEIVERS"
    assert await received(world) == []
    assert await world.rows(select(attention_messages)) == []


async def test_who_answers_a_message_with_activity_has_come_back(course: AttentionClass) -> None:
    ada = await course.learner()
    await course.study(ada.id)
    course.pass_days(2)
    await send(course, ada.id)
    sent_at = course.world.clock.now
    assert (await course.find()).messaged == {ada.id: sent_at}
    assert (await course.find()).returned == {}
    course.pass_days(1)
    await course.study(ada.id)

    (returned,) = (await course.find()).returned.values()

    assert (returned.messaged_at, returned.away_days) == (sent_at, None)
    course.pass_days(14)
    assert (await course.find()).messaged == {}


async def test_notes_are_encrypted_and_for_staff(course: AttentionClass, world: World) -> None:
    ada = await course.learner()
    colleague = await world.user(Role.INSTRUCTOR)
    await world.write(world.services.course_staff.set_role, course.tutor, course.course.id, colleague.id, CourseRole.INSTRUCTOR)
    other = Caller(colleague.id, Role.INSTRUCTOR, name=colleague.name)
    notes, add = course.attention.list_notes, course.attention.add_note
    for caller, text in ((course.tutor, "Called\nher <i>"), (other, "Ill until Monday")):
        world.clock.advance(seconds=1)
        await world.write(add, caller, course.course.id, ada.id, text)

    found = await world.read(notes, other, course.course.id, ada.id)
    assert [(each.author_id, each.author_name, each.text) for each in found] == [
        (colleague.id, colleague.name, "Ill until Monday"),
        (course.tutor.user_id, "INSTRUCTOR 1", "Called\nher <i>"),
    ]
    stored = [text for (text,) in await world.rows(select(course_notes.c.text))]
    assert all("Monday" not in text and "Called" not in text for text in stored)
    with pytest.raises(NotFound):
        await world.write(course.attention.delete_note, course.tutor, course.course.id, ada.id, found[0].id)
    await world.write(course.attention.delete_note, other, course.course.id, ada.id, found[0].id)
    assert [each.text for each in await world.read(notes, other, course.course.id, ada.id)] == ["Called\nher <i>"]
    with pytest.raises(NotFound):
        await world.write(add, course.tutor, course.course.id, other.user_id, "Not a learner")
    for text in ("", "\0", "x" * 5_001):
        with pytest.raises(Invalid):
            await world.write(add, course.tutor, course.course.id, ada.id, text)


async def test_key_rotation_knows_notes_and_reasons(course: AttentionClass, world: World) -> None:
    ada = await course.learner()
    course.pass_days(8)
    await world.write(course.attention.add_note, course.tutor, course.course.id, ada.id, "Called her")
    await world.write(course.attention.dismiss, course.tutor, course.course.id, [ada.id], days=9, note="On leave")
    old, new = "a-secret-key-that-is-only-for-tests", "another-key-that-is-only-for-tests-too"
    world.database.keyring = Keyring(lambda: [new, old])

    await rotate_keys(world.database, world.services.audit)

    world.database.keyring = Keyring(lambda: [new])
    found = await course.find()
    (shown,) = await world.read(course.attention.read, found, [ada.id])
    (note,) = await world.read(course.attention.list_notes, course.tutor, course.course.id, ada.id)
    assert (shown.note, note.text) == ("On leave", "Called her")


async def test_only_the_staff_of_the_course_reads_and_acts(course: AttentionClass, world: World) -> None:
    ada = await course.learner()
    stranger = await world.user(Role.INSTRUCTOR)
    attention, course_id = course.attention, course.course.id
    note = await world.write(attention.add_note, course.tutor, course_id, ada.id, "A note")
    acts: dict[str, Act] = {
        "find": lambda caller: world.read(attention.find, caller, course_id),
        "count": lambda caller: world.read(attention.count, caller, course_id),
        "set_rule": lambda caller: world.write(attention.set_rule, caller, course_id, Rule(RuleName.NOT_SEEN, 3)),
        "dismiss": lambda caller: world.write(attention.dismiss, caller, course_id, [ada.id], days=1, note=None),
        "restore": lambda caller: world.write(attention.restore, caller, course_id, [ada.id]),
        "send": lambda caller: world.write(attention.send, caller, course_id, [ada.id], "Hello"),
        "add_note": lambda caller: world.write(attention.add_note, caller, course_id, ada.id, "A note"),
        "list_notes": lambda caller: world.read(attention.list_notes, caller, course_id, ada.id),
        "delete_note": lambda caller: world.write(attention.delete_note, caller, course_id, ada.id, note.id),
    }

    for caller in (Caller(ada.id, Role.PARTICIPANT), Caller(stranger.id, Role.INSTRUCTOR)):
        for act in acts.values():
            with pytest.raises(Forbidden):
                await act(caller)
    with pytest.raises(NotFound):
        await world.read(attention.find, course.tutor, course_id + 1)
    administrator = Caller((await world.user(Role.ADMIN)).id, Role.ADMIN)
    for name in acts.keys() - {"delete_note"}:
        await acts[name](administrator)
    # Who does not teach the course writes to nobody.
    assert await acts["send"](administrator) == Sent(0, 0, 1)
    assert await received(world) == []

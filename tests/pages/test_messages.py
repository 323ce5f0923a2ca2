"""Messages: conversations, whom to write to, and what is read."""

from sqlalchemy import select

from headway.messaging.tables import conversations
from tests.contract.rights.conftest import School
from tests.pages.conftest import Visit
from tests.pages.test_account import HOSTILE
from tests.world import World


async def test_conversations_and_people_to_write_to_are_listed(visit: Visit, school: School) -> None:
    shown = await visit("peer").open("/app/messages")

    people = {each["href"] for each in shown.soup.select("aside a")}
    assert people == {f"/app/messages/{school.ids['learner_id']}", f"/app/messages/{school.ids['tutor_id']}"}
    conversation = shown.soup.select_one(".conversations a")
    assert conversation is not None
    assert conversation["href"] == f"/app/messages/{school.ids['learner_id']}"
    assert "1 unread" in conversation.get_text()
    assert "Hello" in conversation.get_text()


async def test_people_are_found_by_name(visit: Visit, school: School, world: World) -> None:
    await world.write(world.services.accounts.change_profile, school.people["learner"].id, name="Ada Lovelace")
    visitor = visit("peer")

    found = await visitor.open("/app/messages?q=love")
    missed = await visitor.open("/app/messages?q=nobody")

    assert "Ada Lovelace" in found.soup.select_one("#peers").get_text()  # type: ignore[union-attr]
    assert found.values("/app/messages")["q"] == ["love"]
    assert "Nobody of your courses has this name." in missed.text


async def test_who_has_no_messages_is_told_so(visit: Visit) -> None:
    shown = await visit("stranger").open("/app/messages")

    assert "You have no messages yet." in shown.text
    assert "Nobody else is in your courses." in shown.text


async def test_an_answer_is_sent_and_what_came_before_is_read(visit: Visit, school: School, world: World) -> None:
    path = f"/app/messages/{school.ids['learner_id']}"
    visitor = visit("peer")
    page = await visitor.open(path)
    assert "Mark 1 message as read" in page.text

    shown = await visitor.fill(page, path, message="Good day,\nAda")

    assert "Message sent." in shown.text
    messages = [each.get_text() for each in shown.soup.select(".message .prose")]
    assert messages == ["Hello", "Good day,\nAda"]
    assert "Mark 1 message" not in shown.text
    unread = select(conversations.c.unread).where(conversations.c.user_id == school.people["peer"].id)
    assert await world.rows(unread) == [(0,)]


async def test_looking_marks_nothing_and_the_button_does(visit: Visit, school: School, world: World) -> None:
    path = f"/app/messages/{school.ids['learner_id']}"
    visitor, unread = visit("peer"), select(conversations.c.unread).where(conversations.c.user_id == school.people["peer"].id)
    page = await visitor.open(path)
    assert await world.rows(unread) == [(1,)]

    shown = await visitor.fill(page, f"{path}/read")

    assert await world.rows(unread) == [(0,)]
    assert shown.soup.find("form", action=f"{path}/read") is None
    mine = await visit("learner").open(f"/app/messages/{school.ids['peer_id']}")
    assert "· read" in mine.text


async def test_a_refused_message_stays_in_the_form(visit: Visit, school: School) -> None:
    path = f"/app/messages/{school.ids['learner_id']}"
    for text in ("", " \n ", "x" * 5_001):
        shown = await visit("peer").submit(path, {"message": text})
        assert shown.status == 422
        assert shown.values(path)["message"] == [text.replace("\r\n", "\n")]


async def test_nobody_writes_to_strangers(visit: Visit, school: School) -> None:
    path = f"/app/messages/{school.ids['stranger_id']}"

    assert (await visit("peer").open(path)).status == 404
    assert (await visit("peer").submit(path, {"message": "Hello"})).status == 404


async def test_who_shares_no_course_any_more_can_read_but_not_write(visit: Visit, school: School, world: World) -> None:
    await world.write(world.services.enrollments.leave, school.people["learner"].id, int(school.ids["course"]))
    path = f"/app/messages/{school.ids['learner_id']}"

    shown = await visit("peer").open(path)

    assert "You no longer share a course" in shown.text
    assert shown.soup.find("form", action=path) is None
    assert (await visit("peer").submit(path, {"message": "Hello"})).status == 403


async def test_no_message_and_no_name_is_rendered_as_html(visit: Visit, school: School, world: World) -> None:
    await world.write(world.services.accounts.change_profile, school.people["learner"].id, name=HOSTILE)
    path = f"/app/messages/{school.ids['learner_id']}"
    visitor = visit("peer")
    await visit("learner").submit(f"/app/messages/{school.ids['peer_id']}", {"message": HOSTILE})

    for each in (
        await visitor.open(path),
        await visitor.open("/app/messages"),
        await visitor.submit(path, {"message": HOSTILE}),
    ):
        assert HOSTILE[:40] in each.text
        assert [script for script in each.soup.find_all("script") if not script.get("src")] == []
        assert each.soup.find("img", src="x") is None


async def test_long_conversations_have_pages(visit: Visit, school: School, world: World) -> None:
    learner, peer = school.people["learner"], school.people["peer"]
    for number in range(60):
        world.clock.advance(seconds=1)
        await world.write(world.services.messaging.send, learner.id, peer.id, f"Number {number}.")
    path = f"/app/messages/{school.ids['learner_id']}"
    visitor = visit("peer")

    newest, older = await visitor.open(path), await visitor.open(f"{path}?page=2")

    shown = [each.get_text() for page in (older, newest) for each in page.soup.select(".message .prose")]
    # Messages of one millisecond have no order.
    assert set(shown) == {"Hello", *(f"Number {number}." for number in range(60))}
    assert (len(shown), len(newest.soup.select(".message"))) == (61, 50)


async def test_of_many_learners_some_are_shown(visit: Visit, school: School, world: World) -> None:
    for _ in range(21):
        learner = await world.user()
        await world.write(world.services.enrollments.enroll, learner.id, int(school.ids["course"]))

    shown = await visit("peer").open("/app/messages")

    assert len(shown.soup.select("#peers li")) == 20
    assert "There are more. Look for a name to find them." in shown.text

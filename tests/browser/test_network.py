"""Whatever the network and the server do, each report is stored once, and with the times at which it was made."""

import asyncio

import pytest

from tests.browser.gate import BATCH, HEARTBEAT, Call, Fault, answers, cut_after, cut_before, held_until, too_large_above
from tests.browser.school import assert_once, assert_study, becomes
from tests.browser.visit import IDLE_SECONDS, Visit, assert_stored

ON_BOTH = pytest.mark.parametrize("school", ["sqlite", "postgresql"], indirect=True)

PORTAL = answers(200, b"<!doctype html><title>Sign in to the network</title>", Content_Type="text/html")


@ON_BOTH
async def test_nothing_is_lost_while_the_network_is_away(visit: Visit) -> None:
    await visit.open()
    await visit.read(1)
    await visit.track(1)

    await visit.page.context.set_offline(True)
    await visit.track(2, 3)
    await visit.read(2)
    await visit.page.context.set_offline(False)
    await visit.track(4)
    await visit.read(1)

    await assert_stored(visit, await visit.end(), tracked=[1, 2, 3, 4])


@ON_BOTH
async def test_nothing_is_lost_while_the_server_restarts(visit: Visit) -> None:
    await visit.open()
    await visit.read(1)
    await visit.track(1)

    await asyncio.to_thread(visit.school.server.kill)
    await visit.track(2)
    await visit.read(1.5)
    await asyncio.to_thread(visit.school.server.start)
    await visit.track(3)
    await visit.read(1)

    await assert_stored(visit, await visit.end(), tracked=[1, 2, 3])


async def test_nothing_is_lost_if_the_page_opens_without_a_server(visit: Visit) -> None:
    visit.gate.fail_all(cut_before)
    visit.gate.tokens["learner"] = visit.school.token(visit.learner)
    await visit.open(tokens="/tokens/learner")
    await visit.track(1)
    await visit.read(1.5)
    assert visit.gate.sent() == []

    visit.gate.heal()

    await assert_stored(visit, await visit.end(), tracked=[1])


@pytest.mark.parametrize("fault", [cut_before, cut_after], ids=["before", "after"])
async def test_a_batch_whose_answer_is_lost_is_stored_once(visit: Visit, fault: Fault) -> None:
    await visit.open()
    visit.gate.fail_next(fault, fault)
    await visit.track(1)
    await visit.read(2)
    await visit.track(2)

    await assert_stored(visit, await visit.end(), tracked=[1, 2])
    assert [call.status for call in visit.gate.calls_of()][:1] == [None]
    assert_same_each_time(visit)


@pytest.mark.parametrize(
    "fault",
    [answers(500), answers(502, b"<html>", Content_Type="text/html"), answers(503, Retry_After="1"), answers(408), PORTAL],
    ids=["500", "502", "503", "408", "a portal"],
)
async def test_a_batch_that_fails_is_sent_again(visit: Visit, fault: Fault) -> None:
    await visit.open()
    visit.gate.fail_next(fault, fault)
    await visit.track(1)
    await visit.read(1)
    await visit.track(2)

    await assert_stored(visit, await visit.end(), tracked=[1, 2])
    assert_same_each_time(visit)
    assert (await visit.told())["rejected"] == []


async def test_a_server_that_asks_for_time_gets_it(visit: Visit) -> None:
    visit.gate.fail_next(answers(429, Retry_After="3"))
    await visit.open()
    await visit.track(1)
    await becomes(lambda: is_sent(visit, 1))
    await visit.read(1)

    async def is_sent_again() -> bool:
        return len(visit.gate.calls_of()) > 1

    await becomes(is_sent_again)
    refused, again = visit.gate.calls_of()[:2]
    assert again.at - refused.at > 2.9
    await assert_stored(visit, await visit.end(), tracked=[1])


async def test_a_batch_that_is_too_large_is_divided(visit: Visit) -> None:
    visit.gate.fail_all(too_large_above(3))
    await visit.open()
    await visit.track(*range(1, 13))
    await visit.read(1)

    await assert_stored(visit, await visit.end(), tracked=list(range(1, 13)))
    sizes = {(call.status, len(call.items) > 3) for call in visit.gate.calls_of()}
    assert sizes == {(413, True), (200, False)}


async def test_an_event_that_no_server_takes_is_dropped_and_told(visit: Visit) -> None:
    visit.gate.fail_all(too_large_above(0))
    await visit.open()
    await visit.track(1)

    await becomes(lambda: is_told(visit, "rejected"))
    told = (await visit.told())["rejected"]
    assert {"n": 1} in [refusal["report"].get("metadata") for refusal in told]
    visit.gate.heal()
    await visit.end()
    assert (await visit.stored()).tracked() == []


async def test_an_event_that_is_too_large_leaves_its_neighbours_alone(visit: Visit) -> None:
    await visit.open()
    await visit.track(1)
    await visit.page.evaluate("tracker.track('link_click', { metadata: { n: 2, text: 'x'.repeat(40_000) } })")
    await visit.track(3)

    await assert_stored(visit, await visit.end(), tracked=[1, 3])
    (problem,) = (await visit.told())["error"]
    assert [report["metadata"]["n"] for report in problem["dropped"]] == [2]


async def test_an_event_that_the_server_refuses_leaves_its_neighbours_alone(visit: Visit) -> None:
    await visit.open()
    await visit.track(1)
    await visit.page.evaluate("tracker.track('quiz_submit', { metadata: { score: 'good', max_score: 10 } })")
    await visit.track(2)

    record = await visit.end()
    (refusal,) = (await visit.told())["rejected"]
    assert (refusal["status"], refusal["report"]["activity_type"]) == ("rejected", "quiz_submit")
    assert [error["field"] for error in refusal["errors"]] == ["metadata.score"]
    stored = await visit.stored()
    assert_once(stored)
    assert_study(stored, IDLE_SECONDS, record)
    assert stored.tracked() == [1, 2]


async def test_a_token_that_has_expired_is_asked_for_once(visit: Visit) -> None:
    visit.gate.tokens["learner"] = visit.school.expired_token(visit.learner)
    await visit.open(tokens="/tokens/learner")
    await becomes(lambda: is_answered(visit, 401))
    visit.gate.tokens["learner"] = visit.school.token(visit.learner)
    await visit.track(1)
    await visit.read(1.5)

    await assert_stored(visit, await visit.end(), tracked=[1])
    refused = [call for call in visit.gate.calls if call.status == 401]
    assert len(asked(visit)) <= 1 + len(refused)


async def test_a_page_of_somebody_who_is_not_in_the_course_is_told(visit: Visit) -> None:
    stranger = await visit.school.world.user()
    await visit.open(token=visit.school.token(stranger))
    await visit.track(1)

    await becomes(lambda: is_told(visit, "rejected"))
    told = (await visit.told())["rejected"]
    assert {"n": 1} in [refusal["report"].get("metadata") for refusal in told]
    await visit.page.evaluate("tracker.stop()")
    assert await visit.pending() == 0


async def test_a_batch_that_is_long_under_way_changes_no_times(visit: Visit) -> None:
    await visit.open()
    await visit.read(1)
    released = asyncio.Event()
    visit.gate.fail_next(held_until(released))
    await visit.track(1)
    await visit.read(3)
    released.set()

    await assert_stored(visit, await visit.end(), tracked=[1])


def asked(visit: Visit) -> list[Call]:
    return [call for call in visit.gate.calls if call.path.startswith("/tokens/")]


async def is_told(visit: Visit, name: str) -> bool:
    return bool((await visit.told())[name])


async def is_sent(visit: Visit, times: int) -> bool:
    return len(visit.gate.calls_of()) >= times


async def is_answered(visit: Visit, status: int) -> bool:
    return any(call.status == status for path in (BATCH, HEARTBEAT) for call in visit.gate.calls_of(path))


def assert_same_each_time(visit: Visit) -> None:
    """Assert that a report which was sent several times had the same content each time."""
    contents: dict[str, str] = {}
    for item in visit.gate.sent():
        assert contents.setdefault(item["event_id"], repr(item)) == repr(item)
    assert len(contents) < len(visit.gate.sent())

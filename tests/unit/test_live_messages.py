"""The messages that a hub keeps for the followers of a topic: how many, how long, and what those are told who missed some."""

import json
from collections.abc import Sequence

from headway.live.hub import Messages

TAIL = 256


def filled(count: int) -> Messages:
    messages = Messages("user:5")
    for number in range(1, count + 1):
        messages.add(str(number))
    return messages


def is_gap(told: Sequence[str]) -> bool:
    return [json.loads(each) for each in told] == [{"type": "resync", "topic": "user:5", "scope": "progress"}]


def test_a_follower_gets_what_came_after_its_position() -> None:
    messages = filled(3)

    assert [messages.after(position) for position in range(4)] == [["1", "2", "3"], ["2", "3"], ["3"], []]


def test_a_follower_without_a_position_has_missed_some_even_where_there_was_nothing() -> None:
    assert is_gap(filled(0).after(-1))
    assert is_gap(filled(3).after(-1))


def test_a_follower_that_fell_behind_is_told_so_instead_of_part_of_it() -> None:
    messages = filled(TAIL + 10)

    assert len(messages.after(10)) == TAIL
    assert is_gap(messages.after(9))


def test_a_gap_is_told_to_all_followers_and_not_to_those_who_come_later() -> None:
    messages = filled(3)
    messages.add_gap()
    after_the_gap = messages.newest
    messages.add("5")

    assert is_gap(messages.after(0))
    assert is_gap(messages.after(3))
    assert messages.after(after_the_gap) == ["5"]


def test_messages_stay_for_one_round_and_do_not_fill_the_memory() -> None:
    messages = filled(3)
    messages.forget_old()
    messages.add("4")
    assert messages.after(0) == ["1", "2", "3", "4"]

    messages.forget_old()
    assert messages.after(3) == ["4"]
    assert is_gap(messages.after(2))

    messages.forget_old()
    assert messages.after(4) == []
    assert is_gap(messages.after(3))

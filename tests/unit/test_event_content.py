"""Whether an event repeats a stored one."""

import msgspec
import pytest

from headway.learning.model import ActivityType, Event

EVENT = Event("e", ActivityType.UNIT_VIEW, 7, unit_id=9, metadata="{}")


def test_an_event_with_equal_content_repeats_the_stored_one_whenever_it_was_sent() -> None:
    again = Event("e", ActivityType.UNIT_VIEW, 7, unit_id=9, metadata="{}", sent_at=1)

    assert again.content(3).repeats(EVENT.content(3), names_module=False)


def test_a_module_that_the_unit_implies_may_be_another_one_by_now() -> None:
    assert EVENT.content(4).repeats(EVENT.content(3), names_module=False)
    assert not EVENT.content(4).repeats(EVENT.content(3), names_module=True)


@pytest.mark.parametrize("stored", ['{"n":1.0}', '{"n": 1e0}', '{"n":1}'])
def test_metadata_that_were_stored_as_they_came_are_compared_by_value(stored: str) -> None:
    now = Event("e", ActivityType.UNIT_VIEW, 7, unit_id=9, metadata='{"n":1}', session_id="zo\u00eb")
    before = Event("e", ActivityType.UNIT_VIEW, 7, unit_id=9, metadata=stored, session_id="zoe\u0308")

    for names_module in (True, False):
        assert now.content(3).repeats(before.content(3), names_module=names_module)
    other = msgspec.structs.replace(now, metadata='{"n":2}')
    assert not other.content(3).repeats(before.content(3), names_module=True)


def test_other_content_is_no_repetition_and_nor_is_anything_of_an_event_that_is_not_stored() -> None:
    other = Event("e", ActivityType.UNIT_VIEW, 7, unit_id=9, metadata='{"a":1}')

    assert not other.content(3).repeats(EVENT.content(3), names_module=False)
    assert not EVENT.content(3).repeats(None, names_module=False)

"""A batch is decoded in one call or item by item: every item comes to the same, whatever its neighbours are."""

import json

import pytest

from headway.errors import Invalid
from headway.http.observations.batch import decode_batch
from headway.learning.model import Event, Heartbeat, Outcome, Verdict
from headway.settings import Settings

SETTINGS = Settings(max_event_bytes=2_000, max_batch_events=5)
EVENT = '{"activity_type":"video_progress","course_id":1,"event_id":"a"'
HEARTBEAT = '{"activity_type":"heartbeat","course_id":1,"event_id":"a"'
ITEMS = [
    EVENT + "}",
    EVENT + ',"module_id":2,"unit_id":3,"duration_seconds":4.5,"session_id":"s","sent_at":"2026-01-01T00:00:00Z"}',
    EVENT + ',"start_time":"2026-01-01T00:00:00.999Z","end_time":"2026-01-01T00:00:01+01:00"}',
    EVENT + ',"start_time":"2026-01-01T00:00:02Z","end_time":"2026-01-01t24:00z"}',
    EVENT + ',"start_time":"yesterday"}',
    EVENT + ',"engagement_metrics":{"scroll_depth":100.5,"video_watch_percentage":-0.0,"interaction_count":5.0}}',
    EVENT + ',"engagement_metrics":{"scroll_depth":101}}',
    EVENT + ',"metadata":{"b":1.0,"a":["x",null]}}',
    EVENT + ',"metadata":{"e\u0308":"e\u0308"},"session_id":"e\u0308"}',
    EVENT + ',"metadata":{"ë":"ë"},"session_id":"ë"}',
    EVENT + ',"metadata":' + '{"a":' * 40 + "1" + "}" * 41,
    EVENT + ',"unknown":' + "[" * 5_000 + "]" * 5_000 + "}",
    EVENT + ',"session_id":"\\u0000"}',
    EVENT + ',"session_id":"\\ud83d"}',
    EVENT + ',"session_id":"' + "s" * 2_000 + '"}',
    # What an event does not declare is skipped, also where a heartbeat declares it; and the other way round.
    EVENT + ',"is_active":5,"timestamp":5,"active_seconds":"x"}',
    EVENT + ',"is_active":true,"timestamp":"yesterday","active_seconds":5}',
    EVENT + ',"course_id":2.0}',
    EVENT + ',"activity_type":"heartbeat","is_active":true}',
    '{"activity_type":"quiz_submit","course_id":1,"event_id":"a","metadata":{"score":4,"max_score":5}}',
    '{"activity_type":"quiz_submit","course_id":1,"event_id":"a","metadata":{"score":4}}',
    '{"activity_type":"video_complete","course_id":1,"event_id":"a"}',
    '{"activity_type":"unit_v\\u0069ew","course_id":1,"event_id":"a"}',
    '{"activity_type":"sleep","course_id":1,"event_id":"a"}',
    '{"activity_type":"unit_view","course_id":0,"event_id":"a"}',
    '{"activity_type":"unit_view","event_id":"a"}',
    '{"course_id":1,"event_id":"a"}',
    HEARTBEAT + "}",
    HEARTBEAT + ',"is_active":null}',
    HEARTBEAT + ',"is_active":true,"active_seconds":12.5,"timestamp":"2026-01-01T00:00:00Z","unit_id":3}',
    HEARTBEAT + ',"is_active":false,"timestamp":"now"}',
    HEARTBEAT + ',"is_active":false,"metadata":5,"start_time":5,"duration_seconds":-1}',
    HEARTBEAT + ',"is_active":false,"metadata":{"a":1},"duration_seconds":5}',
    '{"activity_type":"heartb\\u0065at","course_id":1,"event_id":"a","is_active":true}',
    "{}",
    "5",
    "null",
]


def decode(*items: str) -> list[object]:
    body = f'{{"events":[{",".join(items)}]}}'
    return list(decode_batch(body.encode("utf-8"), SETTINGS, lambda: "made"))


@pytest.mark.parametrize("item", ITEMS, ids=range(len(ITEMS)))
def test_an_item_comes_to_the_same_beside_one_that_cannot_be_decoded(item: str) -> None:
    alone, _ = decode(item, "{}")
    assert decode(item) == [alone]
    assert decode(item, EVENT + "}")[0] == alone


def test_events_and_heartbeats_of_a_batch_are_told_apart() -> None:
    event, heartbeat = decode(EVENT + "}", HEARTBEAT + ',"is_active":true}')
    assert isinstance(event, Event)
    assert isinstance(heartbeat, Heartbeat)


def test_an_event_without_an_id_gets_one() -> None:
    assert decode('{"activity_type":"unit_view","course_id":1}')[0].event_id == "made"  # type: ignore[attr-defined]


def test_what_is_as_declared_but_not_consistent_is_rejected_under_its_id() -> None:
    (verdict,) = decode(EVENT + ',"start_time":"2026-01-01T00:00:02Z","end_time":"2026-01-01T00:00:01Z"}')
    assert isinstance(verdict, Verdict)
    assert (verdict.outcome, verdict.event_id, [each.field for each in verdict.errors]) == (Outcome.REJECTED, "a", ["end_time"])


@pytest.mark.parametrize("count", [0, 6])
def test_a_batch_of_too_few_or_too_many_items_is_invalid(count: int) -> None:
    with pytest.raises(Invalid, match="not valid"):
        decode(*[EVENT + "}"] * count)


def test_a_large_item_is_rejected_and_its_neighbours_are_not() -> None:
    small, large = json.dumps({"n": "s" * 900}), json.dumps({"n": "s" * 2_000})
    first, second, third = decode(*(EVENT + f',"metadata":{text}}}' for text in (small, large, small)))
    assert isinstance(second, Verdict)
    assert isinstance(first, Event)
    assert first == third

"""What is kept of archived events tells a repetition from a conflict, as the events themselves would."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headway.learning import archived_ids
from headway.learning.archived_ids import ENTRY_BYTES, Chunk, entry_of, find, id_hash, merge, repeats
from headway.learning.model import EventContent

CONTENT = EventContent("unit_view", 5, 7, 9, 30.0, 50.5, None, 3, 1_000, 2_000, "session", '{"a":1,"b":"é"}')
WATCHED = CONTENT._replace(video_segments="[[0,12.5]]", video_duration_seconds=60.0)
OTHERS: dict[str, Any] = {
    "activity_type": "link_click",
    "course_id": 6,
    "unit_id": None,
    "duration_seconds": 30.001,
    "scroll_depth": None,
    "video_watch_percentage": 50.5,
    "interaction_count": 4,
    "start_time": 1_001,
    "end_time": None,
    "session_id": "other",
    "metadata": '{"a":2,"b":"é"}',
    "video_segments": "[[0,12]]",
    "video_duration_seconds": 60.5,
}
event_ids = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), unique=True, max_size=500)


def test_the_same_content_is_a_repetition() -> None:
    assert repeats(CONTENT, entry_of("e", CONTENT), names_module=True)


def test_content_that_differs_in_any_field_is_none() -> None:
    assert {*OTHERS, "module_id"} == set(EventContent._fields)
    for name, value in OTHERS.items():
        assert not repeats(CONTENT._replace(**{name: value}), entry_of("e", CONTENT), names_module=True), name
        assert not repeats(WATCHED._replace(**{name: value}), entry_of("e", WATCHED), names_module=True), name
    assert not repeats(CONTENT, entry_of("e", WATCHED), names_module=True)


def test_an_event_without_a_video_has_the_entry_that_was_kept_before_events_had_videos() -> None:
    assert entry_of("e", CONTENT).hex() == "10d8a524b02f1d4f66a343acafa6674d10220a3a"


def test_a_module_counts_only_if_the_client_named_it() -> None:
    moved = CONTENT._replace(module_id=8)

    assert not repeats(moved, entry_of("e", CONTENT), names_module=True)
    assert repeats(moved, entry_of("e", CONTENT), names_module=False)


def test_texts_are_compared_in_their_canonical_form_and_numbers_by_value() -> None:
    as_stored = CONTENT._replace(session_id="e\u0301", metadata='{ "b": "e\u0301", "a": 1 }', duration_seconds=30)
    as_sent = CONTENT._replace(session_id="é")

    assert as_sent.repeats(as_stored, names_module=True)
    assert repeats(as_sent, entry_of("e", as_stored), names_module=True)


@given(st.lists(event_ids, max_size=5), event_ids)
def test_what_was_merged_is_found_and_nothing_else(batches: list[list[str]], others: list[str]) -> None:
    chunks: dict[int, bytes] = {}
    for batch in batches:
        by_chunk: dict[int | None, list[str]] = {}
        for event_id in batch:
            by_chunk.setdefault(range_of(chunks, event_id), []).append(event_id)
        for first, members in by_chunk.items():
            stored = b"" if first is None else chunks[first]
            chunks.update(merge(stored, [entry_of(event_id, CONTENT) for event_id in members]))

    known = {event_id for batch in batches for event_id in batch}
    for event_id in {*known, *others}:
        first = range_of(chunks, event_id)
        found = None if first is None else find(chunks[first], event_id)
        assert found == (entry_of(event_id, CONTENT) if event_id in known else None)
    assert sum(map(len, chunks.values())) == ENTRY_BYTES * len(known)


def range_of(chunks: dict[int, bytes], event_id: str) -> int | None:
    return max((first for first in chunks if first <= id_hash(event_id)), default=None)


def test_chunks_are_at_most_half_empty_once_they_were_split() -> None:
    entries = [entry_of(f"event {number}", CONTENT) for number in range(1_000)]

    chunks = merge(b"", entries)

    assert [chunk for chunk in chunks if not 32 <= len(archived_ids.entries_in(chunk.entries)) <= 64] == []
    assert chunks == sorted(chunks)
    assert b"".join(chunk.entries for chunk in chunks) == b"".join(sorted(entries))


def test_merging_the_same_again_changes_nothing() -> None:
    entries = [entry_of(f"event {number}", CONTENT) for number in range(50)]
    (chunk,) = merge(b"", entries)

    assert merge(chunk.entries, entries[:20]) == [chunk]
    assert chunk == Chunk(min(id_hash(f"event {number}") for number in range(50)), chunk.entries)

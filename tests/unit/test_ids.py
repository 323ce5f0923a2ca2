"""UUID version 7, bit by bit as RFC 9562, section 5.7, lays it out."""

import time
from uuid import RFC_4122, UUID

from headway.ids import uuid7


def milliseconds_now() -> int:
    return time.time_ns() // 1_000_000


def milliseconds_of(identifier: str) -> int:
    return UUID(identifier).int >> 80


def test_an_id_is_written_as_a_uuid() -> None:
    identifier = uuid7()

    assert str(UUID(identifier)) == identifier


def test_an_id_says_that_it_is_of_version_7_and_of_the_variant_of_the_standard() -> None:
    for identifier in (uuid7() for _ in range(200)):
        value = UUID(identifier).int
        assert (value >> 76) & 0xF == 7
        assert (value >> 62) & 0b11 == 0b10
        assert UUID(identifier).variant == RFC_4122


def test_an_id_begins_with_the_millisecond_in_which_it_was_made() -> None:
    before = milliseconds_now()
    identifier = uuid7()

    assert before <= milliseconds_of(identifier) <= milliseconds_now()


def test_ids_sort_as_text_by_the_time_they_were_made() -> None:
    made = [uuid7()]
    while len(made) < 5:
        identifier = uuid7()
        if milliseconds_of(identifier) > milliseconds_of(made[-1]):
            made.append(identifier)

    assert sorted(made) == made


def test_all_74_other_bits_are_random() -> None:
    random_bits = ((1 << 12) - 1) << 64 | (1 << 62) - 1
    made = [UUID(uuid7()).int & random_bits for _ in range(500)]

    seen_set = seen_clear = 0
    for value in made:
        seen_set |= value
        seen_clear |= ~value & random_bits
    assert seen_set == seen_clear == random_bits
    assert len(set(made)) == 500

"""A cache in memory keeps what was used last, within its number of bytes."""

import random
import tracemalloc

from headway.bounded_cache import ENTRY_BYTES, BoundedCache


def cache_of(entries: int) -> BoundedCache[str, str]:
    """Make a cache that has room for some entries of one byte."""
    return BoundedCache(entries * (ENTRY_BYTES + 1), lambda _key, value: len(value))


def test_a_full_cache_gives_up_what_was_used_the_longest_ago_and_nothing_else() -> None:
    cache = cache_of(3)
    for key in "abc":
        cache.put(key, "1")
    assert cache.get("a") == "1"

    cache.put("d", "1")

    assert [cache.get(key) for key in "abcd"] == ["1", None, "1", "1"]


def test_as_many_go_as_a_larger_entry_needs() -> None:
    cache = cache_of(4)
    for key in "abcd":
        cache.put(key, "1")

    cache.put("e", "1" * (ENTRY_BYTES + 2))

    assert [key for key in "abcde" if cache.get(key)] == ["c", "d", "e"]


def test_an_entry_that_is_too_large_is_not_kept_and_drives_out_no_other() -> None:
    cache = cache_of(2)
    cache.put("a", "1")
    cache.put("b", "1")

    cache.put("b", "1" * 2 * ENTRY_BYTES)

    assert (cache.get("a"), cache.get("b"), len(cache)) == ("1", None, 1)


def test_the_size_is_that_of_the_entries_whatever_happened() -> None:
    chance, cache = random.Random(7), cache_of(20)
    for _ in range(2_000):
        key = str(chance.randrange(60))
        if chance.random() < 0.2:
            cache.discard(key)
        elif chance.random() < 0.5:
            cache.get(key)
        else:
            cache.put(key, "1" * chance.randrange(1, 50))
        kept = [value for key in range(60) if (value := cache.get(str(key))) is not None]
        assert cache.bytes == sum(ENTRY_BYTES + len(value) for value in kept) <= 20 * (ENTRY_BYTES + 1)
        assert len(cache) == len(kept)
    cache.clear()
    assert (cache.bytes, len(cache)) == (0, 0)


def test_the_measured_overhead_of_entries_is_that_which_is_counted() -> None:
    keys = [str(number) for number in range(120_000)]
    cache: BoundedCache[str, str] = BoundedCache(30_000 * ENTRY_BYTES, lambda _key, _value: 0)

    tracemalloc.start()
    try:
        for key in keys:
            cache.put(key, "")
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(cache) == 30_000
    assert 0.4 * cache.bytes < taken < 1.25 * cache.bytes

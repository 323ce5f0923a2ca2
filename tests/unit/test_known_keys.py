"""The personal keys that a process remembers."""

from headway.db.known_keys import KnownKeys


def test_a_key_that_was_read_before_keys_were_forgotten_is_not_remembered() -> None:
    known = KnownKeys()
    began = known.changes
    known.put({5: b"five", 6: b"six"}, as_of=began)
    assert known.find([5, 6, 7]) == {5: b"five", 6: b"six"}

    known.forget([5])

    # The snapshot of a transaction that began before may have the key of somebody who was erased meanwhile.
    known.put({5: b"five"}, as_of=began)
    assert known.find([5, 6]) == {6: b"six"}
    known.put({5: b"five"}, as_of=known.changes)
    assert known.find([5]) == {5: b"five"}
    known.forget(None)
    assert known.find([5, 6]) == {}


def test_what_was_used_the_longest_ago_goes_first() -> None:
    known = KnownKeys(max_bytes=3 * 300)
    for user_id in range(1, 9):
        known.put({user_id: b"k" * 43}, as_of=known.changes)

    assert known.find(range(1, 9)) == dict.fromkeys((6, 7, 8), b"k" * 43)

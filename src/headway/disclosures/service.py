"""Writes the disclosure log: what reads show is stored before it is sent."""

import asyncio
from collections.abc import Iterable, Sequence

from headway.bounded_cache import BoundedCache
from headway.db.database import Database, WriteTransaction
from headway.disclosures import store
from headway.disclosures.model import Disclosed
from headway.disclosures.store import Shown
from headway.ids import NewId
from headway.instants import DAY, Clock, Instant

_KNOWN_BYTES, _KEY_BYTES = 16 * 2**20, 240
"""The rows of today that this process remembers: some 40,000."""
_MOST_COUNTED = 10_000
"""When so many rows wait for their counts, these are written at once."""

_Key = tuple[int, Disclosed]
"""A day, and what was shown on it: a row."""


class DisclosureLog:
    """The log has a row for each reader, learner, course and kind of record a day, with a count.

    The first disclosure of a row is committed before `record` returns, so what somebody was shown is in the log whatever
    happens next. Those that follow on that day are counted in memory, and the counts are written once a minute: a process that
    is killed loses up to a minute of counts, and no row.

    Concurrent first disclosures are written in one transaction, which belongs to no single request: the log opens it itself.
    """

    def __init__(self, database: Database, clock: Clock, new_id: NewId, *, is_kept: bool) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self.is_kept = is_kept
        self._known: BoundedCache[_Key, bool] = BoundedCache(_KNOWN_BYTES, lambda _key, _value: _KEY_BYTES)
        self._counts: dict[_Key, Shown] = {}
        """What was shown again, and is not stored yet."""
        self._waiting: dict[_Key, Shown] = {}
        """What was shown for the first time, and is not stored yet."""
        self._turn = asyncio.Lock()

    async def record(self, disclosed: Sequence[Disclosed]) -> None:
        """Store what a read shows, unless the log is switched off. Raises Unavailable: then nobody is to be shown it."""
        if not self.is_kept:
            return
        now = self._clock()
        keys = {(now // DAY, each) for each in disclosed}
        new = {key for key in keys if self._known.get(key) is None}
        if self._database.is_writing():
            # A second transaction would wait for the first: what is read for a change is stored with the counts.
            new = set()
        _add(self._counts, keys - new, now)
        if new:
            await self._store(new, now)
        if len(self._counts) >= _MOST_COUNTED:
            await self.write_counts()

    async def record_in(self, tx: WriteTransaction, disclosed: Sequence[Disclosed]) -> None:
        """Store in a transaction what was shown, unless the log is switched off."""
        if self.is_kept and disclosed:
            now, shown = self._clock(), dict[_Key, Shown]()
            for each in disclosed:
                _add(shown, [(now // DAY, each)], now)
            await store.write(tx, [(self._new_id(), each) for each in shown.values()])

    async def write_counts(self) -> None:
        """Store the counts since the last time. Raises Unavailable; then they are kept."""
        counted, self._counts = self._counts, {}
        if not counted:
            return
        try:
            await self._write(counted.values())
        except BaseException:
            for key, each in counted.items():
                _merge(self._counts, key, each)
            raise

    async def _store(self, keys: set[_Key], now: Instant) -> None:
        """Store the first disclosures of rows, together with those of others that wait meanwhile."""
        _add(self._waiting, keys, now)
        async with self._turn:
            # Whoever had the turn before has written them, or has failed.
            _add(self._waiting, {key for key in keys - self._waiting.keys() if self._known.get(key) is None}, now)
            group, self._waiting = self._waiting, {}
            if group:
                await self._write(group.values())
                for key in group:
                    self._known.put(key, True)

    async def _write(self, shown: Iterable[Shown]) -> None:
        async with self._database.write() as tx:
            await store.write(tx, [(self._new_id(), each) for each in shown])


def _add(shown: dict[_Key, Shown], keys: Iterable[_Key], now: Instant) -> None:
    for key in keys:
        _merge(shown, key, Shown(*key, now, now, 1))


def _merge(shown: dict[_Key, Shown], key: _Key, more: Shown) -> None:
    known = shown.get(key)
    if known is not None:
        first_at, last_at = min(known.first_at, more.first_at), max(known.last_at, more.last_at)
        more = more._replace(first_at=first_at, last_at=last_at, times=known.times + more.times)
    shown[key] = more

"""How often something may be tried: exact sliding windows, kept in the database, so they hold across processes and restarts."""

from collections.abc import Sequence
from typing import NamedTuple

from headway.db.database import Database, WriteTransaction
from headway.errors import RateLimited
from headway.instants import Clock, Instant, Milliseconds
from headway.limits import store as attempts
from headway.limits.sliding_window import Standing, slide


class Limit(NamedTuple):
    """No more than `most` tries under `key` within `window`."""

    key: str
    limit: int
    window: Milliseconds


class Attempts:
    """Counts tries."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def take(self, limits: Sequence[Limit]) -> Instant:
        """Count a try under each limit and give its time, by which it can be given back. Raises RateLimited.

        Counted before the outcome is known, so that tries at the same time cannot slip through together.
        """
        now = self._clock()
        async with self._database.write() as tx:
            tried = [await _try(tx, key, limit, now) for key, limit in _in_order(tx, limits)]
            refusals = [standing for _, _, _, standing in tried if not standing.is_let_through]
            if not refusals:
                for key, limit, times, _ in tried:
                    await attempts.set_times(tx, key, times, expires_at=now + limit.window)
            await attempts.delete_expired(tx, now)
        if refusals:
            seconds = max(standing.opens_in_seconds for standing in refusals)
            raise RateLimited(f"Too many attempts; try again in {seconds} seconds.", retry_after_seconds=seconds)
        return now

    async def count(self, limit: Limit) -> Standing:
        """Count a try, if the limit lets it through."""
        now = self._clock()
        async with self._database.write() as tx:
            key = attempts.stored_key(tx, limit.key)
            _, _, times, standing = await _try(tx, key, limit, now)
            if standing.is_let_through:
                await attempts.set_times(tx, key, times, expires_at=now + limit.window)
            await attempts.delete_expired(tx, now)
        return standing

    async def give_back(self, limits: Sequence[Limit], taken_at: Instant) -> None:
        """Uncount a try that turned out not to count."""
        async with self._database.write() as tx:
            for key, limit in _in_order(tx, limits):
                times = await attempts.lock_times(tx, key, taken_at)
                if taken_at in times:
                    times.remove(taken_at)
                    await attempts.set_times(tx, key, times, expires_at=taken_at + limit.window)


def _in_order(tx: WriteTransaction, limits: Sequence[Limit]) -> list[tuple[str, Limit]]:
    return sorted((attempts.stored_key(tx, limit.key), limit) for limit in limits)


async def _try(tx: WriteTransaction, key: str, limit: Limit, now: Instant) -> tuple[str, Limit, list[Instant], Standing]:
    """Lock the stored key of a limit and see what comes of a try; give the times to be kept if it counts."""
    known = await attempts.lock_times(tx, key, now)
    return key, limit, *slide(known, now, limit=limit.limit, window=limit.window)

"""How often something may be tried: exact sliding windows, kept in the database, so they hold across processes and restarts."""

from collections.abc import Sequence
from typing import NamedTuple

from headway.domain.errors import RateLimited
from headway.domain.instants import SECOND, Clock, Instant, Milliseconds
from headway.storage import attempts
from headway.storage.database import Database, WriteTransaction


class Limit(NamedTuple):
    """No more than `most` tries under `key` within `window`."""

    key: str
    most: int
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
        refusals: list[Milliseconds] = []
        async with self._database.write() as tx:
            await attempts.delete_expired(tx, now)
            taken: list[tuple[str, Limit, list[Instant]]] = []
            for key, limit in _in_order(tx, limits):
                # Another process may have counted a try since, or go by a clock that is ahead.
                times = sorted(at for at in await attempts.lock_times(tx, key, now) if at > now - limit.window)
                if len(times) >= limit.most:
                    refusals.append(min(times[-limit.most] - now, 0) + limit.window)
                taken.append((key, limit, times))
            if not refusals:
                for key, limit, times in taken:
                    await attempts.set_times(tx, key, [*times, now], expires_at=now + limit.window)
        if refusals:
            seconds = -(-max(refusals) // SECOND)
            raise RateLimited(f"Too many attempts; try again in {seconds} seconds.", retry_after_seconds=seconds)
        return now

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

"""When accounts were used last: noted with each request, and stored once a minute, to the hour."""

import itertools

from headway.accounts import store as users
from headway.db.database import Database
from headway.instants import HOUR, Clock, Instant

_AT_ONCE = 1_000
_MOST_NOTED = 200_000


class LastSeen:
    """Remembers who made requests, and stores it. A request of an account that was noted in this hour costs one lookup."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._hour = 0
        self._noted: set[int] = set()
        """Who was noted in this hour."""
        self._waiting: dict[int, Instant] = {}
        """What is not stored yet: the hours in which accounts were used last."""

    def note(self, user_id: int) -> None:
        """Remember that an account was used now, until `write`."""
        hour = self._clock() // HOUR
        if hour != self._hour or len(self._noted) >= _MOST_NOTED:
            self._hour, self._noted = hour, set()
        if user_id not in self._noted:
            self._noted.add(user_id)
            self._waiting[user_id] = hour * HOUR

    async def write(self) -> None:
        """Store what was noted since the last time. A batch job: it opens a transaction for each part, if there is any."""
        waiting = iter(sorted(self._waiting.items()))
        while part := list(itertools.islice(waiting, _AT_ONCE)):
            async with self._database.write() as tx:
                await users.write_seen(tx, part)
            for user_id, at in part:
                if self._waiting.get(user_id) == at:
                    del self._waiting[user_id]

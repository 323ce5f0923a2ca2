"""The hub: wakes the followers of a topic when it has new entries, and reads those once for all of them."""

import asyncio
from collections import deque
from collections.abc import Collection

from headway.feed.model import FeedEntry
from headway.live.subscriptions import LiveReads

_TAIL = 256


class Follower:
    """One live client, and which of its topics may have new entries."""

    def __init__(self) -> None:
        self._woken: set[str] = set()
        self._is_woken = asyncio.Event()

    def wake(self, topic: str) -> None:
        """Wake the follower for a topic."""
        self._woken.add(topic)
        self._is_woken.set()

    async def wait(self) -> set[str]:
        """Wait until there may be new entries, and return their topics."""
        await self._is_woken.wait()
        self._is_woken.clear()
        woken, self._woken = self._woken, set()
        return woken


class _Topic:
    """The followers of a topic and its newest entries, as far as this process has read them."""

    def __init__(self, newest: int) -> None:
        self.followers: set[Follower] = set()
        self.newest = newest
        self.tail: deque[FeedEntry] = deque(maxlen=_TAIL)
        self.is_stale = True
        self.reading = asyncio.Lock()


class Hub:
    """The topics that clients of this process follow.

    Notifications of the database wake it. Some are missed when a connection is lost or a command writes beside the server, so
    every two seconds one query reads the newest numbers of all followed topics.
    """

    def __init__(self, reads: LiveReads) -> None:
        self._reads = reads
        self._topics: dict[str, _Topic] = {}
        reads.listen(self._mark_stale)

    async def follow(self, follower: Follower, topic: str) -> int:
        """Wake the follower for a topic from now on; return the newest number. Raises Unavailable."""
        newest = (await self._reads.read_newest([topic])).get(topic, 0)
        state = self._topics.setdefault(topic, _Topic(newest))
        state.followers.add(follower)
        return newest

    def unfollow(self, follower: Follower, topic: str) -> None:
        """Stop waking the follower for a topic."""
        state = self._topics.get(topic)
        if state is not None:
            state.followers.discard(follower)
            if not state.followers:
                del self._topics[topic]

    async def after(self, topic: str, seq: int) -> list[FeedEntry]:
        """Return some entries of a followed topic after a number, in order; none if there are none or it is not followed.

        The first one is not `seq + 1` if that entry has been pruned. Raises Unavailable.
        """
        state = self._topics.get(topic)
        if state is None:
            return []
        async with state.reading:
            while state.is_stale:
                state.is_stale = False
                try:
                    read = await self._reads.read_after(topic, state.newest, limit=_TAIL)
                except BaseException:
                    state.is_stale = True
                    raise
                state.tail.extend(read)
                if read:
                    state.newest = read[-1].seq
                    state.is_stale = len(read) == _TAIL or state.is_stale
        if seq >= state.newest:
            return []
        if state.tail and state.tail[0].seq <= seq + 1:
            return [entry for entry in state.tail if entry.seq > seq]
        return await self._reads.read_after(topic, seq, limit=_TAIL)

    async def look(self) -> None:
        """Look for missed notifications. Raises Unavailable."""
        if self._topics:
            newest = await self._reads.read_newest(list(self._topics))
            self._mark_stale([topic for topic, seq in newest.items() if seq > self._newest(topic)])

    def _newest(self, topic: str) -> int:
        state = self._topics.get(topic)
        return state.newest if state is not None else 0

    def _mark_stale(self, topics: Collection[str] | None) -> None:
        for topic in list(self._topics) if topics is None else topics:
            state = self._topics.get(topic)
            if state is not None:
                state.is_stale = True
                for follower in state.followers:
                    follower.wake(topic)

"""The hub: passes on what is new in a topic, and reads its new entries once for all of its followers."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from headway.errors import Unavailable
from headway.feed import notices
from headway.feed.model import FeedEntry
from headway.feed.notices import Notice
from headway.live.messages import gap_message, with_topic
from headway.live.subscriptions import LiveReads

_TAIL = 256


class Follower:
    """One live client, and which of its topics may have news."""

    def __init__(self) -> None:
        self._woken: set[str] = set()
        self._is_woken = asyncio.Event()

    def wake(self, topic: str) -> None:
        """Wake the follower for a topic."""
        self._woken.add(topic)
        self._is_woken.set()

    async def wait(self) -> set[str]:
        """Wait until there may be news, and return their topics."""
        await self._is_woken.wait()
        self._is_woken.clear()
        woken, self._woken = self._woken, set()
        return woken


class Messages:
    """The newest of the messages of a topic that are not stored. They are counted; a gap counts as one that nobody can get."""

    def __init__(self, topic: str) -> None:
        self.newest = 0
        self._topic = topic
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._newest_then = 0

    def add(self, message: str) -> None:
        """Add a message."""
        self._tail.append(message)
        self.newest += 1

    def add_gap(self) -> None:
        """Note that there may have been messages that did not arrive."""
        self._tail.clear()
        self.newest += 1

    def after(self, position: int) -> Sequence[str]:
        """Return the messages after a position up to the newest, or the message for a follower who has missed some."""
        missing = self.newest - position
        if missing > len(self._tail):
            return (gap_message(self._topic),)
        return list(islice(self._tail, len(self._tail) - missing, None))

    def forget_old(self) -> None:
        """Forget the messages that were there at the last call."""
        while len(self._tail) > self.newest - self._newest_then:
            self._tail.popleft()
        self._newest_then = self.newest


class Place(NamedTuple):
    """How far a topic is: the number of its newest entry, and the position of its newest message that is not stored."""

    seq: int
    position: int


class _Topic:
    """The followers of a topic and its newest entries, as far as this process has read them."""

    def __init__(self, name: str, newest: int) -> None:
        self.name = name
        self.followers: set[Follower] = set()
        self.newest = newest
        self.tail: deque[FeedEntry] = deque(maxlen=_TAIL)
        self.is_stale = True
        self.reading = asyncio.Lock()
        self.messages = Messages(name)

    def hear(self, notice: Notice) -> None:
        """Take in what a commit means to the topic."""
        if notice.message is not None:
            self.messages.add(with_topic(notice.message, self.name))
        elif notice.is_gap:
            self.messages.add_gap()
        else:
            self.is_stale = True
        self.wake()

    def wake(self) -> None:
        """Wake all followers."""
        for follower in self.followers:
            follower.wake(self.name)


class Hub:
    """The topics that clients of this process follow.

    Notifications of the database wake it. Some are missed when a connection is lost or a command writes beside the server, so
    `look` reads the newest numbers of all followed topics with one query, every two seconds.
    """

    def __init__(self, reads: LiveReads) -> None:
        self._reads = reads
        self._topics: dict[str, _Topic] = {}
        reads.listen(self._hear)

    async def follow(self, follower: Follower, topic: str) -> Place:
        """Wake the follower for a topic from now on; return how far the topic is. Raises Unavailable."""
        newest = (await self._reads.read_newest([topic])).get(topic, 0)
        state = self._topics.setdefault(topic, _Topic(topic, newest))
        state.followers.add(follower)
        return Place(newest, state.messages.newest)

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

    def messages_after(self, topic: str, position: int) -> tuple[Sequence[str], int]:
        """Return the messages of a topic that are not stored, as they are sent, after a position, and that of the last one."""
        state = self._topics.get(topic)
        return ((), position) if state is None else (state.messages.after(position), state.messages.newest)

    async def look(self) -> None:
        """Look for missed notifications, and forget messages that everybody has had the time to get."""
        if not self._topics:
            return
        with suppress(Unavailable):
            newest = await self._reads.read_newest(list(self._topics))
            for topic, seq in newest.items():
                state = self._topics.get(topic)
                if state is not None and seq > state.newest:
                    state.is_stale = True
                    state.wake()
        with suppress(Unavailable):
            await self._reads.look_for_others()
        for state in self._topics.values():
            state.messages.forget_old()

    def _hear(self, payload: str | None) -> None:
        if payload is None:
            for state in self._topics.values():
                state.is_stale = True
                state.messages.add_gap()
                state.wake()
            return
        for notice in notices.read(payload):
            for topic in notice.topics:
                if (followed := self._topics.get(topic)) is not None:
                    followed.hear(notice)

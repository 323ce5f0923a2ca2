"""What was played of a video, from the events of its player.

A part was played if the player says that it started at one place and stopped at a later one, in the same session, and if as
much time went by as it takes at double speed, the fastest that the player has. Anything else claims nothing: a jump, a stop
without a start, a start without a stop, a computer that slept. More of a video may have been played than counts, never less.
"""

from collections import OrderedDict
from typing import NamedTuple

from headway.importers.log_model import LogEvent, event_id_of, is_number, open_type
from headway.instants import HOUR, SECOND, Instant
from headway.learning.model import ActivityType

_STARTS = {"play_video", "edx.video.played"}
_STOPS = {"pause_video", "edx.video.paused", "stop_video", "edx.video.stopped"}
_SEEKS = {"seek_video", "edx.video.position.changed"}
_LOADS = {"load_video", "edx.video.loaded"}
_PLAYER = _STARTS | _STOPS | _SEEKS | _LOADS
_FASTEST = 2.0
_SLACK_SECONDS = 1.0
"""Places are rounded, and the lines are written a moment later."""
_LONGEST = 4 * HOUR
_MAX_PLAYING = 20_000
"""How many players are followed at once; those that started the longest ago are forgotten first."""


class _Playing(NamedTuple):
    """Since when a player plays, from which place, and the event that says so."""

    at: Instant
    seconds: float
    event_id: str


class PlayedParts:
    """Follows the players of a log, in constant memory. Events of one player come in order."""

    def __init__(self) -> None:
        self._playing: OrderedDict[tuple[str, ...], _Playing] = OrderedDict()

    def follow(self, event: LogEvent) -> LogEvent | None:
        """Take note of an event; return the one to add if it ends a part that was played.

        A part of a video of unknown length is no share of anything.
        """
        if event.type not in _PLAYER or not event.places:
            return None
        key = (event.user.external_ids[-1], event.courses[0], event.session_id or "", event.places[0].external_id)
        playing = self._playing.pop(key, None)
        start = _place(event, "to" if event.type in _SEEKS else "position")
        if start is not None and (event.type in _STARTS or (event.type in _SEEKS and playing is not None)):
            self._playing[key] = _Playing(event.at, start, event.event_id)
            if len(self._playing) > _MAX_PLAYING:
                self._playing.popitem(last=False)
        if playing is None or event.type in _STARTS | _LOADS:
            return None
        end = _place(event, "from" if event.type in _SEEKS else "position")
        return None if end is None else _played(event, playing, end)


def _played(event: LogEvent, playing: _Playing, end: float) -> LogEvent | None:
    passed = event.at - playing.at
    seconds = end - playing.seconds
    whole = event.video_duration
    if whole is None or not 0 < seconds <= passed / SECOND * _FASTEST + _SLACK_SECONDS or passed > _LONGEST:
        return None
    if end > whole + _SLACK_SECONDS:
        return None
    segment = (playing.seconds, min(end, whole))
    if segment[1] <= segment[0]:
        return None
    return event._replace(
        event_id=event_id_of("played", playing.event_id, event.event_id),
        activity_type=ActivityType.VIDEO_PROGRESS,
        part_type=open_type("openedx", "video_played"),
        # A pause of the player within is no study; twice the speed takes half the time.
        started_at=event.at - min(passed, int(seconds * SECOND)),
        metadata={"type": "played", "block": event.places[0].external_id},
        segment=segment,
    )


def _place(event: LogEvent, name: str) -> float | None:
    value = event.metadata.get(name)
    return float(value) if is_number(value) and 0 <= value <= 86_400 else None

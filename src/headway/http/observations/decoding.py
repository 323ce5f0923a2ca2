"""Decoding of single events and heartbeats. A body without external ids does not pay for them."""

from collections.abc import Callable

import msgspec

from headway.http.decoding import Decoder
from headway.http.observations import wire
from headway.http.observations.mapping import names_of, to_event, to_heartbeat
from headway.learning.model import Event, Heartbeat

EXTERNAL_ID = b"_external_id"
"""Part of each body with an external id, unless it is written with escapes."""
_ESCAPE = b"\\u"

_event, _named_event, _external_event = Decoder(wire.EventBody), Decoder(wire.TrackBody), Decoder(wire.ExternalTrackBody)
_heartbeat, _external_heartbeat = Decoder(wire.HeartbeatBody), Decoder(wire.ExternalHeartbeatBody)


def decode_event(body: bytes, new_id: Callable[[], str]) -> Event:
    """Decode an event. Raises Invalid naming every field that is missing or cannot be taken."""
    if not _may_have_names(body):
        return to_event(_event.decode(body), new_id)
    named = (_external_event if _names_course_alone(body) else _named_event).decode(body)
    return to_event(named, new_id, names_of(named))


def decode_heartbeat(body: bytes) -> Heartbeat:
    """Decode a heartbeat. Raises as `decode_event`."""
    if not _may_have_names(body):
        return to_heartbeat(_heartbeat.decode(body))
    named = (_external_heartbeat if _names_course_alone(body) else _heartbeat).decode(body)
    return to_heartbeat(named, names_of(named))


def _may_have_names(body: bytes) -> bool:
    return EXTERNAL_ID in body or _ESCAPE in body


class _Header(msgspec.Struct):
    course_id: object = None
    course_external_id: object = None


def _names_course_alone(body: bytes) -> bool:
    """Return whether a body names its course by its external id alone."""
    try:
        header = msgspec.json.decode(body, type=_Header)
    except (ValueError, RecursionError):
        return False
    return header.course_id is None and header.course_external_id is not None

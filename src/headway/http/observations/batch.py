"""Decoding of batches: all items in one call where each is as declared, otherwise one by one, so that each gets its verdict."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET

from headway.errors import Invalid
from headway.http.decoding import Decoder, find_text, is_plain, split_list
from headway.http.observations import wire
from headway.http.observations.decoding import EXTERNAL_ID, decode_event, decode_heartbeat
from headway.http.observations.mapping import check_size, names_of, to_event, to_heartbeat
from headway.learning.model import ActivityType, Observation, Outcome, Verdict
from headway.settings import Settings

_HEARTBEAT = "heartbeat"
_ACTIVITY_TYPES = {each.value: each for each in ActivityType}

_plain_decoder = msgspec.json.Decoder(wire.PlainBatchBody)
_external_plain_decoder = msgspec.json.Decoder(wire.ExternalPlainBatchBody)
_plain_named_decoder = msgspec.json.Decoder(wire.PlainNamedBatchBody)
_user_decoder = Decoder(wire.NamedUser)
_batch_decoder = Decoder(wire.BatchBody)


def decode_batch(body: bytes, settings: Settings, new_id: Callable[[], str]) -> list[Observation | Verdict]:
    """Decode the body of `batch` into an observation for each item, or the verdict that rejects it. Raises Invalid."""
    plain = _decode_plain(body, settings, _external_plain_decoder if EXTERNAL_ID in body else _plain_decoder)
    if plain is not None:
        has_names = isinstance(plain[0], wire.ExternalBatchItemBody)
        return [_map_plain(item, new_id, has_names=has_names) for item in plain]
    return [_decode_item(item, settings, new_id) for item in _items_within(body, settings)]


def decode_named_batch(body: bytes, settings: Settings, new_id: Callable[[], str]) -> list[tuple[str, Observation | Verdict]]:
    """Decode a batch as `decode_batch` does whose items name their users, and return each with its name. Raises Invalid."""
    plain = _decode_plain(body, settings, _plain_named_decoder)
    if plain is not None:
        return [(item.user, _map_plain(item, new_id, has_names=True)) for item in plain]
    return [_decode_named(item, settings, new_id) for item in _items_within(body, settings)]


def _decode_named(item: bytes, settings: Settings, new_id: Callable[[], str]) -> tuple[str, Observation | Verdict]:
    decoded = _decode_item(item, settings, new_id)
    try:
        return _user_decoder.decode(item).user, decoded
    except Invalid as error:
        known = decoded.errors if isinstance(decoded, Verdict) else ()
        errors = known + tuple(each for each in error.fields if each not in known)
        return "", Verdict(Outcome.REJECTED, event_id=_ItemHeader.read(item).valid_event_id, errors=errors)


def _decode_plain(body: bytes, settings: Settings, decoder: msgspec.json.Decoder[Any]) -> list[Any] | None:
    """Decode a batch in one call, which takes a third of the time; None if that would not be the whole truth.

    The types of what it returns are those of wire.BatchItemBody, with the activity types of events as such.
    """
    try:
        if not is_plain(body) or (len(body) > settings.max_event_bytes and _has_large_item(body, settings)):
            return None
        items: list[Any] = decoder.decode(body).events
    except (Invalid, ValueError, RecursionError):
        return None
    for item in items:
        if item.activity_type != _HEARTBEAT:
            item.activity_type = _ACTIVITY_TYPES.get(item.activity_type) or _open_type(item.activity_type)
        if item.activity_type is None or (item.activity_type == _HEARTBEAT and item.is_active is UNSET):
            return None
    if decoder is not _plain_decoder and any(item.course_id is None and item.course_external_id is None for item in items):
        return None
    return items if 1 <= len(items) <= settings.max_batch_events else None


def _open_type(text: str) -> ActivityType | None:
    try:
        return ActivityType(text)
    except ValueError:
        return None


def _has_large_item(body: bytes, settings: Settings) -> bool:
    return any(len(item) > settings.max_event_bytes for item in _batch_decoder.decode(body).events)


def _map_plain(item: Any, new_id: Callable[[], str], *, has_names: bool) -> Observation | Verdict:
    try:
        names = names_of(item) if has_names else None
        return to_heartbeat(item, names) if item.activity_type == _HEARTBEAT else to_event(item, new_id, names)
    except Invalid as error:
        return Verdict(Outcome.REJECTED, event_id=item.event_id, errors=error.fields)


def _items_within(body: bytes, settings: Settings) -> list[bytes]:
    items = _items(body)
    if not 1 <= len(items) <= settings.max_batch_events:
        raise Invalid.field("events", f"must have 1 to {settings.max_batch_events} items")
    return items


def _items(body: bytes) -> list[bytes]:
    try:
        return [bytes(item) for item in _batch_decoder.decode(body).events]
    except Invalid:
        # An item that the decoder cannot skip (nested too deeply, or with an unpaired surrogate, as in a string that was cut
        # within an emoji) must not fail its neighbours.
        parts = split_list(body, "events")
        if parts is None:
            raise
        items, rest = parts
        _batch_decoder.decode(rest)
        return items


def _decode_item(item: bytes, settings: Settings, new_id: Callable[[], str]) -> Observation | Verdict:
    try:
        check_size(item, settings)
        if (b"heartbeat" in item or b"\\u" in item) and _ItemHeader.read(item).activity_type == _HEARTBEAT:
            return decode_heartbeat(item)
        return decode_event(item, new_id)
    except Invalid as error:
        return Verdict(Outcome.REJECTED, event_id=_ItemHeader.read(item).valid_event_id, errors=error.fields)


class _ItemHeader(msgspec.Struct):
    """The fields of an item that are read even if the rest is invalid."""

    activity_type: object = None
    event_id: object = None

    @classmethod
    def read(cls, item: bytes) -> "_ItemHeader":
        try:
            return msgspec.json.decode(item, type=cls)
        except (ValueError, RecursionError):
            return cls(find_text(item, "activity_type"), find_text(item, "event_id"))

    @property
    def valid_event_id(self) -> str | None:
        event_id = self.event_id
        return event_id if isinstance(event_id, str) and len(event_id) <= 100 and "\0" not in event_id else None

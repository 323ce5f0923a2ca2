"""Conversion of disclosures: pure functions."""

from headway import instants
from headway.contracts.learner import disclosure_wire as wire
from headway.disclosures.model import EVERYBODY, NO_COURSE, NO_KEY, DisclosureFilter
from headway.http.params import DateBounds, parse_id
from headway.identity import NOBODY
from headway.privacy.disclosures import NamedDisclosure

_BOUNDS = DateBounds("from", "to")


def disclosure(named: NamedDisclosure) -> wire.Disclosure:
    """Render a disclosure."""
    row, shown = named.disclosure, named.disclosure.disclosed
    return wire.Disclosure(
        id=row.id,
        learner=None if shown.learner_id == EVERYBODY else wire.Disclosed(str(shown.learner_id), named.learner),
        reader=None if shown.reader_id == NOBODY else wire.Disclosed(str(shown.reader_id), named.reader),
        role=shown.role,
        kind=shown.kind,
        course=None if shown.course_id == NO_COURSE else wire.ShownCourse(str(shown.course_id), named.course),
        channel=shown.channel,
        key_id=None if shown.key_id == NO_KEY else str(shown.key_id),
        first_at=instants.iso(row.first_at),
        last_at=instants.iso(row.last_at),
        times=row.times,
    )


def disclosure_filter(query: wire.DisclosuresQuery) -> DisclosureFilter:
    """Read a filter; an id that nobody has matches nothing. Raises Invalid."""
    since, until = _BOUNDS.parse(query.from_, query.to)
    return DisclosureFilter(_user_id(query.learner_id), _user_id(query.reader_id), since, until)


def _user_id(text: str | None) -> int | None:
    # 0 would be everybody, or an operator.
    return None if text is None else parse_id(text) or -1

"""What one event or heartbeat claims: an interval of study, placed by the server's clock."""

from typing import Any, NamedTuple

import hypothesis
import pytest
from hypothesis import strategies as st

from headway.instants import DAY, END_OF_TIME, HOUR, SECOND, START_OF_TIME
from headway.learning.study_time import (
    PUNCTUAL,
    StudyTimeSettings,
    Timing,
    Transit,
    length,
    time_event,
    time_heartbeat,
    union,
)
from tests.world import NOON

SETTINGS = StudyTimeSettings(heartbeat_interval=30 * SECOND, longest_claim=4 * HOUR)
MINUTE = 60 * SECOND
ABSENT: dict[str, Any] = {"start": None, "end": None, "duration": None}


def transit(settings: StudyTimeSettings, sent_at: int | None, received_at: int = NOON) -> Transit:
    """The first report of a session."""
    sent = Transit(sent_at, received_at)
    return sent.corrected(settings.offset(sent.deviation), settings, is_session=True)


def event(settings: StudyTimeSettings = SETTINGS, *, sent_at: int | None = None, **given: Any) -> Timing:
    return time_event(**{**ABSENT, **given}, transit=transit(settings, sent_at), settings=settings)


def heartbeat(settings: StudyTimeSettings = SETTINGS, *, sent_at: int | None = None, **given: Any) -> Timing:
    absent: dict[str, Any] = {"timestamp": None, "is_active": True, "active": None}
    return time_heartbeat(**{**absent, **given}, transit=transit(settings, sent_at), settings=settings)


def before_noon(minutes: float) -> int:
    return NOON - int(minutes * MINUTE)


def test_an_event_claims_its_duration_up_to_its_end() -> None:
    timing = event(start=before_noon(20), end=before_noon(10), duration=5 * MINUTE)

    assert timing.span == (before_noon(15), before_noon(10))


@pytest.mark.parametrize(("duration", "claimed"), [(599_999, 599_999), (600_000, 600_000), (600_001, 600_000)])
def test_a_duration_is_clipped_to_the_time_between_start_and_end(duration: int, claimed: int) -> None:
    assert event(start=before_noon(20), end=before_noon(10), duration=duration).claimed == claimed


def test_start_and_end_without_a_duration_mean_their_difference() -> None:
    assert event(start=before_noon(20), end=before_noon(10)).span == (before_noon(20), before_noon(10))


def test_a_duration_alone_claims_the_time_before_the_event_was_received() -> None:
    assert event(duration=5 * MINUTE).span == (before_noon(5), NOON)


@pytest.mark.parametrize("skew", [-HOUR, HOUR])
def test_a_duration_alone_ends_when_the_event_was_received_whatever_the_clients_clock_says(skew: int) -> None:
    assert event(duration=5 * MINUTE, sent_at=NOON + skew) == Timing(NOON, 5 * MINUTE, is_shifted=False)


def test_an_end_with_a_duration_claims_the_time_before_the_end() -> None:
    assert event(end=before_noon(10), duration=5 * MINUTE).span == (before_noon(15), before_noon(10))


def test_a_start_with_a_duration_claims_the_time_after_the_start() -> None:
    assert event(start=before_noon(20), duration=5 * MINUTE).span == (before_noon(20), before_noon(15))


@pytest.mark.parametrize("given", [{"start": before_noon(20)}, {"end": before_noon(20)}])
def test_a_start_or_an_end_alone_claims_nothing_and_places_the_event(given: dict[str, Any]) -> None:
    assert event(SETTINGS, **given) == Timing(before_noon(20), 0, is_shifted=False)


def test_an_event_without_any_time_claims_nothing_and_happened_when_it_was_received() -> None:
    assert event() == Timing(NOON, 0, is_shifted=False)


@pytest.mark.parametrize("skew", [-37 * MINUTE, 37 * MINUTE])
def test_a_client_that_tells_when_it_sent_has_its_clock_corrected(skew: int) -> None:
    timing = event(start=before_noon(20) + skew, end=before_noon(10) + skew, sent_at=NOON + skew)

    assert timing == Timing(before_noon(10), 10 * MINUTE, is_shifted=False)


def test_an_event_that_ends_ahead_of_the_servers_clock_is_shifted_back_with_its_length_and_marked() -> None:
    timing = event(start=NOON + 50 * MINUTE, end=NOON + HOUR, duration=7 * MINUTE)

    assert timing == Timing(NOON, 7 * MINUTE, is_shifted=True)


@pytest.mark.parametrize(
    ("sent_at", "ended_at", "at", "is_shifted"),
    [
        # Travel time, up to the limit, is no offset.
        (NOON - 25 * SECOND, NOON - 26 * SECOND, NOON - 26 * SECOND, False),
        (NOON - 122 * SECOND, NOON - 123 * SECOND, NOON - 123 * SECOND, False),
        (NOON - 122 * SECOND - 1, NOON - 123 * SECOND, NOON - SECOND + 1, False),
        # A clock that is ahead by as much is left alone, and what it claims stays where it is however late it comes.
        (NOON + 50 * SECOND, NOON + 49 * SECOND, NOON + 49 * SECOND, False),
        (NOON + 122 * SECOND, NOON + 122 * SECOND, NOON + 122 * SECOND, False),
        (NOON + 122 * SECOND + 1, NOON + 122 * SECOND, NOON - 1, False),
        # Nothing ends after it was sent.
        (NOON + 50 * SECOND, NOON + 51 * SECOND, NOON + 50 * SECOND, True),
        (NOON - 50 * SECOND, NOON + 1, NOON, True),
    ],
)
def test_a_clock_is_corrected_only_where_the_difference_cannot_be_travel_time(
    sent_at: int, ended_at: int, at: int, is_shifted: bool
) -> None:
    assert event(end=ended_at, sent_at=sent_at) == Timing(at, 0, is_shifted)
    assert heartbeat(timestamp=ended_at, sent_at=sent_at, active=0) == Timing(at, 0, is_shifted)


def test_the_limit_of_travel_can_be_set() -> None:
    settings = StudyTimeSettings(longest_travel=MINUTE)

    assert event(settings, end=before_noon(2), sent_at=before_noon(1.5)).at == before_noon(0.5)
    assert event(end=before_noon(2), sent_at=before_noon(1.5)).at == before_noon(2)


@pytest.mark.parametrize(("is_session", "offset"), [(True, HOUR), (False, 0)])
def test_what_does_not_fit_a_known_clock_is_another_one_unless_the_session_says_otherwise(
    is_session: bool, offset: int
) -> None:
    late = Transit(NOON - 30 * SECOND, NOON)

    assert late.corrected(HOUR, SETTINGS, is_session=is_session).offset == offset


class Attempt(NamedTuple):
    """One attempt at sending a report: how long after it was made it was sent, and how long that was under way."""

    report: int
    waited: int
    travelled: int


LIMIT = SETTINGS.longest_travel
attempts = st.lists(
    st.builds(Attempt, st.integers(0, 4), st.integers(0, 10 * MINUTE), st.integers(0, LIMIT)), min_size=1, max_size=12
)
skews = st.integers(-DAY, DAY) | st.integers(-3 * LIMIT, 3 * LIMIT) | st.integers(-3 * SECOND, 3 * SECOND)


@hypothesis.given(skew=skews, tried=attempts, is_session=st.booleans())
def test_travel_repetition_order_and_a_wrong_clock_change_nothing(skew: int, tried: list[Attempt], is_session: bool) -> None:
    made = [NOON + each * 30 * SECOND for each in range(5)]
    arrived = sorted(tried, key=lambda each: made[each.report] + each.waited + each.travelled)
    known: int | None = None
    spans = set()
    for attempt in arrived:
        sent_at = made[attempt.report] + attempt.waited
        sent = Transit(sent_at + skew, sent_at + attempt.travelled)
        if sent.deviation:
            known = SETTINGS.offset(sent.deviation) if known is None else known
            sent = sent.corrected(known, SETTINGS, is_session=is_session)
        timing = time_heartbeat(
            timestamp=made[attempt.report] + skew, is_active=True, active=None, transit=sent, settings=SETTINGS
        )
        assert not timing.is_shifted
        spans.add((attempt.report, timing.span))

    reports = {attempt.report for attempt in tried}
    assert len(spans) == len(reports), "each report claims the same whenever it comes"
    assert length(union(span for _, span in spans)) == len(reports) * 30 * SECOND


@pytest.mark.parametrize(("ahead_ms", "is_shifted"), [(0, False), (1, True)])
def test_only_what_ends_after_it_was_received_is_marked_as_shifted(ahead_ms: int, is_shifted: bool) -> None:
    assert event(start=before_noon(1), end=NOON + ahead_ms).is_shifted is is_shifted


def test_the_clock_is_corrected_before_an_event_is_judged_to_be_ahead_of_it() -> None:
    timing = event(end=NOON + HOUR, duration=MINUTE, sent_at=NOON + HOUR + MINUTE)

    assert timing == Timing(before_noon(1), MINUTE, is_shifted=False)


def test_an_event_that_ends_after_it_was_sent_is_shifted_although_its_clock_was_corrected() -> None:
    timing = event(end=before_noon(60), duration=MINUTE, sent_at=before_noon(61))

    assert timing == Timing(NOON, MINUTE, is_shifted=True)


@pytest.mark.parametrize(
    ("length", "claimed"), [(4 * HOUR - 1, 4 * HOUR - 1), (4 * HOUR, 4 * HOUR), (4 * HOUR + 1, 4 * HOUR), (90 * HOUR, 4 * HOUR)]
)
def test_one_event_claims_four_hours_at_most(length: int, claimed: int) -> None:
    assert event(start=NOON - length, end=NOON).span == (NOON - claimed, NOON)
    assert event(end=NOON, duration=length).span == (NOON - claimed, NOON)
    assert event(duration=length).span == (NOON - claimed, NOON)


def test_a_start_with_more_than_four_hours_claims_the_first_four() -> None:
    start = NOON - 10 * HOUR

    assert event(start=start, duration=6 * HOUR).span == (start, start + 4 * HOUR)


def test_the_longest_claim_can_be_set() -> None:
    settings = StudyTimeSettings(longest_claim=MINUTE)

    assert event(settings, duration=2 * MINUTE).claimed == MINUTE


def test_an_active_heartbeat_claims_the_interval_before_it() -> None:
    assert heartbeat(timestamp=before_noon(10)).span == (before_noon(10.5), before_noon(10))


def test_the_heartbeat_interval_can_be_set() -> None:
    assert heartbeat(StudyTimeSettings(heartbeat_interval=10 * SECOND)).claimed == 10 * SECOND


@pytest.mark.parametrize(
    ("active", "claimed"), [(0, 0), (1, 1), (12_500, 12_500), (59_999, 59_999), (60_000, 60_000), (60_001, 60_000)]
)
def test_a_heartbeat_claims_the_seconds_it_says_up_to_twice_the_interval(active: int, claimed: int) -> None:
    assert heartbeat(active=active).span == (NOON - claimed, NOON)


@pytest.mark.parametrize("active", [None, 0, 20_000])
def test_an_inactive_heartbeat_claims_nothing(active: int | None) -> None:
    assert heartbeat(is_active=False, active=active).claimed == 0


def test_a_heartbeat_without_a_timestamp_counts_from_when_it_was_received() -> None:
    assert heartbeat().at == NOON
    assert heartbeat(sent_at=before_noon(5)).at == NOON


def test_a_heartbeats_clock_is_corrected_where_it_tells_when_it_was_sent() -> None:
    assert heartbeat(timestamp=before_noon(70), sent_at=before_noon(60)).at == before_noon(10)


def test_a_heartbeat_ahead_of_the_servers_clock_is_shifted_back_and_marked() -> None:
    assert heartbeat(timestamp=NOON + 1) == Timing(NOON, 30 * SECOND, is_shifted=True)


instants = st.none() | st.integers(START_OF_TIME, END_OF_TIME - 1)


@hypothesis.given(
    start=instants, length=st.integers(1, 10 * HOUR), duration=st.none() | st.integers(0, 10 * HOUR), sent_at=instants
)
def test_no_claim_of_an_event_lies_far_ahead_of_the_clock_before_1900_or_is_longer_than_the_longest(
    start: int | None, length: int, duration: int | None, sent_at: int | None
) -> None:
    end = None if start is None else start + length

    timing = event(start=start, end=end, duration=duration, sent_at=sent_at)

    assert START_OF_TIME <= timing.span[0] <= timing.span[1] <= NOON + SETTINGS.longest_travel + PUNCTUAL
    assert timing.claimed <= SETTINGS.longest_claim


@hypothesis.given(timestamp=instants, active=st.none() | st.integers(0, HOUR), sent_at=instants)
def test_no_claim_of_a_heartbeat_lies_far_ahead_of_the_clock_before_1900_or_is_longer_than_twice_the_interval(
    timestamp: int | None, active: int | None, sent_at: int | None
) -> None:
    timing = heartbeat(timestamp=timestamp, active=active, sent_at=sent_at)

    assert START_OF_TIME <= timing.span[0] <= timing.span[1] <= NOON + SETTINGS.longest_travel + PUNCTUAL
    assert timing.claimed <= 2 * SETTINGS.heartbeat_interval

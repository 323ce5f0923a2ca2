"""What one event or heartbeat claims: an interval of study, placed by the server's clock."""

from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from headway.instants import END_OF_TIME, HOUR, SECOND, START_OF_TIME
from headway.learning.study_time import StudyTimeSettings, Timing, time_event, time_heartbeat
from tests.world import NOON

SETTINGS = StudyTimeSettings(heartbeat_interval=30 * SECOND, longest_claim=4 * HOUR)
MINUTE = 60 * SECOND
ABSENT: dict[str, Any] = {"start": None, "end": None, "duration": None, "sent_at": None, "received_at": NOON}


def event(settings: StudyTimeSettings = SETTINGS, **given: Any) -> Timing:
    return time_event(**{**ABSENT, **given}, settings=settings)


def heartbeat(settings: StudyTimeSettings = SETTINGS, **given: Any) -> Timing:
    absent: dict[str, Any] = {"timestamp": None, "is_active": True, "active": None, "sent_at": None, "received_at": NOON}
    return time_heartbeat(**{**absent, **given}, settings=settings)


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
def test_no_claim_of_an_event_lies_ahead_of_the_clock_before_1900_or_is_longer_than_the_longest(
    start: int | None, length: int, duration: int | None, sent_at: int | None
) -> None:
    end = None if start is None else start + length

    timing = event(start=start, end=end, duration=duration, sent_at=sent_at)

    assert START_OF_TIME <= timing.span[0] <= timing.span[1] <= NOON
    assert timing.claimed <= SETTINGS.longest_claim


@hypothesis.given(timestamp=instants, active=st.none() | st.integers(0, HOUR), sent_at=instants)
def test_no_claim_of_a_heartbeat_lies_ahead_of_the_clock_before_1900_or_is_longer_than_twice_the_interval(
    timestamp: int | None, active: int | None, sent_at: int | None
) -> None:
    timing = heartbeat(timestamp=timestamp, active=active, sent_at=sent_at)

    assert START_OF_TIME <= timing.span[0] <= timing.span[1] <= NOON
    assert timing.claimed <= 2 * SETTINGS.heartbeat_interval

"""What the use of a refresh token does to a session."""

from headway.accounts.model import GRACE, REFRESH_LIFETIME, SESSION_LIFETIME, StoredSession, User
from headway.identity import Role
from tests.world import NOON

FRESH = StoredSession(1, 1, [], NOON, NOON + REFRESH_LIFETIME, None)
USER = User(5, Role.PARTICIPANT, "Ada", None, None, 1, is_disabled=False)


def test_the_current_token_starts_the_next_generation() -> None:
    refreshed = FRESH.refresh(1, NOON + 1)

    assert refreshed == StoredSession(1, 2, [(1, NOON + 1)], NOON, NOON + 1 + REFRESH_LIFETIME, None)


def test_a_token_that_was_used_just_now_changes_nothing() -> None:
    refreshed = FRESH.refresh(1, NOON)
    assert refreshed is not None

    assert refreshed.refresh(1, NOON + GRACE) == refreshed


def test_a_token_that_was_used_longer_ago_or_never_issued_is_rejected() -> None:
    refreshed = FRESH.refresh(1, NOON)
    assert refreshed is not None

    assert refreshed.refresh(1, NOON + GRACE + 1) is None
    # Nor is it good again until a clock that was set back has caught up.
    assert refreshed.refresh(1, NOON - GRACE - 1) is None
    assert refreshed.refresh(3, NOON) is None


def test_a_session_ends_however_often_it_is_refreshed() -> None:
    refreshed = FRESH.refresh(1, NOON + SESSION_LIFETIME - 1)

    assert refreshed is not None
    assert refreshed.expires_at == NOON + SESSION_LIFETIME
    assert refreshed.is_valid(USER, refreshed.expires_at - 1)
    assert not refreshed.is_valid(USER, refreshed.expires_at)

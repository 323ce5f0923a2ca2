"""Headway's own bearer tokens: only one that this server signed, for access, and that has not expired, is taken."""

import base64
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from headway.accounts.model import User
from headway.errors import Unauthenticated
from headway.http.authentication import AccessClaims, Tokens
from headway.identity import Role
from headway.instants import SECOND
from tests.world import NOON, FakeClock

KEY = "a-secret-key-of-more-than-32-bytes-for-tests"
USER = User(7, Role.PARTICIPANT, "Ada", None, None, token_version=3, is_disabled=False)
GENUINE: dict[str, Any] = {
    "iss": "headway",
    "aud": "headway",
    "typ": "access",
    "sub": "7",
    "ver": 3,
    "iat": NOON // SECOND,
    "exp": NOON // SECOND + 3600,
}


@pytest.fixture
def tokens(clock: FakeClock) -> Tokens:
    return Tokens(KEY, clock, lifetime_seconds=3600)


def signed(key: str = KEY, algorithm: str = "HS256", **changed: Any) -> str:
    payload = {name: value for name, value in {**GENUINE, **changed}.items() if value is not None}
    return jwt.encode(payload, key, algorithm=algorithm)


def test_an_issued_token_says_who_and_until_when(tokens: Tokens) -> None:
    assert tokens.verify(tokens.issue(USER)) == AccessClaims(7, 3, NOON // SECOND + 3600)


def test_a_token_that_says_all_that_an_issued_one_does_is_genuine(tokens: Tokens) -> None:
    assert tokens.verify(signed()).user_id == 7


def test_a_token_can_be_issued_for_another_time(tokens: Tokens) -> None:
    assert tokens.verify(tokens.issue(USER, lifetime_seconds=60)).expires_at == NOON // SECOND + 60


def test_a_token_is_good_until_the_second_in_which_it_expires(tokens: Tokens, clock: FakeClock) -> None:
    token = tokens.issue(USER)
    clock.advance(seconds=3599)
    assert tokens.verify(token).user_id == 7

    clock.advance(seconds=1)
    with pytest.raises(Unauthenticated, match="expired"):
        tokens.verify(token)


def test_a_token_that_was_verified_before_expires_all_the_same(tokens: Tokens, clock: FakeClock) -> None:
    token = tokens.issue(USER)
    tokens.verify(token)
    clock.advance(seconds=3600)

    for _attempt in range(2):
        with pytest.raises(Unauthenticated, match="expired"):
            tokens.verify(token)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "somebody-else"},
        {"iss": None},
        {"aud": "somebody-else"},
        {"aud": None},
        {"typ": "refresh"},
        {"typ": None},
        {"exp": None},
        {"exp": "tomorrow"},
        {"sub": None},
        {"sub": "Ada"},
        {"sub": ""},
        {"ver": None},
        {"ver": "new"},
    ],
    ids=str,
)
def test_a_token_with_a_claim_that_is_wrong_or_missing_is_refused(tokens: Tokens, changed: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(signed(**changed))


def test_a_token_that_is_not_signed_is_refused(tokens: Tokens) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(jwt.encode(GENUINE, "", algorithm="none"))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_token_of_another_algorithm_is_refused_although_the_key_is_right(clock: FakeClock, algorithm: str) -> None:
    with pytest.raises(Unauthenticated):
        Tokens(KEY * 2, clock, lifetime_seconds=60).verify(signed(KEY * 2, algorithm))


def test_a_token_signed_with_a_private_key_of_its_own_is_refused(tokens: Tokens) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    with pytest.raises(Unauthenticated):
        tokens.verify(jwt.encode(GENUINE, private, algorithm="RS256"))


@pytest.mark.parametrize("key", ["", "\0", "k"])
def test_a_token_signed_with_no_key_or_a_short_one_is_refused(tokens: Tokens, key: str) -> None:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "HS256"}, GENUINE)]
    signature = hmac.digest(key.encode(), b".".join(parts), "sha256")
    forged = b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()

    with pytest.raises(Unauthenticated):
        tokens.verify(forged)


def test_a_token_of_another_key_is_refused(tokens: Tokens) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(signed("another-secret-key-of-more-than-32-bytes"))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_that_was_tampered_with_is_refused(tokens: Tokens, part: int) -> None:
    mine, other = tokens.issue(USER).split("."), signed("another-secret-key-of-more-than-32-bytes", sub="8").split(".")
    forged = [*mine[:part], other[part] if part else mine[0][:-2] + "AA", *mine[part + 1 :]]

    with pytest.raises(Unauthenticated):
        tokens.verify(".".join(forged))


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "null", "\u00e9.\u00e9.\u00e9", "x" * 100_000])
def test_what_is_no_token_is_refused(tokens: Tokens, token: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(token)

"""Verified tokens are remembered: as many as there is room for, no others, and no longer than they are valid."""

from collections.abc import Iterator
from hashlib import sha256

import jwt
import pytest

from headway.accounts.model import User
from headway.bounded_cache import ENTRY_BYTES
from headway.errors import Unauthenticated
from headway.http.authentication import AccessClaims, Authentication, Tokens
from headway.http.identity_provider import IdentityProvider, OutsideClaims
from headway.instants import SECOND
from tests.databases import SECRET_KEY
from tests.unit.provider import AUDIENCE, ISSUER, KeyServer, SigningKey, ec_key, key_set
from tests.world import FakeClock, World

OLD, NEW = ec_key("key-1"), ec_key("key-2")
ENTRY = ENTRY_BYTES + 192


class CountingTokens(Tokens):
    """Tokens that count how often one is verified."""

    verified = 0

    def verify(self, token: str) -> AccessClaims:
        claims = super().verify(token)
        self.verified += 1
        return claims


class CountingProvider(IdentityProvider):
    """A provider that counts how often a token is verified."""

    verified = 0

    async def verify(self, token: str) -> OutsideClaims:
        claims = await super().verify(token)
        self.verified += 1
        return claims


@pytest.fixture
def tokens(clock: FakeClock) -> CountingTokens:
    return CountingTokens(SECRET_KEY, clock, lifetime_seconds=3600)


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with KeyServer(key_set(OLD)) as started:
        yield started


@pytest.fixture
def provider(server: KeyServer, clock: FakeClock) -> CountingProvider:
    return CountingProvider(issuer=ISSUER, audience=AUDIENCE, keys=server.url, clock=clock)


def authentication(world: World, tokens: Tokens, provider: IdentityProvider | None = None, *, room: int = 3) -> Authentication:
    """Make one that has room for some tokens."""
    return Authentication(
        tokens, world.services.accounts, world.services.api_keys, provider, world.clock, cache_bytes=room * ENTRY
    )


async def is_accepted(asked: Authentication, token: str) -> bool:
    try:
        await asked.verify(token)
    except Unauthenticated:
        return False
    return True


def outside_token(key: SigningKey, clock: FakeClock, subject: str = "ada") -> str:
    return key.token(sub=subject, exp=clock() // SECOND + 7200)


async def three_tokens(world: World, tokens: Tokens) -> tuple[User, list[str]]:
    user = await world.user()
    return user, [tokens.issue(user, lifetime_seconds=60 + number) for number in range(3)]


async def test_a_token_is_verified_once(world: World, tokens: CountingTokens) -> None:
    asked = authentication(world, tokens)
    user, issued = await three_tokens(world, tokens)

    for _ in range(5):
        for number, token in enumerate(issued):
            credential = await asked.verify(token)
            assert credential.caller.user_id == user.id
            assert credential.expires_at == world.clock() // SECOND + 60 + number

    assert tokens.verified == 3


async def test_more_tokens_than_there_is_room_for_are_all_accepted_and_the_ones_used_last_remembered(
    world: World, tokens: CountingTokens
) -> None:
    asked = authentication(world, tokens)
    user, issued = await three_tokens(world, tokens)
    for token in [*issued, issued[0], tokens.issue(user)]:
        assert await is_accepted(asked, token)
    assert tokens.verified == 4

    assert await is_accepted(asked, issued[0])
    assert await is_accepted(asked, issued[2])
    assert tokens.verified == 4
    assert await is_accepted(asked, issued[1])
    assert tokens.verified == 5


async def test_texts_that_are_no_valid_token_take_no_room(world: World, tokens: CountingTokens) -> None:
    asked = authentication(world, tokens)
    user, issued = await three_tokens(world, tokens)
    for token in issued:
        assert await is_accepted(asked, token)
    stranger = Tokens("another-secret-key-of-more-than-32-bytes", world.clock, lifetime_seconds=3600)
    head, payload, signature = issued[0].split(".")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    refused = [
        *(f"{head}.{payload}.{signature[:-1]}{letter}" for letter in letters if letter != signature[-1]),
        *(f"{issued[0]}{tail}" for tail in ("=", ".", "\u00e9", "\ud800", "A" * 9_000)),
        *(stranger.issue(user, lifetime_seconds=60 + number) for number in range(20)),
        *(tokens.issue(user, lifetime_seconds=-number) for number in range(20)),
    ]
    assert [await is_accepted(asked, token) for token in refused] == [False] * len(refused)

    before = tokens.verified
    assert [await is_accepted(asked, token) for token in issued] == [True] * 3
    assert tokens.verified == before


async def test_a_remembered_token_expires(world: World, tokens: CountingTokens) -> None:
    asked = authentication(world, tokens)
    token = tokens.issue(await world.user(), lifetime_seconds=60)
    assert await is_accepted(asked, token)

    world.clock.advance(seconds=59)
    assert await is_accepted(asked, token)
    world.clock.advance(seconds=1)
    assert [await is_accepted(asked, token) for _ in range(2)] == [False, False]


async def test_a_token_signed_with_an_earlier_secret_key_is_refused_also_with_a_session(
    world: World, tokens: CountingTokens
) -> None:
    asked = authentication(world, tokens)
    user = await world.user()
    earlier = Tokens(sha256(b"earlier").hexdigest(), world.clock, lifetime_seconds=3600)

    assert await is_accepted(asked, tokens.issue(user, session_id="s"))
    assert not await is_accepted(asked, earlier.issue(user, session_id="s"))


async def test_fetching_the_same_keys_again_forgets_no_token(
    world: World, tokens: Tokens, provider: CountingProvider, server: KeyServer
) -> None:
    asked = authentication(world, tokens, provider)
    token = outside_token(OLD, world.clock)
    assert await is_accepted(asked, token)

    # Who names an unknown key makes the server fetch, and takes nothing from the others by it.
    server.document = key_set(NEW, OLD)
    world.clock.advance(seconds=11)
    assert not await is_accepted(asked, OLD.token(key_id="unknown"))
    world.clock.advance(seconds=601)
    assert await is_accepted(asked, token)

    assert server.fetched == 3
    assert provider.verified == 1


@pytest.mark.parametrize("successor", [key_set(NEW), key_set(ec_key("key-1"))], ids=["another id", "the same id"])
async def test_a_remembered_token_ends_with_its_key_although_nobody_brings_another_token(
    world: World, tokens: Tokens, provider: CountingProvider, server: KeyServer, successor: bytes
) -> None:
    asked = authentication(world, tokens, provider)
    token = outside_token(OLD, world.clock)
    assert await is_accepted(asked, token)
    server.document = successor

    world.clock.advance(seconds=601)

    assert not await is_accepted(asked, token)


async def test_a_token_of_a_provider_is_of_whoever_has_its_subject_now(
    world: World, tokens: Tokens, provider: CountingProvider
) -> None:
    asked = authentication(world, tokens, provider)
    token = outside_token(OLD, world.clock)
    before = (await asked.verify(token)).caller
    assert before.external_id is not None

    await world.write(world.services.accounts.set_external_id, before.user_id, "another-subject")
    after = (await asked.verify(token)).caller

    assert after.user_id != before.user_id
    assert after.external_id == before.external_id
    assert (await asked.verify(token)).caller == after
    assert provider.verified == 2


async def test_remembered_tokens_stay_valid_while_the_provider_is_out_of_reach(
    world: World, tokens: Tokens, provider: CountingProvider, server: KeyServer
) -> None:
    asked = authentication(world, tokens, provider)
    token = outside_token(OLD, world.clock)
    assert await is_accepted(asked, token)
    server.stop()

    world.clock.advance(seconds=601)

    assert await is_accepted(asked, token)


async def test_tokens_of_both_issuers_with_one_payload_are_not_taken_for_each_other(
    world: World, tokens: Tokens, provider: CountingProvider
) -> None:
    asked = authentication(world, tokens, provider)
    user = await world.user()
    own = tokens.issue(user)
    assert (await asked.verify(own)).token_version == user.token_version
    outside = OLD.token(**jwt.decode(own, options={"verify_signature": False}) | {"iss": ISSUER, "aud": AUDIENCE})

    verified = await asked.verify(outside)

    assert (verified.token_version, verified.caller.external_id) == (None, str(user.id))
    assert verified.caller.user_id != user.id

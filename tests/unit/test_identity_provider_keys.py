"""The keys of an outside identity provider, fetched from where it publishes them: rotated, withdrawn, out of reach."""

import asyncio
from collections.abc import Iterator

import pytest

from headway.errors import Unauthenticated, Unavailable
from headway.http.identity_provider import IdentityProvider
from headway.instants import SECOND
from tests.unit.provider import AUDIENCE, ISSUER, KeyServer, SigningKey, ec_key, key_set
from tests.world import FakeClock

OLD, NEW = ec_key("key-1"), ec_key("key-2")


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with KeyServer(key_set(OLD)) as started:
        yield started


@pytest.fixture
def provider(server: KeyServer, clock: FakeClock) -> IdentityProvider:
    return IdentityProvider(issuer=ISSUER, audience=AUDIENCE, keys=server.url, clock=clock)


def token(key: SigningKey, clock: FakeClock, subject: str = "ada") -> str:
    return key.token(sub=subject, exp=clock() // SECOND + 7200)


async def test_keys_are_fetched_once_for_many_tokens(provider: IdentityProvider, server: KeyServer, clock: FakeClock) -> None:
    await asyncio.gather(*(provider.verify(token(OLD, clock, f"learner-{n}")) for n in range(5)))

    assert server.fetched == 1


async def test_a_new_key_is_fetched_when_a_token_names_it(
    provider: IdentityProvider, server: KeyServer, clock: FakeClock
) -> None:
    await provider.verify(token(OLD, clock))
    server.document = key_set(OLD, NEW)

    clock.advance(seconds=11)
    assert (await provider.verify(token(NEW, clock))).subject == "ada"
    assert (await provider.verify(token(OLD, clock))).subject == "ada"


async def test_tokens_that_name_unknown_keys_do_not_make_it_fetch_again_and_again(
    provider: IdentityProvider, server: KeyServer, clock: FakeClock
) -> None:
    await provider.verify(token(OLD, clock))

    for number in range(20):
        clock.advance(seconds=1)
        with pytest.raises(Unauthenticated):
            await provider.verify(OLD.token(key_id=f"unknown-{number}"))

    assert server.fetched <= 3


async def test_a_withdrawn_key_is_forgotten_once_the_keys_are_fetched_again(
    provider: IdentityProvider, server: KeyServer, clock: FakeClock
) -> None:
    withdrawn = token(OLD, clock)
    await provider.verify(withdrawn)
    server.document = key_set(NEW)

    clock.advance(seconds=11)
    await provider.verify(token(NEW, clock))

    with pytest.raises(Unauthenticated):
        await provider.verify(token(OLD, clock, "somebody else"))
    with pytest.raises(Unauthenticated):
        await provider.verify(withdrawn)


async def test_keys_are_fetched_again_when_they_are_old(
    provider: IdentityProvider, server: KeyServer, clock: FakeClock
) -> None:
    await provider.verify(token(OLD, clock))
    server.document = key_set(NEW)

    clock.advance(seconds=601)
    with pytest.raises(Unauthenticated):
        await provider.verify(token(OLD, clock, "somebody else"))


async def test_known_keys_stay_good_while_the_provider_is_out_of_reach(
    provider: IdentityProvider, server: KeyServer, clock: FakeClock
) -> None:
    await provider.verify(token(OLD, clock))
    server.stop()

    clock.advance(seconds=601)
    assert (await provider.verify(token(OLD, clock, "somebody else"))).subject == "somebody else"


async def test_without_keys_and_out_of_reach_the_caller_shall_come_again(
    provider: IdentityProvider, server: KeyServer, clock: FakeClock
) -> None:
    server.stop()

    with pytest.raises(Unavailable) as raised:
        await provider.verify(token(OLD, clock))

    assert raised.value.retry_after_seconds > 0


@pytest.mark.parametrize(
    ("status", "document"),
    [(500, key_set(OLD)), (404, b""), (200, b"<html>"), (200, b'{"keys": []}'), (200, b"[]"), (200, b" " * 2_000_000)],
)
async def test_without_a_usable_document_the_caller_shall_come_again(
    provider: IdentityProvider, server: KeyServer, clock: FakeClock, status: int, document: bytes
) -> None:
    server.status, server.document = status, document

    with pytest.raises(Unavailable):
        await provider.verify(token(OLD, clock))


async def test_a_provider_that_comes_back_is_asked_again(
    provider: IdentityProvider, server: KeyServer, clock: FakeClock
) -> None:
    server.status = 500
    with pytest.raises(Unavailable):
        await provider.verify(token(OLD, clock))

    server.status = 200
    clock.advance(seconds=11)
    assert (await provider.verify(token(OLD, clock))).subject == "ada"

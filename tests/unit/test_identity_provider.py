"""Tokens of an outside identity provider: which are taken, with keys from a file."""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from headway.errors import Unauthenticated
from headway.http.identity_provider import IdentityProvider
from headway.instants import SECOND
from headway.settings import Settings, SettingsError
from tests.unit.provider import AUDIENCE, CLAIMS, ISSUER, SigningKey, ec_key, key_set, rsa_key
from tests.world import NOON, FakeClock

RSA, EC, STRANGER = rsa_key("rsa-1"), ec_key("ec-1"), rsa_key("rsa-1")


def provider(tmp_path: Path, clock: FakeClock, document: bytes) -> IdentityProvider:
    file = tmp_path / "keys"
    file.write_bytes(document)
    settings = Settings(idp_issuer=ISSUER, idp_audience=AUDIENCE, idp_keys=str(file))
    made = IdentityProvider.from_settings(settings, clock)
    assert made is not None
    return made


@pytest.fixture
def both(tmp_path: Path, clock: FakeClock) -> IdentityProvider:
    """A provider that publishes an RSA and an EC key in one set."""
    return provider(tmp_path, clock, key_set(RSA, EC))


async def assert_refused(asked: IdentityProvider, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await asked.verify(token)


@pytest.mark.parametrize("key", [RSA, EC], ids=["RS256", "ES256"])
async def test_a_token_is_verified_with_the_key_of_the_set_that_it_names(both: IdentityProvider, key: SigningKey) -> None:
    claims = await both.verify(key.token())

    assert claims[:3] == ("8f14e45f-ada", "Ada Lovelace", NOON // SECOND + 300)


@pytest.mark.parametrize("key", [RSA, EC], ids=["RS256", "ES256"])
async def test_a_token_is_verified_with_the_key_of_a_pem_file(tmp_path: Path, clock: FakeClock, key: SigningKey) -> None:
    claims = await provider(tmp_path, clock, key.pem).verify(key.token())

    assert claims.subject == "8f14e45f-ada"


async def test_a_token_that_names_no_key_is_verified_with_the_only_one(tmp_path: Path, clock: FakeClock) -> None:
    unnamed = RSA._replace(key_id=None)

    assert (await provider(tmp_path, clock, key_set(RSA)).verify(unnamed.token())).subject == "8f14e45f-ada"


async def test_a_token_that_names_no_key_is_refused_where_there_are_several(both: IdentityProvider) -> None:
    await assert_refused(both, RSA._replace(key_id=None).token())


async def test_a_token_that_names_an_unknown_key_is_refused(both: IdentityProvider) -> None:
    await assert_refused(both, RSA.token(key_id="rsa-2"))


async def test_a_token_that_names_another_key_than_its_own_is_refused(both: IdentityProvider) -> None:
    await assert_refused(both, RSA.token(key_id="ec-1"))
    await assert_refused(both, EC.token(key_id="rsa-1"))


async def test_a_token_of_a_stranger_with_the_name_of_a_known_key_is_refused(both: IdentityProvider) -> None:
    await assert_refused(both, STRANGER.token())


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://id.example.com/realm"},
        {"iss": None},
        {"aud": "another-application"},
        {"aud": ["one", "two"]},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "s" * 501},
        {"sub": "a\0b"},
        {"sub": "\ud800"},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": []},
        {"exp": 1e400},
        {"nbf": "tomorrow"},
    ],
    ids=repr,
)
async def test_a_token_with_a_claim_that_is_wrong_or_missing_is_refused(
    both: IdentityProvider, changed: dict[str, Any]
) -> None:
    await assert_refused(both, RSA.token(**changed))


@pytest.mark.parametrize(
    "changed", [{"aud": ["another", AUDIENCE]}, {"sub": "s" * 500}, {"exp": NOON / SECOND + 1.5}], ids=repr
)
async def test_a_token_with_a_claim_just_within_its_bounds_is_taken(both: IdentityProvider, changed: dict[str, Any]) -> None:
    assert await both.verify(RSA.token(**changed))


@pytest.mark.parametrize("key", [RSA, EC], ids=["RS256", "ES256"])
async def test_a_public_key_is_no_secret_to_sign_with(tmp_path: Path, clock: FakeClock, key: SigningKey) -> None:
    asked = provider(tmp_path, clock, key.pem)

    await assert_refused(asked, key.confused_token())
    assert not asked.issued(key.confused_token())


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
@pytest.mark.parametrize("document", [key_set(RSA), RSA.pem], ids=["set", "PEM"])
async def test_only_the_two_algorithms_are_taken(tmp_path: Path, clock: FakeClock, algorithm: str, document: bytes) -> None:
    await assert_refused(provider(tmp_path, clock, document), RSA.token(algorithm=algorithm))


WEAK = rsa_key("weak", bits=1024)
PRIVATE = RSAAlgorithm.to_jwk(rsa.generate_private_key(public_exponent=65537, key_size=2048), as_dict=True)
UNUSABLE: dict[str, dict[str, Any]] = {
    "a secret that anybody can read": {"kty": "oct", "k": "a2V5"},
    "a short RSA key": WEAK.jwk,
    "a private key": PRIVATE,
    "no algorithm": {**RSA.jwk, "alg": "none"},
    "another algorithm": {**RSA.jwk, "alg": "HS256"},
    "another use": {**RSA.jwk, "use": "enc"},
    "odd fields": {**RSA.jwk, "kid": [], "alg": {}},
    "an odd type": {**RSA.jwk, "kty": ["RSA"]},
    "an odd id": {**RSA.jwk, "kid": ["rsa-1"]},
}


@pytest.mark.parametrize("entry", UNUSABLE.values(), ids=UNUSABLE.keys())
async def test_keys_of_a_set_that_cannot_be_used_are_ignored(tmp_path: Path, clock: FakeClock, entry: dict[str, Any]) -> None:
    document = json.dumps({"keys": [entry, EC.jwk]}).encode()

    assert (await provider(tmp_path, clock, document).verify(EC.token())).subject == "8f14e45f-ada"
    with pytest.raises(SettingsError, match="has no key"):
        provider(tmp_path, clock, json.dumps({"keys": [entry]}).encode())


@pytest.mark.parametrize(
    "key",
    [
        WEAK.private.public_key(),
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        Ed25519PrivateKey.generate().public_key(),
    ],
)
def test_a_pem_file_with_a_key_that_cannot_be_used_is_refused(tmp_path: Path, clock: FakeClock, key: Any) -> None:
    with pytest.raises(SettingsError, match="2048 bits or more"):
        provider(tmp_path, clock, key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


async def test_a_token_that_is_not_signed_is_refused(both: IdentityProvider) -> None:
    await assert_refused(both, jwt.encode(CLAIMS, "", algorithm="none", headers={"kid": "rsa-1"}))


async def test_a_token_that_was_tampered_with_is_refused(both: IdentityProvider) -> None:
    mine, other = RSA.token().split("."), RSA.token(sub="somebody-else").split(".")

    await assert_refused(both, ".".join([mine[0], other[1], mine[2]]))


async def test_a_token_expires_by_headways_clock_also_if_verified_before(both: IdentityProvider, clock: FakeClock) -> None:
    token = RSA.token()
    clock.advance(seconds=299)
    await both.verify(token)

    clock.advance(seconds=1)
    with pytest.raises(Unauthenticated, match="expired"):
        await both.verify(token)


@pytest.mark.parametrize("years", [-30, 30])
async def test_a_token_is_not_good_before_its_time_by_headways_clock(
    both: IdentityProvider, clock: FakeClock, years: int
) -> None:
    clock.advance(seconds=years * 365 * 86_400)
    now = clock() // SECOND

    await assert_refused(both, RSA.token(nbf=now + 61, exp=now + 300))
    assert await both.verify(RSA.token(nbf=now + 60, exp=now + 300))


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"name": "Ada"}, "Ada"),
        ({"name": None, "preferred_username": "ada"}, "ada"),
        ({"name": None}, "8f14e45f-ada"),
        ({"name": "n" * 300}, "n" * 200),
        ({"name": "A\0da"}, "Ada"),
    ],
)
async def test_a_caller_is_called_as_the_token_says(both: IdentityProvider, changed: dict[str, Any], name: str) -> None:
    assert (await both.verify(RSA.token(**changed))).name == name


def test_outside_tokens_are_told_from_headways_own_by_their_algorithm(both: IdentityProvider) -> None:
    own = jwt.encode(CLAIMS, "k" * 32, algorithm="HS256")

    assert [both.issued(token) for token in (RSA.token(), EC.token(), own, "nonsense", "")] == [True, True, False, False, False]


def test_there_is_no_provider_unless_one_is_set(clock: FakeClock) -> None:
    assert IdentityProvider.from_settings(Settings(), clock) is None


async def test_a_key_of_a_set_that_cannot_be_used_costs_the_others_nothing(tmp_path: Path, clock: FakeClock) -> None:
    unusable: list[dict[str, Any]] = [
        {"kty": "oct", "k": "AAAA", "kid": "secret"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "edwards"},
        {**RSA.jwk, "kid": "encryption", "use": "enc"},
        {**RSA.jwk, "kid": "other-algorithm", "alg": "RSA-OAEP-256"},
        {"kty": "RSA", "kid": "half"},
        {"kty": "EC", "crv": "brainpoolP256r1", "x": "AAAA", "y": "AAAA", "kid": "curve"},
    ]
    asked = provider(tmp_path, clock, key_set(*unusable, RSA))

    assert await asked.verify(RSA.token())
    await assert_refused(asked, RSA.token(key_id="encryption"))


@pytest.mark.parametrize(
    "document",
    [b"", b"nonsense", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "AAAA"}]}', b"-----BEGIN PUBLIC KEY-----\nAAAA"],
)
def test_a_file_without_a_usable_key_is_told_by_its_variable(tmp_path: Path, clock: FakeClock, document: bytes) -> None:
    with pytest.raises(SettingsError, match="HEADWAY_IDP_KEYS"):
        provider(tmp_path, clock, document)


def test_a_file_that_is_not_there_is_told_by_its_variable(tmp_path: Path, clock: FakeClock) -> None:
    settings = Settings(idp_issuer=ISSUER, idp_audience=AUDIENCE, idp_keys=str(tmp_path / "none"))

    with pytest.raises(SettingsError, match="HEADWAY_IDP_KEYS"):
        IdentityProvider.from_settings(settings, clock)

"""Passwords: the contract's rule, and what nobody may choose."""

import asyncio

import pytest

from headway.accounts.passwords import Passwords, check_password
from headway.errors import Invalid, RateLimited


@pytest.mark.parametrize("password", ["Abcdef-8", "Ünïcödé-password", "A" + "b" * 126 + "!", "Two words!", "Ab1 def_gh"])
def test_a_password_within_the_rule_is_good(password: str) -> None:
    assert check_password(password, ()) is None


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("Abcde-7", "8 to 128 characters"),
        ("A" + "b" * 127 + "!", "8 to 128 characters"),
        ("abcdefg-", "upper-case"),
        ("Abcdefg8", "special"),
        ("Abcdefg 8", "special"),
    ],
)
def test_a_password_outside_the_rule_is_refused_with_the_reason(password: str, fault: str) -> None:
    assert fault in (check_password(password, ()) or "")


@pytest.mark.parametrize("password", ["Password1!", "!Password1", "P@ssw0rd", "Password123!!", "Qwerty123_"])
def test_a_common_password_is_refused_also_with_something_put_around_it(password: str) -> None:
    with pytest.raises(Invalid) as raised:
        Passwords().check("newPassword", password)

    assert [(each.field, each.message) for each in raised.value.fields] == [
        ("newPassword", "is one of the most common passwords")
    ]


def test_a_short_word_between_specials_is_no_common_password() -> None:
    Passwords().check("password", "Cat!-#-!dog")

    assert check_password("!!!!Cat!!!!", {"cat"}) is None


async def test_only_the_password_that_was_hashed_is_verified() -> None:
    passwords = Passwords()
    stored = await passwords.hash("Corr3ct-Horse")

    assert stored.startswith("$argon2id$")
    assert await passwords.verify(stored, "Corr3ct-Horse")
    assert not await passwords.verify(stored, "corr3ct-Horse")
    assert not await passwords.verify(None, "Corr3ct-Horse")
    assert not await passwords.verify("spoilt", "Corr3ct-Horse")


async def test_few_passwords_wait_to_be_checked_and_more_are_refused_at_once() -> None:
    passwords = Passwords()
    checks = [asyncio.create_task(passwords.verify(None, "Abcdef-8")) for _ in range(150)]
    await asyncio.sleep(0)
    refused = [each for each in checks if each.done()]

    assert len(refused) == 50
    assert all(isinstance(each.exception(), RateLimited) for each in refused)
    for each in checks:
        each.cancel()
    await asyncio.gather(*checks, return_exceptions=True)
    assert await passwords.verify(None, "Abcdef-8") is False

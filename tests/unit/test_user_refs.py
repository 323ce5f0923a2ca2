"""People as strings: what a client's text means, and what is stored for it."""

import pytest

from headway.audit.model import Actor, Context, EntryDraft, Target, TargetType, new_entry
from headway.identity import Caller, Client, Role, UserIds, UserRef

GOOGLE = "112233445566778899001"
FIVE, SUBJECT_5, ADA = UserIds(5, None), UserIds(7, "5"), UserIds(8, "auth0|ada")
MARKED, DIGITS = UserIds(9, "id:5"), UserIds(10, GOOGLE)
ADDRESS = UserIds(11, "email:ada@example.org")
PEOPLE = [FIVE, SUBJECT_5, ADA, MARKED, DIGITS, ADDRESS]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("5", [FIVE, SUBJECT_5]),
        ("id:5", [FIVE]),
        ("ext:5", [SUBJECT_5]),
        ("7", [SUBJECT_5]),
        ("ext:7", []),
        ("auth0|ada", [ADA]),
        ("ext:auth0|ada", [ADA]),
        ("id:8", [ADA]),
        ("id:auth0|ada", []),
        ("ext:id:5", [MARKED]),
        (GOOGLE, [DIGITS]),
        (f"ext:{GOOGLE}", [DIGITS]),
        (f"id:{GOOGLE}", []),
        ("05", []),
        ("id:05", []),
        ("\u0665", []),
        ("ext:", []),
        ("id:", []),
        ("ID:5", []),
        ("email:", []),
        ("email:ada@example.org", []),
        ("ext:email:ada@example.org", [ADDRESS]),
    ],
)
def test_a_text_means_an_account_or_an_outside_subject_or_either(text: str, meant: list[UserIds]) -> None:
    assert [each for each in PEOPLE if UserRef.parse(text).is_of(each)] == meant


@pytest.mark.parametrize(
    ("text", "user", "stored"),
    [
        ("5", FIVE, "5"),
        ("id:5", FIVE, "5"),
        ("5", SUBJECT_5, "ext:5"),
        ("ext:5", SUBJECT_5, "ext:5"),
        ("id:7", SUBJECT_5, "7"),
        ("auth0|ada", ADA, "auth0|ada"),
        ("ext:auth0|ada", ADA, "auth0|ada"),
        ("ext:id:5", MARKED, "ext:id:5"),
        (GOOGLE, DIGITS, GOOGLE),
        ("6", None, "6"),
        ("id:6", None, "6"),
        ("ext:6", None, "ext:6"),
        ("nobody", None, "nobody"),
        ("ext:nobody", None, "nobody"),
        ("05", None, "05"),
        ("email:Ada@Example.org", ADA, "8"),
        ("email:Ada@Example.org", None, "email:ada@example.org"),
        ("ext:email:ada@example.org", ADDRESS, "ext:email:ada@example.org"),
    ],
)
def test_what_is_stored_means_the_same_for_ever(text: str, user: UserIds | None, stored: str) -> None:
    assert UserRef.parse(text).stored_name(user) == stored
    assert UserRef.parse(stored).stored_name(user) == stored
    if user is not None:
        assert stored in user.stored_names


def test_no_two_people_share_a_stored_name() -> None:
    names = [name for each in PEOPLE for name in each.stored_names]

    # "id:5" was stored for the subject of that name before there were marks; now it is never stored.
    assert len(names) == len(set(names))
    assert MARKED.stored_names == ["9", "ext:id:5", "id:5"]
    assert SUBJECT_5.stored_names == ["7", "ext:5"]


ADDRESSED = Caller(8, Role.PARTICIPANT, "auth0|ada", None, "Zo\u00eb", "zo\u00eb@school.test")
WITHOUT_ADDRESS = Caller(5, Role.PARTICIPANT, None, None, "Guest", None)
TUTOR = Caller(6, Role.INSTRUCTOR, None, None, "Tutor", "tutor@school.test")
ADMIN = Caller(1, Role.ADMIN, None, None, "Admin", "admin@school.test")
SERVICE = Caller(2, Role.SYSTEM, None, None, "Service", None)


@pytest.mark.parametrize(
    ("text", "is_own"),
    [
        ("8", True),
        ("auth0|ada", True),
        ("email:zo\u00eb@school.test", True),
        ("email:ZOE\u0308@School.test ", True),
        ("zo\u00eb@school.test", False),
        ("email:zoe@school.test", False),
        ("ext:email:zo\u00eb@school.test", False),
    ],
)
def test_callers_are_named_by_their_ids_and_by_their_address(text: str, is_own: bool) -> None:
    assert ADDRESSED.is_named_by(UserRef.parse(text)) is is_own
    assert not WITHOUT_ADDRESS.is_named_by(UserRef.parse(text))


@pytest.mark.parametrize(
    ("caller", "actor", "is_verified"),
    [
        (ADDRESSED, None, True),
        (ADDRESSED, Actor("8", "Zo\u00eb", "zo\u00eb@school.test", None), True),
        (ADDRESSED, Actor("auth0|ada", "Zo\u00eb", "zo\u00eb@school.test", "PARTICIPANT"), True),
        (ADDRESSED, Actor("8", "Zoe\u0308 ", "ZOE\u0308@school.test", None), True),
        (ADDRESSED, Actor("8", "Somebody Else", "zo\u00eb@school.test", None), False),
        (ADDRESSED, Actor("8", "zo\u00eb", "zo\u00eb@school.test", None), False),
        (ADDRESSED, Actor("8", "Zo\u00eb", "other@school.test", None), False),
        (ADDRESSED, Actor("8", "Zo\u00eb", "zo\u00eb@school.test", "INSTRUCTOR"), False),
        (ADDRESSED, Actor("7", "Zo\u00eb", "zo\u00eb@school.test", None), False),
        (ADDRESSED, Actor(None, "Zo\u00eb", "zo\u00eb@school.test", None), False),
        (WITHOUT_ADDRESS, None, True),
        (WITHOUT_ADDRESS, Actor("5", "Guest", None, None), True),
        (WITHOUT_ADDRESS, Actor("5", "Guest", "dean@school.test", None), False),
        (WITHOUT_ADDRESS, Actor("5", "The Dean", "dean@school.test", None), False),
        (WITHOUT_ADDRESS, Actor("5", "The Dean", None, None), False),
        (TUTOR, Actor("5", "Guest", "tutor@school.test", None), False),
        (ADMIN, Actor("5", "Anybody", "any@school.test", "ADMIN"), True),
        (SERVICE, Actor(None, "Anybody", "any@school.test", None), True),
    ],
)
def test_an_actor_is_verified_that_is_the_caller_in_all_that_is_said_of_it(
    caller: Caller, actor: Actor | None, is_verified: bool
) -> None:
    draft = EntryDraft("ACT", actor, Target(TargetType.OTHER), Context(), {})

    assert new_entry(caller, draft, Client("192.0.2.7")).is_actor_verified is is_verified

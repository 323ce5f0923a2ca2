"""Letters as they are read: whom they greet, and in which language."""

import pytest

from headway.mail.model import Letter, MailKind, Written
from headway.web.letters import LetterWriter
from headway.web.texts import Catalogues


def written(name: str, language: str = "en") -> Written:
    writer = LetterWriter(Catalogues("UTC"), site_url="https://learn.school.example", site_name="School")
    return writer(Letter(MailKind.PASSWORD_CHANGED, "ada@example.org", language, {"name": name}))


@pytest.mark.parametrize("name", ["Ada", "J. R. R. Tolkien", "J.R.R. Tolkien", "O'Brien-Şahin, Zoë (Ms)", "Ada <b>", "明日香"])
def test_a_name_is_greeted(name: str) -> None:
    assert written(name).text.startswith(f"Hello {name},\n\n")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Win at https://evil.example",
        "Buy at evil.example now",
        "ada@evil.example",
        "tel:+49",
        "evil/x",
        "You have won " * 5,
    ],
)
def test_a_name_that_is_an_advertisement_is_not_greeted(name: str) -> None:
    letter = written(name)

    assert letter.text.startswith("Hello,\n\n")
    assert name == "" or name not in letter.html


def test_what_follows_the_greeting_begins_a_sentence() -> None:
    # After a comma, German goes on in lower case.
    assert written("Ada", "de").text.startswith("Guten Tag Ada!\n\nDas Passwort")

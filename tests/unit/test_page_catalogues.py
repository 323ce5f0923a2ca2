"""The catalogues of the pages: up to date, complete, and with the same placeholders as the English texts."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from jinja2 import Environment
from jinja2.nodes import Call, Const, Name

from headway.web.refusals import FIELDS, MESSAGES, said
from headway.web.texts import LOCALES, Catalogues, Viewer
from tests.page_texts import extract_texts
from tests.world import NOON

SOURCES = LOCALES.parents[1]
FILES = sorted(LOCALES.glob("*/LC_MESSAGES/headway.po"))
_HTML = re.compile(r"</?\w[^>]*>")
_PLACEHOLDER = re.compile(r"%\(\w+\)s|%%|\{\w+\}|`[^`]+`")


def read_catalogue(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def forms_of(text: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return () if text is None else (text,) if isinstance(text, str) else tuple(text)


def messages_of(path: Path) -> list[Message]:
    return [each for each in read_catalogue(path) if each.id]


def viewer(accept_language: str) -> Viewer:
    return Catalogues("UTC").viewer(language=None, accept_language=accept_language, zone=None)


def test_there_is_a_second_language() -> None:
    assert [path.parts[-3] for path in FILES] == ["de"]
    assert len(extract_texts()) > 900


def test_templates_look_up_texts_that_can_be_extracted() -> None:
    """What a variable holds is in no catalogue, and a percent sign in it would be taken for a placeholder."""
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    found = []
    for path in sorted((LOCALES.parent / "templates").rglob("*.html")):
        for call in environment.parse(path.read_text()).find_all(Call):
            if isinstance(call.node, Name) and call.node.name in {"_", "gettext", "ngettext"}:
                texts = call.args[: 1 if call.node.name != "ngettext" else 2]
                found += [f"{path.name}:{call.lineno}" for text in texts if not isinstance(text, Const)]

    assert found == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parts[-3])
def test_a_catalogue_holds_the_texts_of_the_pages_and_no_others(path: Path) -> None:
    assert {forms_of(each.id) for each in messages_of(path)} == set(extract_texts().values())
    assert read_catalogue(path).obsolete == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parts[-3])
def test_a_catalogue_is_complete_and_settled(path: Path) -> None:
    plurals = read_catalogue(path).num_plurals
    lacking = [
        each.id
        for each in messages_of(path)
        if not all(forms_of(each.string)) or len(forms_of(each.string)) != (plurals if each.pluralizable else 1)
    ]

    assert lacking == []
    assert [each.id for each in messages_of(path) if each.fuzzy] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parts[-3])
def test_a_translation_has_the_placeholders_and_the_html_of_its_text(path: Path) -> None:
    """A form for one thing may leave its number out, as the English one does."""
    for message in messages_of(path):
        english, translated = forms_of(message.id), forms_of(message.string)
        known = [Counter(_PLACEHOLDER.findall(form)) for form in english]
        assert all(Counter(_PLACEHOLDER.findall(form)) in known for form in translated), message.id
        assert Counter(_PLACEHOLDER.findall(translated[-1])) == known[-1], message.id
        assert {tuple(_HTML.findall(form)) for form in translated} == {tuple(_HTML.findall(form)) for form in english}, (
            message.id
        )
        assert [form.strip() for form in translated] == list(translated), message.id


_ERRORS = {"Invalid", "Unauthenticated", "Forbidden", "NotFound", "Conflict", "RateLimited", "Refusal"}
_ROOMS = ("assessments", "attention", "audit/verification.py", "enrollments", "messaging", "reports", "web")
_MODULES = (
    *("accounts/administration.py", "accounts/model.py", "accounts/passwords.py", "courses/service.py", "text.py"),
    *("learning/course_editing.py", "learning/marking.py", "learning/paths.py", "learning/reads.py"),
)
_NOT_FROM_PAGES = {
    *("must be one of 7", "goes with the status CERTIFIED only", "An enrollment that is 7 cannot become 7."),
    *("must not have more than 7 entries", "must have 1 to 7 characters"),
    *("Only instructors and administrators make courses.", "must not lead back to this course", "course 7 does not exist"),
    *("The slug 7 belongs to another course.", "There is no course 7."),
    # Beside a field that no browser sends in this way; and when a unit opens or has closed, of which each sentence is listed.
    *("is not 7: 7", "This unit 7."),
}
"""Refusals of what only the API offers."""


def refusals() -> Iterator[str]:
    """Return what services that pages use say when they refuse something; 7 stands for what is put in."""
    for part in (*_ROOMS, *_MODULES):
        path = SOURCES / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and (text := _refusal(node)) is not None:
                    yield text


def _refusal(call: ast.Call) -> str | None:
    name = ast.unparse(call.func)
    place = 1 if name in {"FieldError", "Invalid.field", "Refusal"} else 0 if name in {*_ERRORS, "ValueError"} else None
    if place is None or len(call.args) <= place:
        return None
    match call.args[place]:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in parts)
    return None


def test_what_services_say_is_in_the_catalogue() -> None:
    found = set(refusals()) - _NOT_FROM_PAGES
    german = viewer("de")

    assert len(found) > 60
    assert {text for text in found if said(german, text) == text} == set()
    assert len(set(FIELDS + MESSAGES)) == len(FIELDS + MESSAGES)


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("must be from 1 to 365", "muss von 1 bis 365 sein"),
        ("must have 1 to 80 characters, none of them NUL", "muss 1 bis 80 Zeichen haben, keines davon NUL"),
        ("must have 8 to 128 characters", "muss 8 bis 128 Zeichen haben"),
        ("3 seats are taken already.", "3 Plätze sind schon belegt."),
        ("Complete these courses first: 100 % Go, <b>B</b>.", "Zuerst sind diese Kurse abzuschließen: 100 % Go, <b>B</b>."),
        ("something that only developers read", "something that only developers read"),
    ],
)
def test_a_refusal_keeps_its_numbers_and_names(english: str, german: str) -> None:
    assert said(viewer("de"), english) == german
    assert said(viewer("en"), english) == english


@pytest.mark.parametrize(
    ("tag", "number", "percent", "date"),
    [
        ("de", "1.234,5", "99\u00a0%", "01.01.2026"),
        ("de-AT", "1.234,5", "99\u00a0%", "01.01.2026"),
        ("de-CH", "1'234.5", "99%", "01.01.2026"),
        ("en-US", "1,234.5", "99%", "Jan 1, 2026"),
    ],
)
def test_a_region_writes_numbers_and_dates_in_its_own_way(tag: str, number: str, percent: str, date: str) -> None:
    shown = viewer(f"{tag},en;q=0.5")

    assert (shown.number(1_234.5, 1), shown.percent(9_999), shown.date(NOON)) == (number, percent, date)
    assert shown.text("My courses") == ("My courses" if tag == "en-US" else "Meine Kurse")


def test_a_count_takes_the_form_of_its_number() -> None:
    one, many = "%(count)s day", "%(count)s days"

    assert [viewer("de").ngettext(one, many, count) for count in (0, 1, 1_000)] == ["0 Tagen", "1 Tag", "1.000 Tagen"]

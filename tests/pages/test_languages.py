"""Every text of a page comes from the catalogue: in a language that brackets them, nothing but data is outside of brackets."""

import csv
import re
from collections.abc import Collection, Iterator
from io import StringIO
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.pofile import write_po
from bs4 import BeautifulSoup
from bs4.element import NavigableString

from headway.identity import Caller, CourseRole, Role
from headway.instants import DAY
from headway.web import texts
from tests.contract.rights.conftest import ROLES, School
from tests.page_texts import pseudo_catalogue
from tests.pages.conftest import Visit
from tests.pages.test_rights import PAGES
from tests.world import FakeClock

LANGUAGE = "eo"
_DATA = {
    *("Course", "Hidden", "First", "Second", "One", "Two", "Three", "Task", "Hello"),
    *("Full", "Relay", "hooks", "example", "org"),
    *("PARTICIPANT", "INSTRUCTOR", "ADMIN", "SYSTEM", "Operator"),
    *("Headway", "SQLite", "PostgreSQL", "MB", "GB", "ms"),
}
"""Words of names and titles in the school, and names and units that are the same in all languages."""
_ADDRESS = re.compile(r"https?://\S+|\S+@\S+")
_BRACKETED = re.compile(r"⟦[^⟦⟧]*⟧")
_WORD = re.compile(r"[^\W\d_]{2,}")
_STORED = re.compile(r"(?<!⟦)(?:Erased user|\[erased\])")
"""What is stored in place of an erased name or text, also where it is put into a text of the catalogue."""
_SHOWN_ATTRIBUTES = ("alt", "aria-label", "data-confirm", "data-spoken", "placeholder", "title")
_NOT_READ = ("script", "style", "code", "pre", "time", "textarea")


@pytest.fixture(autouse=True)
def _bracketed_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offer the language before the server starts."""
    folder = tmp_path / "locales" / LANGUAGE / "LC_MESSAGES"
    folder.mkdir(parents=True)
    with (folder / "headway.po").open("wb") as file:
        write_po(file, pseudo_catalogue(LANGUAGE))
    monkeypatch.setattr(texts, "LOCALES", tmp_path / "locales")


def _read_page(html: str) -> Iterator[str]:
    soup = BeautifulSoup(html, "html.parser")
    for each in soup.select("form.language, [lang=en]"):
        each.decompose()
    for each in soup.find_all(_NOT_READ):
        each.decompose()
    yield " ".join(each for each in soup.descendants if type(each) is NavigableString)
    yield from (str(tag[name]) for tag in soup.find_all(True) for name in _SHOWN_ATTRIBUTES if tag.has_attr(name))


def _unmarked(text: str) -> list[str]:
    """Return the words that are outside of brackets, without those of data and dates."""
    months = Locale(LANGUAGE).months["format"]["abbreviated"].values()
    while (shorter := _BRACKETED.sub(" ", text)) != text:
        text = shorter
    return [word for word in _WORD.findall(_ADDRESS.sub(" ", text)) if word not in _DATA and word not in months]


@pytest.fixture
async def busy_school(school: School, visit: Visit, clock: FakeClock) -> School:
    """A school with something to show: a unit is complete, work is graded, there are notes, and time has passed."""
    tutor, learner, filled = visit("tutor"), visit("learner"), school.filled
    await learner.submit(filled("/app/learning/{course}/units/{unit}/complete"))
    grading = filled("/app/courses/{course}/assessments/{assessment}/submissions/{submission}/grade")
    await tutor.submit(grading, {"grade": "4", "seen": "0", "feedback": "Hello"})
    await tutor.submit(filled("/app/courses/{course}/learners/{learner_id}/note"), {"text": "Hello"})
    clock.now += 20 * DAY
    tutor = visit("tutor")
    await tutor.submit(filled("/app/courses/{course}/attention/message"), {"message": "Hello", "to": filled("{learner_id}")})
    await tutor.submit(
        filled("/app/courses/{course}/attention/dismiss"), {"to": filled("{peer_id}"), "days": "7", "note": "Hello"}
    )
    return school


async def _untranslated(school: School, visit: Visit, roles: Collection[str] = ROLES) -> dict[tuple[str, str], set[str]]:
    """Return the words of pages that are neither of the catalogue nor data."""
    found = {}
    # Exports are for programs: they are those of the API.
    for path, may_see in ((path, roles) for path, roles in PAGES.items() if "/export/" not in path):
        for role in (each for each in roles if each in may_see):
            shown = await visit(role).open(school.filled(path), **{"Accept-Language": LANGUAGE})
            is_csv = shown.response.headers["content-type"].startswith("text/csv")
            read = [",".join(next(csv.reader(StringIO(shown.html))))] if is_csv else _read_page(shown.html)
            words = {word for text in read for word in [*_unmarked(text), *_STORED.findall(text)]}
            if words:
                found[path, role] = words
    return found


async def test_every_text_of_every_page_is_in_the_catalogue(busy_school: School, visit: Visit) -> None:
    assert await _untranslated(busy_school, visit) == {}


async def test_erased_people_are_named_in_the_language_of_the_viewer(busy_school: School, visit: Visit) -> None:
    """They wrote, taught, learned and read, and a page was opened for each of them."""
    school, tutor, admin = busy_school, visit("tutor"), visit("admin")
    colleague = await school.world.user(Role.INSTRUCTOR)
    school.people["colleague"], school.ids["colleague_id"] = colleague, str(colleague.id)
    owner = Caller(school.people["tutor"].id, Role.INSTRUCTOR)
    course_id = int(school.ids["course"])
    await school.world.write(school.world.services.course_staff.set_role, owner, course_id, colleague.id, CourseRole.OWNER)
    learner = school.filled("/app/courses/{course}/learners/{learner_id}")
    teaching = visit("colleague")
    await teaching.submit(f"{learner}/note", {"text": "Hello"})
    await teaching.submit(f"{learner}/reset", {"what": "course", "reason": "Hello"})
    for name in ("learner", "colleague"):
        await tutor.submit(school.filled(f"/app/messages/{{{name}_id}}"), {"message": "Hello"})
    for name in ("peer", "colleague"):
        path = school.filled(f"/app/admin/users/{{{name}_id}}/erase")
        erased = await admin.submit(path, {"reason": "request", "confirmation": school.ids[f"{name}_id"]})
        assert erased.path.startswith("/app/admin/erasures/")

    assert await _untranslated(school, visit, ["learner", "tutor", "admin"]) == {}
    school.ids["learner_id"] = school.ids["peer_id"]
    assert await _untranslated(school, visit, ["tutor", "admin"]) == {}
    school.ids["learner_id"] = school.ids["colleague_id"]
    assert await _untranslated(school, visit, ["admin"]) == {}

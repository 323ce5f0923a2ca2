"""The files of `/demo/reader` and of the course around it: what can be read from them without a server."""

import re
from pathlib import Path

import pytest

from headway.courses.completion import Rule
from headway.importers import course_file
from headway.services import course_limits
from headway.settings import Settings
from headway.web import demo_content
from headway.web.demo_content import FOLDER
from headway.web.reader import COURSE_FILE

SOURCES = sorted(path for path in FOLDER.rglob("*") if path.suffix in {".css", ".html", ".js", ".svg"})
NAMESPACE = "http://www.w3.org/2000/svg"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    assert not re.findall(r"//[a-z][\w-]*\.\w+", path.read_text().replace(NAMESPACE, ""))


def test_the_film_is_small_and_captioned_to_its_end() -> None:
    film, captions = (FOLDER / "film.webm").read_bytes(), (FOLDER / "film.vtt").read_text()
    times = [int(minutes) * 60 + float(seconds) for minutes, seconds in re.findall(r"(\d\d):(\d\d\.\d{3})", captions)]

    assert film.startswith(b"\x1a\x45\xdf\xa3")  # EBML
    assert b"webm" in film[:64]
    assert len(film) <= 600_000
    assert captions.startswith("WEBVTT\n")
    assert times == sorted(times)
    assert 60 <= times[-1] <= 90


def test_every_unit_of_the_course_has_a_text_or_a_quiz_as_its_rule_says() -> None:
    course, _ = course_file.read(COURSE_FILE, course_limits(Settings()))
    units = {unit.slug or "": unit for module in course.modules for unit in module.units}

    assert len(units) == 6
    for slug, unit in units.items():
        assert (demo_content.quiz_of(slug) is not None) == (unit.completion.rule is Rule.QUIZ)
        assert (demo_content.text_of(slug) is not None) == (unit.completion.rule is not Rule.QUIZ)
        assert ("<video" in (demo_content.text_of(slug) or "")) == (unit.completion.rule is Rule.VIDEO)
    assert {path.stem for path in (FOLDER / "units").iterdir()} == set(units)


def test_a_quiz_counts_right_answers() -> None:
    quiz = demo_content.quiz_of("six-questions")
    assert quiz is not None
    right = tuple(question.right for question in quiz.questions)

    assert all(0 <= question.right < len(question.answers) for question in quiz.questions)
    assert quiz.count_right(right) == 6
    assert quiz.count_right((*right[:3], None, None, None)) == 3
    assert quiz.count_right([each + 1 for each in right]) == 0


def test_a_name_that_is_no_unit_has_no_content() -> None:
    assert demo_content.text_of("../reader") is None
    assert demo_content.quiz_of("nothing") is None

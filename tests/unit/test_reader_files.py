"""The files of `/demo/reader`: what can be read from them without a server."""

import re
from pathlib import Path

import pytest

from headway.web.reader import FOLDER

SOURCES = sorted(path for path in FOLDER.iterdir() if path.suffix in {".css", ".html", ".js", ".svg"})
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

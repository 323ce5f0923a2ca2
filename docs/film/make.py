"""Film `film.html`: draw each picture in Chromium, encode them with ffmpeg as WebM (VP9) and the poster as WebP.

Needs Debian's `chromium`, `ffmpeg` and `fonts-inter`, and Playwright for Python:

    .venv/bin/python docs/film/make.py src/headway/web/demo
"""

import base64
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

_PICTURES_PER_SECOND = 24
_POSTER_AT_SECONDS = 37.0
_PICTURE = "time => { drawFilm(context, time); return canvas.toDataURL('image/png').split(',')[1]; }"
_ENCODE = (
    "ffmpeg -loglevel error -y -f image2pipe -framerate {rate} -i - -an -pix_fmt yuv420p -c:v libvpx-vp9 -b:v 0 -crf 38 "
    "-row-mt 1 -g 240 -deadline good -cpu-used 1 -map_metadata -1 -fflags +bitexact -flags:v +bitexact"
)


def main(folder: Path) -> None:
    """Write `film.webm` and `film-poster.webp` into a folder."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(f"{(Path(__file__).parent / 'film.html').as_uri()}#filmed")
        page.evaluate("document.fonts.load('400 20px Inter')")
        page.evaluate("{ globalThis.canvas = document.querySelector('canvas'); globalThis.context = canvas.getContext('2d'); }")
        _film(page, folder / "film.webm")
        poster = ["ffmpeg", "-loglevel", "error", "-y", "-f", "image2pipe", "-i", "-", "-quality", "80"]
        subprocess.run([*poster, folder / "film-poster.webp"], input=_picture(page, _POSTER_AT_SECONDS), check=True)
        browser.close()


def _film(page: Page, target: Path) -> None:
    encode = [*_ENCODE.format(rate=_PICTURES_PER_SECOND).split(), str(target)]
    with subprocess.Popen(encode, stdin=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        for number in range(int(page.evaluate("FILM.seconds") * _PICTURES_PER_SECOND)):
            encoder.stdin.write(_picture(page, number / _PICTURES_PER_SECOND))
        encoder.stdin.close()
    if encoder.returncode != 0:
        raise SystemExit(encoder.returncode)


def _picture(page: Page, time: float) -> bytes:
    return base64.b64decode(page.evaluate(_PICTURE, time))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

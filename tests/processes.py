"""Real `headway` processes for tests: servers that are asked, stopped and killed, and commands that run to their end.

Each is forked from one process that has imported Headway already: a new interpreter needs a second of CPU for its imports.
tests/integration/test_readme.py and tests/integration/test_migrations.py run the command as it is installed.
"""

import asyncio
import multiprocessing
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from headway.cli import main
from tests.system_calls import restrict

HEADWAY = Path(sys.executable).parent / "headway"

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.processes", "headway.app", "headway.schema", "pytest"])


PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For servers without TLS: by default, httpx reads all certificate authorities for each client, which takes 20 ms."""


def open_client(url: str = "", **options: Any) -> httpx.AsyncClient:
    """Make a client of servers without TLS."""
    return httpx.AsyncClient(base_url=url, verify=PLAIN, **options)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class HeadwayCommand:
    """`headway` with some arguments, in a process group of its own, that appends its output to files."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: dict[str, str],
        output: Path,
        errors: Path,
        *,
        descriptors: int | None = None,
        unit: Path | None = None,
    ) -> None:
        self._process = FORKS.Process(target=_run, args=(arguments, environment, output, errors, descriptors, unit))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def exit_status(self) -> int | None:
        return self._process.exitcode

    def wait(self, seconds: float) -> int:
        """Wait for its end, and return its exit status."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            raise TimeoutError(f"headway did not end within {seconds} seconds")
        return self._process.exitcode

    async def wait_beside(self, seconds: float) -> int:
        """Wait for its end while the event loop serves others, and return its exit status. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while (status := self.exit_status) is None:
                await asyncio.sleep(0.01)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the whole process group at once, as a power cut would."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait(10)


def _run(
    arguments: Sequence[str],
    environment: dict[str, str],
    output: Path,
    errors: Path,
    descriptors: int | None,
    unit: Path | None,
) -> None:
    """Become the command; this runs in the new process."""
    os.setsid()
    if descriptors is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    if unit is not None:
        restrict(unit)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [str(HEADWAY), *arguments]
    for path, mode, stream in ((Path(os.devnull), "r", 0), (output, "a", 1), (errors, "a", 2)):
        with path.open(mode) as file:
            os.dup2(file.fileno(), stream)
    sys.stdin = os.fdopen(0)
    main(arguments, prog_name="headway")


class HeadwayProcess:
    """`headway serve`, with its log in a file."""

    descriptors: int | None = None
    """How many files each process may open, if that is set before the start."""
    unit: Path | None = None
    """A unit of systemd whose filter of system calls is in force, if that is set before the start."""

    def __init__(self, database_url: str, folder: Path, secret_key: str, *flags: str, **environment: str) -> None:
        self.port = free_port()
        self.log = folder / f"serve-{self.port}.log"
        self.url = f"http://127.0.0.1:{self.port}"
        self.verify = PLAIN
        self._arguments = ["serve", "--database", database_url, "--port", str(self.port), *flags]
        self._environment = {**os.environ, "HEADWAY_SECRET_KEY": secret_key, **environment}

    def start(self) -> "HeadwayProcess":
        limits: dict[str, Any] = {"descriptors": self.descriptors, "unit": self.unit}
        self.process = HeadwayCommand(self._arguments, self._environment, self.log, self.log, **limits)
        try:
            self.wait_until(200)
        except BaseException:
            self.kill()
            raise
        return self

    def wait_until(self, status: int, *, seconds: float = 30) -> None:
        """Wait until /readyz answers with a status."""
        give_up = time.monotonic() + seconds
        while self.readiness() != status:
            assert self.process.exit_status is None, self.log.read_text()
            assert time.monotonic() < give_up, self.log.read_text()
            time.sleep(0.05)

    def readiness(self) -> int | None:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5, verify=self.verify).status_code
        except httpx.HTTPError:
            return None

    def kill(self) -> None:
        """Kill the server and its workers at once, as a power cut would."""
        self.process.kill()

    def stop(self) -> int:
        """Ask it to stop, and return its exit status."""
        if self.process.exit_status is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def __enter__(self) -> "HeadwayProcess":
        return self.start()

    def __exit__(self, *_: object) -> None:
        # Also if the process has ended: a worker of it may be left.
        self.kill()


async def run_headway(
    *arguments: str, secret_key: str | None = None, encryption_keys: str | None = None, unit: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end.

    The event loop serves others meanwhile: a write transaction of the test's own server must end, for the command waits for it.
    """
    keys = {"HEADWAY_SECRET_KEY": secret_key, "HEADWAY_ENCRYPTION_KEYS": encryption_keys}
    environment = {**os.environ, **{name: key for name, key in keys.items() if key is not None}}
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder) / "output", Path(folder) / "errors"
        command = HeadwayCommand([str(each) for each in arguments], environment, output, errors, unit=unit)
        try:
            status = await command.wait_beside(60)
        finally:
            command.kill()
        return subprocess.CompletedProcess([str(HEADWAY), *arguments], status, output.read_text(), errors.read_text())

"""Real server processes for tests: started, asked, stopped, killed."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

HEADWAY = Path(sys.executable).parent / "headway"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class HeadwayProcess:
    """`headway serve` in a process group of its own, with its log in a file."""

    def __init__(self, database_url: str, folder: Path, secret_key: str, *flags: str, **environment: str) -> None:
        self.port = free_port()
        self.log = folder / f"serve-{self.port}.log"
        self.url = f"http://127.0.0.1:{self.port}"
        self.verify: ssl.SSLContext | bool = True
        self._command = [str(HEADWAY), "serve", "--database", database_url, "--port", str(self.port), *flags]
        self._environment = {**os.environ, "HEADWAY_SECRET_KEY": secret_key, **environment}

    def start(self) -> "HeadwayProcess":
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
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
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < give_up, self.log.read_text()
            time.sleep(0.05)

    def readiness(self) -> int | None:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5, verify=self.verify).status_code
        except httpx.HTTPError:
            return None

    def kill(self) -> None:
        """Kill the whole process group at once, as a power cut would."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """Ask it to stop, and give its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def __enter__(self) -> "HeadwayProcess":
        return self.start()

    def __exit__(self, *_: object) -> None:
        # Also if the process has ended: a worker of it may be left.
        self.kill()


def run_headway(
    *arguments: str, secret_key: str | None = None, encryption_keys: str | None = None, **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    keys = {"HEADWAY_SECRET_KEY": secret_key, "HEADWAY_ENCRYPTION_KEYS": encryption_keys}
    environment = {**os.environ, **{name: key for name, key in keys.items() if key is not None}}
    return subprocess.run(
        [str(HEADWAY), *arguments], env=environment, capture_output=True, text=True, check=False, timeout=60, **options
    )

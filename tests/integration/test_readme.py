"""The README's and the learner contract's examples, line for line, as someone would paste them after `make demo`."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = re.compile(r"<!-- tried by tests/integration/test_readme\.py -->\n```sh\n(.*?)```", re.DOTALL)


def examples(*names: str) -> str:
    texts = [(ROOT / name).read_text() for name in names]
    return "\n".join(block for text in texts for block in EXAMPLE.findall(text))


def documents(text: str) -> Iterator[Any]:
    """Read JSON documents that follow one another."""
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        yield document
        text = text[end:]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """`make demo` in a folder of its own."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (folder / "log").open("w")
    server = subprocess.Popen(
        [".venv/bin/headway", "demo", "--port", str(port)], cwd=folder, stdout=log, stderr=subprocess.STDOUT
    )
    try:
        wait_until_ready(port, server)
        yield folder, port
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
    finally:
        server.kill()
        log.close()


def wait_until_ready(port: int, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        assert server.poll() is None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail("the demo did not become ready")


def test_the_lines_of_the_documents_do_what_they_say(demo: tuple[Path, int]) -> None:
    folder, port = demo
    script = examples("README.md", "docs/learner.md").replace("127.0.0.1:8000", f"127.0.0.1:{port}")

    ran = subprocess.run(["bash", "-euc", script], cwd=folder, capture_output=True, text=True, check=True, timeout=60)

    answers = list(documents(ran.stdout))
    track, heartbeat, batch = (each["data"] for each in answers[:3])
    assert track["status"] == "accepted"
    assert heartbeat["next_heartbeat_seconds"] == 30
    assert [each["status"] for each in batch["results"]] == ["accepted", "accepted", "rejected"]
    assert answers[3]["differences"] == []
    account, found, taken, moved, progress = (each["data"] for each in answers[4:])
    assert account["name"] == "Ada"
    assert [course["title"] for course in found] == ["Engines"]
    assert taken["status"] == "active"
    assert moved["completionPercentage"] == 66.66
    assert progress == [moved]


def test_the_lines_on_connecting_other_systems_do_what_they_say(demo: tuple[Path, int]) -> None:
    folder, port = demo
    script = examples("docs/connecting.md").replace("127.0.0.1:8000", f"127.0.0.1:{port}")

    ran = subprocess.run(["bash", "-euc", script], cwd=folder, capture_output=True, text=True, check=True, timeout=60)

    read, revoked, reported = documents(ran.stdout)
    assert len(read["results"]) == 2
    assert revoked["revoked"]
    assert [each["status"] for each in reported["data"]["results"]] == ["accepted", "accepted", "rejected"]


def test_the_curl_line_that_the_demo_prints_works_as_printed(demo: tuple[Path, int]) -> None:
    folder, _ = demo
    printed = (folder / "log").read_text()
    line = printed[printed.index("curl -s") : printed.index("The interface:")]

    ran = subprocess.run(["bash", "-euc", line], capture_output=True, text=True, check=True, timeout=30)

    assert json.loads(ran.stdout)["data"]["status"] == "accepted"

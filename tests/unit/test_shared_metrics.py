"""The page of metrics that several server processes share has no gauges of those that ended."""

import os
import subprocess
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from headway.telemetry import SHARED_FOLDER, Metrics


def test_a_killed_process_has_no_gauges_though_its_parent_has_not_looked_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvicorn waits up to 30 seconds for the answer of a worker before it sees that it was killed."""
    monkeypatch.setenv(SHARED_FOLDER, str(tmp_path))
    metrics = Metrics()
    with subprocess.Popen(["sleep", "60"]) as other:
        for pid, clients in ((os.getpid(), 3), (other.pid, 4)):
            share(tmp_path / f"gauge_livesum_{pid}.db", "headway_live_connections", clients)
        assert b"headway_live_connections 7.0" in metrics.page()

        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert b"headway_live_connections 3.0" in metrics.page()


def share(file: Path, name: str, value: float) -> None:
    """Write a metric as a process does whose metrics are shared."""
    values = MmapedDict(str(file))  # type: ignore[no-untyped-call]
    values.write_value(mmap_key(name, name, [], [], "…"), value, 0.0)  # type: ignore[no-untyped-call]
    values.close()  # type: ignore[no-untyped-call]

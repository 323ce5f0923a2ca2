"""The page of metrics of several server processes tells of all of them, whichever answers, also when one was killed."""

import asyncio
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.databases import SECRET_KEY, Templates
from tests.processes import HeadwayProcess, open_client

WORKERS = 3
LONGEST_SECONDS = 60
"""A worker that is killed while uvicorn waits for its answer is replaced after 30 seconds."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, templates: Templates) -> Iterator[HeadwayProcess]:
    folder = tmp_path_factory.mktemp("workers")
    (folder / "tmp").mkdir()
    url = templates.copy("postgresql", folder)
    with HeadwayProcess(url, folder, SECRET_KEY, "--workers", str(WORKERS), TMPDIR=str(folder / "tmp")) as started:
        yield started
        assert started.stop() == 0
    assert list((folder / "tmp").iterdir()) == []


def workers_of(server: HeadwayProcess) -> list[psutil.Process]:
    """Give the processes that serve: those that have a file of metrics, not uvicorn's tracker of resources."""
    (shared,) = (server.log.parent / "tmp").glob("headway-metrics-*")
    pids = {int(path.stem.rpartition("_")[2]) for path in shared.glob("counter_*.db")}
    children = psutil.Process(server.process.pid).children()
    # One that was killed is a zombie until uvicorn has looked after it.
    return [each for each in children if each.pid in pids and each.status() != psutil.STATUS_ZOMBIE]


def ports_of_clients(worker: psutil.Process, server: HeadwayProcess) -> set[int]:
    """Return the ports of the clients that are connected to a worker."""
    return {each.raddr.port for each in worker.net_connections("tcp") if each.raddr and each.laddr.port == server.port}


async def page(server: HeadwayProcess) -> dict[str, float]:
    # A connection of its own each time: any worker may take it.
    async with open_client(server.url, timeout=10) as client:
        text = (await client.get("/metrics")).text
    return {key: float(value) for key, value in re.findall(r"^(\w+(?:{.*})?) (\S+)$", text, re.MULTILINE)}


async def until(server: HeadwayProcess, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    give_up = time.monotonic() + LONGEST_SECONDS
    while not holds(told := await page(server)):
        assert time.monotonic() < give_up, told
        await asyncio.sleep(0.1)
    return told


async def all_serve(server: HeadwayProcess) -> None:
    await until(server, lambda told: told["headway_ingest_capacity"] == WORKERS * 10_000)


NOT_FOUND = 'api_requests_total{endpoint="unmatched",status="404"}'


async def test_the_page_adds_up_what_all_workers_count(server: HeadwayProcess) -> None:
    await all_serve(server)
    before = (await page(server)).get(NOT_FOUND, 0)

    for _ in range(30):
        async with open_client(server.url) as client:
            await client.get("/nothing")

    pages = [await page(server) for _ in range(10)]
    assert {told[NOT_FOUND] - before for told in pages} == {30}
    assert {told['api_request_duration_seconds_count{endpoint="unmatched"}'] for told in pages} == {before + 30}


async def test_what_the_processes_use_is_added_up(server: HeadwayProcess) -> None:
    await all_serve(server)
    told = await page(server)

    workers = workers_of(server)
    assert len(workers) == WORKERS
    memory = sum(each.memory_info().rss for each in workers)
    assert told["process_resident_memory_bytes"] == pytest.approx(memory, rel=0.2)
    cpu = sum(sum(each.cpu_times()[:2]) for each in workers)
    assert told["process_cpu_seconds_total"] == pytest.approx(cpu, rel=0.3)
    assert told["process_open_fds"] == pytest.approx(sum(each.num_fds() for each in workers), rel=0.3)
    assert told["process_start_time_seconds"] == pytest.approx(min(each.create_time() for each in workers), abs=2)


async def test_handshakes_and_clients_at_ws_are_counted(server: HeadwayProcess) -> None:
    await all_serve(server)
    address = server.url.replace("http", "ws") + "/ws"
    before = Counter(await page(server))

    with pytest.raises(InvalidStatus):
        await connect(address, origin="https://elsewhere.example")  # type: ignore[arg-type]
    async with connect(address), connect(address), connect(address), connect(address):
        told = await until(server, lambda told: told["headway_live_connections"] == 4)

    joined, refused = (f'api_requests_total{{endpoint="/ws",status="{status}"}}' for status in (101, 403))
    assert (told[joined] - before[joined], told[refused] - before[refused]) == (4, 1)
    await until(server, lambda told: told["headway_live_connections"] == 0)


async def test_a_killed_worker_leaves_its_counts_but_not_its_gauges(server: HeadwayProcess) -> None:
    await all_serve(server)
    for _ in range(20):
        async with open_client(server.url) as client:
            await client.get("/nothing")
    address = server.url.replace("http", "ws") + "/ws"
    async with AsyncExitStack() as connected:
        clients = [await connected.enter_async_context(connect(address)) for _ in range(12)]
        before = await until(server, lambda told: told["headway_live_connections"] == 12)

        ports = {worker: ports_of_clients(worker, server) for worker in workers_of(server)}
        killed = max(ports, key=lambda worker: len(ports[worker]))
        lost = [each for each in clients if each.local_address[1] in ports[killed]]
        os.kill(killed.pid, signal.SIGKILL)
        async with asyncio.timeout(20):
            await asyncio.gather(*(each.wait_closed() for each in lost))

        assert lost
        told = await until(server, lambda told: told["headway_live_connections"] == 12 - len(lost))
        assert told[NOT_FOUND] >= before[NOT_FOUND]
        assert told["process_cpu_seconds_total"] >= before["process_cpu_seconds_total"]
        assert all(each.is_running() for each in ports if each != killed)
        await all_serve(server)
        assert killed.pid not in {each.pid for each in workers_of(server)}

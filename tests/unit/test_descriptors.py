"""The descriptors that are set aside for the server itself, where there are fewer than all connections need."""

import resource
from collections.abc import Iterator

import pytest

from headway.http.connections import Connections
from headway.settings import Settings
from headway.telemetry import Metrics


@pytest.fixture
def descriptors() -> Iterator[int]:
    """Lower the limit of open files for a test, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1_000, hard))
    yield 1_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_connections_of_large_reads_and_of_the_pool_are_set_aside(descriptors: int) -> None:
    settings = Settings(postgres_pool_size=50, large_reads=100)

    assert descriptors - Connections(settings, Metrics()).most == 64 + 50 + 200


def test_what_a_few_connections_need_is_left_whatever_is_set_aside(descriptors: int) -> None:
    assert Connections(Settings(large_reads=descriptors), Metrics()).most == 16

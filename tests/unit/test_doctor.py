"""The doctor's rules on clocks and versions."""

from headway.doctor.clock_checks import compare
from headway.doctor.database_checks import version_of
from headway.health.findings import Level


def test_clocks_that_differ() -> None:
    assert compare(10_000, 11_000, 12_000).level is Level.OK
    assert compare(10_000, 30_000, 12_000).level is Level.WARNING
    assert "differ by 100 seconds" in compare(110_000, 10_000, 112_000).what


def test_versions_of_postgresql() -> None:
    assert version_of(140_000, "14.0").level is Level.OK
    assert version_of(130_022, "13.22") == (Level.PROBLEM, "PostgreSQL 13.22 is too old.", "Upgrade to version 14 or later.")

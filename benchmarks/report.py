"""Reports: medians, ratios and their targets as Markdown tables, and a description of the machine."""

import datetime as dt
import platform
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from measure import Sample

SAMPLE_HEADINGS = (
    "events/s",
    "CPU ms/event: application",
    "database",
    "sum",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "peak RSS MB",
)
TARGET_HEADINGS = ("figure", "median", "lowest", "highest", "target", "result")

Reading = Callable[[Sample], float]


@dataclass(frozen=True, slots=True)
class Target:
    """Bounds of a median. Without any, a figure has no target."""

    at_least: float | None = None
    at_most: float | None = None

    def is_met(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        bounds = [("at least", self.at_least), ("at most", self.at_most)]
        return ", ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)


def format_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def format_samples(samples: Sequence[Sample]) -> list[str]:
    """Return the cells for SAMPLE_HEADINGS: medians over the rounds, and the largest memory."""

    def middle(read: Reading) -> float:
        return median(read(sample) for sample in samples)

    return [
        f"{middle(lambda sample: sample.rate):,.0f}",
        f"{middle(lambda sample: sample.application_cpu_ms):.3f}",
        f"{middle(lambda sample: sample.database_cpu_ms):.3f}",
        f"{middle(lambda sample: sample.cpu_ms):.3f}",
        f"{middle(lambda sample: sample.p50_ms):.1f}",
        f"{middle(lambda sample: sample.p95_ms):.1f}",
        f"{middle(lambda sample: sample.p99_ms):.1f}",
        f"{max(sample.peak_memory_mb for sample in samples):.0f}",
    ]


def format_target(figure: str, values: Sequence[float], target: Target) -> list[str]:
    """Return the cells for TARGET_HEADINGS."""
    verdict = "met" if target.is_met(median(values)) else "MISSED"
    cells = [f"{value:.3g}" for value in (median(values), min(values), max(values))]
    return [figure, *cells, str(target), verdict if str(target) else ""]


def pair_ratios(numerators: Sequence[Sample], denominators: Sequence[Sample], read: Reading) -> list[float]:
    """Return the ratio of a reading in each round, so that the conditions of a round cancel out."""
    return [read(above) / read(below) for above, below in zip(numerators, denominators, strict=True)]


def describe_machine(directory: Path, postgres_version: str) -> str:
    facts = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "processor": f"{read_processor_model()}, {psutil.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 1e9:.0f} GB",
        "file system": find_file_system(directory),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": postgres_version,
        "SQLite": sqlite3.sqlite_version,
    }
    return "\n".join(f"- {name}: {fact}" for name, fact in facts.items())


def read_processor_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def find_file_system(directory: Path) -> str:
    """Return the type of the file system of `directory`, on which the cost of a commit depends."""
    mounts = [part for part in psutil.disk_partitions(all=True) if directory.resolve().is_relative_to(part.mountpoint)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else "unknown"

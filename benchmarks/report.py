"""Reports: medians, ratios and their targets as Markdown tables, a description of the machine, and where results stand."""

import argparse
import datetime as dt
import platform
import re
import shlex
import sqlite3
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from measure import Sample
from plots import Plot

SAMPLE_HEADINGS = (
    "per second",
    "CPU ms each: application",
    "database",
    "sum",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "peak RSS MB",
)
README = Path(__file__).parent / "README.md"
PLOTS = README.parent / "plots"
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
        return ", ".join(f"{word} {bound:.3g}" for word, bound in bounds if bound is not None)


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


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all programs have."""
    parser.add_argument("--directory", type=Path, help="the directory for databases and logs during the run")
    parser.add_argument("--quick", action="store_true", help="short and small, to see that everything works")
    parser.add_argument("--write", action="store_true", help="put the results into README.md, and draw the plots")


def publish(options: argparse.Namespace, parts: Iterable[str], plots: Sequence[Plot] = ()) -> None:
    """Print the results of this program. With `--write`, they and the plots also replace its earlier ones in README.md."""
    program = Path(sys.argv[0]).name
    shown = [f"![{plot.title}](plots/{plot.name}.svg)" for plot in plots]
    results = "\n\n".join(part for part in parts if part)
    print(results)
    if options.write:
        PLOTS.mkdir(exist_ok=True)
        for plot in plots:
            (PLOTS / f"{plot.name}.svg").write_text(plot.svg)
        begin, end = f"<!-- results of {program} -->\n", f"<!-- end of {program} -->"
        place = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        written = "\n\n".join([begin, *shown, results, end])
        changed, count = place.subn(lambda _: re.sub("\n{3,}", "\n\n", written), README.read_text())
        if count != 1:
            raise SystemExit(f"README.md has {count} places for the results of {program}")
        README.write_text(changed)


def describe_run(directory: Path, postgres_version: str | None) -> str:
    """Return one line on when and where this program ran, and how it was called."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--write" and not argument.startswith("--directory")]
    call = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *arguments])
    postgres = "" if postgres_version is None else f"PostgreSQL {postgres_version}, "
    versions = f"Python {platform.python_version()}, {postgres}SQLite {sqlite3.sqlite_version}"
    memory = f"{psutil.virtual_memory().total / 1e9:.0f} GB"
    machine = f"{read_processor_model()}, {psutil.cpu_count()} cores, {memory}, {find_file_system(directory)}"
    system = f"{platform.system()} {platform.release()}"
    return f"{dt.datetime.now(dt.UTC).date().isoformat()}, `{call}` on {machine}, {system}, {versions}."


def read_processor_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def find_file_system(directory: Path) -> str:
    """Return the type of the file system of `directory`, on which the cost of a commit depends."""
    mounts = [part for part in psutil.disk_partitions(all=True) if directory.resolve().is_relative_to(part.mountpoint)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else "unknown"

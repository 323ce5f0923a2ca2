"""Runs the benchmarks one after the other; see README.md. Options that it does not know go to each: those that all have."""

import argparse
import subprocess
import sys
from pathlib import Path

PROGRAMS = ("compare", "growth", "statements")
OTHERS = ("lists", "analytics", "stalls", "attack", "log", "tracker", "exports", "on_behalf", "staff", "pages", "retention")


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the benchmarks one after the other.")
    parser.add_argument("--programs", nargs="+", choices=(*PROGRAMS, *OTHERS), default=PROGRAMS)
    parser.add_argument("--all", action="store_true", help="run all programs")
    options, passed_on = parser.parse_known_args()
    programs = (*PROGRAMS, *OTHERS) if options.all else options.programs
    for program in programs:
        subprocess.run((sys.executable, str(Path(__file__).with_name(f"{program}.py")), *passed_on), check=True)


if __name__ == "__main__":
    main()

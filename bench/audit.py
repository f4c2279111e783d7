"""What the leakage audit costs: a year of flights in one file, 7 days of 900 rows, both probes, and `--quick`.

The service is that of bench/flights.py. Its days are built by `daeda pipeline train`, and audited by the command as a
user gives it, in a process of its own: CPU seconds are those of all its processes, the rebuild of the append probe
among them.
Usage: python -m bench.audit [--flights 336776] [--days 7] [--rows 900]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.flights import SERVICE, Size, make
from bench.machine import describe_machine
from bench.process_tree import CommandFailed, Measured, run_measured

RESULT = Path(__file__).parent / "results" / "audit.json"
ROOT = Path(__file__).parents[1]
# What is audited: the words behind `daeda audit leakage`.
AUDITS: dict[str, tuple[str, ...]] = {
    "both probes": (), "recompute": ("--probe", "recompute"), "append": ("--probe", "append"), "quick": ("--quick",),
}  # fmt: skip
_FIGURES = {
    "days": re.compile(r"leakage audit of \w+, ([\d,]+) days?: "),
    "values": re.compile(r"([\d,]+) values? recomputed"),
    "mismatches": re.compile(r"([\d,]+) mismatch"),
    "rows": re.compile(r"([\d,]+) rows? rebuilt with later rows added"),
    "changes": re.compile(r"([\d,]+) changes?\b"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the days, audit them, print what was found, and write the result; 1 where something differs."""
    parser = argparse.ArgumentParser(prog="python -m bench.audit", description="What the leakage audit costs.")
    parser.add_argument("--flights", type=int, default=336_776)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--rows", type=int, default=900, help="rows to recompute of each day")
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="audit-") as directory:
        make(Path(directory), Size(given.flights, given.days))
        built = run_daeda(Path(directory), "pipeline", "train", SERVICE, "--skeleton-only")
        audits = {}
        for name, words in AUDITS.items():
            rows = () if name == "quick" else ("--rows", str(given.rows))
            audits[name] = audit(Path(directory), *words, *rows)
            print(f"{name}: {told(audits[name])}", file=sys.stderr)
    result = {
        "flights": given.flights, "days": given.days, "rows_of_each_day": given.rows,
        "built": {"seconds": round(built.seconds, 1), "cpu_seconds": round(built.cpu_seconds, 1)},
        "audits": audits, "load": round(os.getloadavg()[0], 1), "machine": describe_machine(),
    }  # fmt: skip
    given.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    wrong = sum(audit["mismatches"] + audit["changes"] for audit in audits.values())
    both = audits["both probes"]
    print(
        f"{given.flights:,} flights, {both['days']} days: {both['values']:,} values recomputed and "
        f"{both['rows']:,} rows rebuilt in {both['cpu_seconds']} s of CPU; {wrong} mismatches"
    )
    return 1 if wrong else 0


def audit(directory: Path, *words: str) -> dict[str, Any]:
    """Figures of one audit, and what it found."""
    try:
        measured = run_daeda(directory, "audit", "leakage", SERVICE, *words)
        found = summary(measured.output)
    except CommandFailed as error:
        # An audit that finds something ends with 1, and what did not end with a summary audited nothing.
        measured, found = Measured(0.0, 0.0), summary(error.said)
        if not found:
            raise
    return {
        "seconds": round(measured.seconds, 1), "cpu_seconds": round(measured.cpu_seconds, 1),
        "peak_mib": round(measured.peak_mib), **found,
    }  # fmt: skip


def summary(said: str) -> dict[str, int]:
    """The figures of the summary line, 0 for what a probe was not asked for; empty where there is no summary."""
    line = next((line for line in said.splitlines() if _FIGURES["days"].search(line)), None)
    if line is None:
        return {}
    found = {name: pattern.search(line) for name, pattern in _FIGURES.items()}
    return {name: 0 if match is None else int(match[1].replace(",", "")) for name, match in found.items()}


def told(audit: dict[str, Any]) -> str:
    """One line of figures."""
    return (
        f"{audit['cpu_seconds']} s of CPU, {audit['seconds']} s, {audit['peak_mib']} MiB; {audit['values']:,} values, "
        f"{audit['mismatches']} mismatches; {audit['rows']:,} rows rebuilt, {audit['changes']} changes"
    )


def run_daeda(directory: Path, *words: str) -> Measured:
    """A command of daeda over the project."""
    runtime = directory / "config/training/runtime.yaml"
    command = [sys.executable, "-m", "daeda", *words, "--runtime-config-path", str(runtime)]
    return run_measured(command, directory=ROOT)


if __name__ == "__main__":
    raise SystemExit(main())

"""All golden cases, with every rolling engine, as one Beam job per runner: made once for all tests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cases.case import engines, golden_cases

REPOSITORY = Path(__file__).parents[2]
# All cases on a machine that is busy with others; pytest ends a test that hangs for a minute more.
_SECONDS = 840.0


@dataclass(frozen=True)
class Entry:
    """One project in a job, and what flags would override."""

    name: str
    runtime: Path
    service: str
    settings: dict[str, Any] = field(default_factory=dict)


def golden_entries(root: Path) -> list[Entry]:
    """Every golden case, once for each engine, its data written below `root`."""
    entries = []
    for case in golden_cases():
        runtime = case.make(root / case.name)
        entries += [
            Entry(f"{case.name}_{engine}", runtime, case.service, {"compute": {"engine": engine}})
            for engine in engines()
        ]
    return entries


def run_job(entries: Sequence[Entry], root: Path, flags: Sequence[str]) -> None:
    """Build every entry below `root`, in a directory of its name, as one job with these flags of Beam."""
    root.mkdir(parents=True, exist_ok=True)
    listed = [
        {"runtime": str(one.runtime), "settings": {**one.settings, "output_root": str(root / one.name)}}
        for one in entries
    ]
    (root / "cases.json").write_text(json.dumps(listed))
    words = [sys.executable, "-m", "tests.beam_pipeline.runners.all_cases", root / "cases.json", *flags]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert done.returncode == 0, done.stderr

"""The benches run, at a size where their figures mean nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import needs_shared

ROOT = Path(__file__).parents[2]


@needs_shared
def test_rolling_answers_like_the_hand_written_scripts(tmp_path: Path) -> None:
    result = tmp_path / "rolling.json"
    words = [sys.executable, "-m", "bench.rolling", "--rows-per-day", "2000", "--rounds", "1", "--ways", "numpy,asof"]
    done = subprocess.run(
        [*words, "--result", str(result)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(result.read_text())
    assert report["equal"] is True
    assert {job: sorted(systems) for job, systems in report["jobs"].items()} == {
        job: ["asof", "daeda", "numpy"] for job in ("list32", "dist32", "agg")
    }

"""A day larger than its memory, in small: `python -m bench.spill` shows it with 1 GiB for a day that needs 6."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import spill

LIMIT_MIB = 120


@pytest.mark.long
def test_a_day_larger_than_its_memory_is_spilled_and_gives_the_same_bytes(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    words = ["--rows", "900000", "--limit", f"{LIMIT_MIB}MiB", "--room", "3GiB", "--threads", "1"]
    assert spill.main([*words, "--result", str(result)]) == 0
    found = json.loads(result.read_text())
    assert found["equal_bytes"] is True
    assert found["needed_mib"] > 4 * LIMIT_MIB
    # Above it the governor would have ended the run.
    assert found["tight"]["peak_mib"] < LIMIT_MIB + (spill.BESIDE_BYTES >> 20)
    assert found["tight"]["peak_mib"] < found["needed_mib"]

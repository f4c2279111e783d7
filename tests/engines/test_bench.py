"""The bench of engines runs, at a size where its figures mean nothing, and compares their bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.command import main


@pytest.mark.cases
def test_the_bench_of_engines_runs(flink_jars: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    assert main(["scaling", "--tiny", "--cache", str(tmp_path), "--result", str(result)]) == 0
    report = json.loads(result.read_text())
    assert report["equal"] is True
    assert {"daeda", "daeda_direct_2", "daeda_flink_loopback_2", "daeda_flink_external_2"} == set(report["systems"])
    assert {"flink_loopback_2/direct", "flink_external_2/direct"} <= set(report["figures"])
    assert report["figures"]["bytes of a row of the skeleton"] > 0

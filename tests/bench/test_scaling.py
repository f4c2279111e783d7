"""The bench of engines where none can be had, at a size where its figures mean nothing: `tests/engines/test_bench.py`
has it with them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Never

import pytest

from bench.command import main
from bench.cost_model import engines
from tests.engines import cache

REASON = "not on the PATH: java"


def _not_to_be_had() -> Never:
    raise cache.NotToBeHad(REASON)


@pytest.mark.cases
def test_what_cannot_be_had_is_left_out_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for fetch in ("flink_jars", "prism"):
        monkeypatch.setattr(cache, fetch, _not_to_be_had)
    result = tmp_path / "result.json"
    assert main(["scaling", "--tiny", "--cache", str(tmp_path), "--result", str(result)]) == 0
    report = json.loads(result.read_text())
    assert report["equal"] is True
    assert list(report["systems"]) == ["daeda", "daeda_direct_2"]
    assert report["skipped"] == {"daeda_flink": REASON, "daeda_prism": REASON}
    assert set(report["figures"]) == {
        "direct: speed-up of 2 over 1", "bytes of an event in Parquet", "bytes of an event in Arrow",
        "bytes of a row of the skeleton",
    }  # fmt: skip
    rows = [line.split(" | ")[:2] for line in engines(report).splitlines() if line.startswith("| direct")]
    assert rows == [["| direct", "1"], ["| direct", "2"]]
    assert f"- daeda_prism was skipped: {REASON}." in engines(report).splitlines()

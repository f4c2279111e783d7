"""The longer run against the oracle: at a small size, resumed, and with an engine that is wrong on purpose."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

from beam_pipeline.windows.numpy_engine import column
from bench import exactness, exactness_days
from bench.exactness import COLUMNS, ENGINES, RESULT, SUBJECTS, main
from bench.exactness_days import compared_days
from bench.exactness_rules import RULES


@pytest.fixture
def result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Slices of 60 rows, of a run that has not begun."""
    monkeypatch.setattr(exactness, "SLICE_ROWS", 60)
    # Whole days take a second each: they have a test below.
    monkeypatch.setattr(exactness, "RULES", tuple(rule for rule in RULES if rule not in ("sample", "default")))
    monkeypatch.setattr(exactness, "SUBJECTS", (*COLUMNS, *exactness.RULES))
    return tmp_path / "exactness.json"


def run(result: Path, rows: int, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["exactness", "--rows", str(rows), "--seed", "3", "--result", str(result)])
    return main()


@pytest.mark.cases
def test_it_goes_on_behind_an_earlier_run(
    result: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(result, 60, monkeypatch) == 0
    first = json.loads(result.read_text(encoding="utf-8"))
    assert run(result, 120, monkeypatch) == 0
    second = json.loads(result.read_text(encoding="utf-8"))
    assert (first["rows"], second["rows"]) == (60, 120)
    assert second["slices"][0] == first["slices"][0]
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"120 rows of each of {len(COLUMNS)} kinds and {len(RULES) - 2} rules, and of each of 2 engines: 0 mismatches"
    )


def test_an_engine_that_is_wrong_is_found(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = column.newest
    monkeypatch.setattr(column, "newest", lambda window, most: right(window, max(most - 1, 0)))
    assert run(result, 60, monkeypatch) == 1
    kinds = json.loads(result.read_text(encoding="utf-8"))["kinds"]
    assert kinds["list"]["duckdb"]["mismatches"] > 0
    assert kinds["list"]["polars"]["mismatches"] == 0


@pytest.mark.parametrize("rule", ["sample", "default"])
def test_a_day_that_differs_is_found(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compared_days(random.Random(4), 90, rule, ["duckdb"])["duckdb"]["mismatches"] == 0
    monkeypatch.setattr(exactness_days, "sample", lambda rows, share, by, seed, where: [(row, 1.0) for row in rows])
    monkeypatch.setattr(exactness_days, "shown", lambda columns, name, row: row.get(name))
    assert compared_days(random.Random(4), 90, rule, ["polars"])["polars"]["mismatches"] > 20


def test_the_recorded_run_found_no_mismatch() -> None:
    """What the documentation quotes, of every kind and both engines."""
    recorded = json.loads(RESULT.read_text(encoding="utf-8"))
    rows = sum(one["rows"] for one in recorded["slices"])
    assert (recorded["rows"], recorded["mismatches"]) == (rows, 0)
    assert set(recorded["kinds"]) == set(SUBJECTS)
    for engines in recorded["kinds"].values():
        assert set(engines) == set(ENGINES)
        assert all(one["rows"] == rows >= 100_000 and one["mismatches"] == 0 for one in engines.values())

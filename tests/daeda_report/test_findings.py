"""A planted fault is what the report names first, and a training set without one has no findings."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from tests.daeda_report.conftest import write_report
from tests.daeda_report.published import FAULTS, FIRST, Training


def findings(root: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    write_report(root, "--json")
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)["findings"]
    return found


def test_a_check_that_failed_goes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Training(tmp_path, days=4, rows=40).publish()
    path = made.root / "output/ranking/enriched/dt=2024-01-03/_manifest.json"
    written = json.loads(path.read_text(encoding="utf-8"))
    verdict = {"check": "price: null_share < 1%", "severity": "fail", "outcome": "failed", "found": "12% are NULL"}
    path.write_text(json.dumps(written | {"checks": [verdict]}), encoding="utf-8")
    first = findings(made.root, capsys)[0]
    assert (first["kind"], first["first_day"], first["days"]) == ("check", "2024-01-03", 1)
    assert first["told"] == "check 'price: null_share < 1%' failed on 2024-01-03: 12% are NULL"


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named_first(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    fault, kind, column, number = FAULTS[name]
    made = Training(tmp_path, days=18, rows=300, fault=fault).publish()
    first = findings(made.root, capsys)[0]
    assert (first["kind"], first["column"]) == (kind, column)
    assert first["first_day"] == str(FIRST + dt.timedelta(days=number))
    assert first["days"] == (1 if name == "doubled file" else 18 - number)


def test_nothing_stands_out_of_days_that_are_alike(training: Training, capsys: pytest.CaptureFixture[str]) -> None:
    assert [one["told"] for one in findings(training.root, capsys)] == ["1 day is not published: 2024-01-06"]

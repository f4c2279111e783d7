"""CPU time by operator: what is built, and how days and rounds are put together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench import operators
from bench.feed import LAST_DAY, write_feed
from bench.workloads.five_features import SMALL, TINY, five_features


def test_each_operator_of_a_day_has_its_time(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_feed(data, replace(SMALL, **TINY))
    runtime = five_features().write(tmp_path / "project", data, LAST_DAY, LAST_DAY)
    (took,) = operators.cpu_of_days(runtime, "duckdb").values()
    assert "sink" in took
    assert sum(name.startswith("rolling") for name in took) == 2
    assert all(seconds >= 0 for seconds in took.values())
    assert sum(took.values()) > 0


def test_rounds_and_days_are_put_together_by_operator() -> None:
    days = [{"scan": 1.0, "sink": 4.0}, {"scan": 3.0, "sink": 2.0}]
    assert operators.least(days) == {"scan": 1.0, "sink": 2.0}
    assert operators.mean(days) == {"scan": 2.0, "sink": 3.0}

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from daeda.dataset.layout import Layout
from daeda.statistics.drift import Drift, drift_of, merged
from daeda.statistics.model import Summary
from daeda.statistics.of_day import statistics_of_day
from tests.daeda.statistics.oracle import DAY, publish


def _summary(tmp_path: Path, values: list[Any], kind: pa.DataType | None = None) -> Summary:
    layout = Layout(tmp_path / f"day-{len(list(tmp_path.iterdir()))}")
    publish(layout, pa.table({"x": pa.array(values, kind)}))
    return statistics_of_day(layout.day_dir("skeleton", DAY)).columns[0].summary


def _drift(tmp_path: Path, before: list[Any], after: list[Any], kind: pa.DataType | None = None) -> Drift:
    drift = drift_of(_summary(tmp_path, before, kind), _summary(tmp_path, after, kind))
    assert drift is not None
    assert sum(each.reference for each in drift.bins) == len(before)
    assert sum(each.count for each in drift.bins) == len(after)
    return drift


def _gauss(seed: int, mean: float, rows: int = 4_000) -> list[float]:
    generator = random.Random(seed)
    return [generator.gauss(mean, 1) for _ in range(rows)]


def test_the_same_distribution_has_no_drift_and_another_one_has(tmp_path: Path) -> None:
    same = _drift(tmp_path, _gauss(1, 10), _gauss(2, 10))
    moved = _drift(tmp_path, _gauss(1, 10), _gauss(2, 11))
    assert same.psi < 0.01
    assert 10 <= len(same.bins) <= 12
    # The index of two normal distributions one standard deviation apart is 1; bins see a little less.
    assert 0.7 < moved.psi < 1.1


def test_seconds_that_became_milliseconds(tmp_path: Path) -> None:
    seconds = [abs(value) for value in _gauss(1, 30)]
    assert _drift(tmp_path, seconds, [value * 1_000 for value in seconds]).psi > 5


@pytest.mark.parametrize(
    ("before", "after", "least"),
    [
        (["de", "fr", "it"] * 100, ["de", "fr", "fr"] * 100, 1.0),
        (["de", "fr"] * 100, ["de", "fr", "es"] * 100, 1.0),
        ([1.0, 2.0] * 100, [None] * 200, 5.0),
        ([1.0, 2.0] * 100, [float("nan"), float("inf")] * 100, 5.0),
        ([True, False] * 100, [True] * 200, 1.0),
        ([[1], [1, 2]] * 100, [[], []] * 100, 5.0),
    ],
)
def test_what_vanished_or_came(tmp_path: Path, before: list[Any], after: list[Any], least: float) -> None:
    kind = pa.array(before).type
    assert _drift(tmp_path, before, before, kind).psi < 1e-9
    assert _drift(tmp_path, before, after, kind).psi > least


def test_long_texts_that_begin_alike_are_one_category(tmp_path: Path) -> None:
    """They are kept cut, so that they cannot be told from each other: a day that is the same has not drifted."""
    long = "x" * 250
    values = [f"{long}a"] * 100 + [f"{long}b"] * 60 + ["short"] * 40
    drift = _drift(tmp_path, values, values)
    assert drift.psi < 1e-9
    assert [each.count for each in drift.bins] == [160, 40]
    summary = _summary(tmp_path, values)
    both = merged([summary, summary])
    again = None if both is None else drift_of(both, summary)
    assert again is not None
    assert again.psi < 0.001


def test_names_are_no_categories(tmp_path: Path) -> None:
    names = [f"user {number}" for number in range(400)]
    drift = _drift(tmp_path, names, [*names[:200], *[None] * 200])
    assert [(each.label, each.reference, each.count) for each in drift.bins] == [
        ("values", 400, 200),
        ("NULL", 0, 200),
    ]


def test_other_types_and_empty_days_are_not_compared(tmp_path: Path) -> None:
    number, text = _summary(tmp_path, [1]), _summary(tmp_path, ["a"])
    empty = _summary(tmp_path, [], pa.int64())
    assert drift_of(number, text) is None
    assert drift_of(number, empty) is None
    assert drift_of(empty, number) is None

"""The examples of docs/loader.md run, one after another."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from daeda.dataset.layout import Layout
from tests.daeda_data.days import publish_by_hand

PAGE = Path(__file__).parents[3] / "docs/loader.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
DAYS, ROWS = 14, 30


def publish(root: Path) -> None:
    """Days of the columns that the page names."""
    table = pa.table(
        {
            "price": pa.array([None if row == 4 else row / 2 for row in range(ROWS)], pa.float64()),
            "recent": pa.array([[row] * (row % 33) for row in range(ROWS)], pa.list_(pa.int64())),
            "category": pa.array([f"c{row % 5}" for row in range(ROWS)]),
            "vector": pa.array([np.ones(4, np.float16) * row for row in range(ROWS)], pa.list_(pa.float16())),
        }
    )
    for number in range(DAYS):
        publish_by_hand(Layout(root / "ranking"), dt.date(2025, 1, 1 + number), [table])


def publish_demo(root: Path) -> None:
    """A day of the columns of the example that the page names."""
    table = pa.table(
        {
            "price": pa.array([1.5] * ROWS),
            "department": pa.array([f"d{row % 5}" for row in range(ROWS)]),
            "recent_products_28d": pa.array([list(range(row * 2)) for row in range(ROWS)], pa.list_(pa.int64())),
            "product_vector": pa.array([np.ones(4, np.float16)] * ROWS, pa.list_(pa.float16())),
            "bought_again_28d": pa.array([True] * ROWS),
        }
    )
    publish_by_hand(Layout(root / "household_ranking"), dt.date(2017, 1, 30), [table])


def test_every_block_does_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(tmp_path / "output")
    publish_demo(tmp_path / "examples/complete_journey/output")
    monkeypatch.chdir(tmp_path)
    steps: list[tuple[Any, ...]] = []
    names: dict[str, Any] = {"step": lambda *arrays: steps.append(arrays)}
    in_numpy, of_demo, in_torch = BLOCKS
    exec(compile(in_numpy, str(PAGE), "exec"), names)
    assert [len(arrays[0]) for arrays in steps] == [DAYS * ROWS] * 3
    assert (tmp_path / "words.parquet").exists()
    assert {arrays[1].shape for arrays in steps} == {(DAYS * ROWS, 32)}
    assert names["words"]["category"].size == 7
    steps.clear()
    exec(compile(of_demo, str(PAGE), "exec"), dict(names))
    told = of_demo.partition("# Batch(4096 rows; ")[2].rpartition(", …")[0].replace("4096", str(ROWS))
    assert told
    assert f"Batch({ROWS} rows; {told}" in capsys.readouterr().out
    try:
        import torch  # noqa: F401
    except ImportError:
        return
    # Workers of a DataLoader are processes, and pinning needs an accelerator: the marked tests have them.
    exec(compile(in_torch.replace("num_workers=2, pin_memory=True", "num_workers=0"), str(PAGE), "exec"), names)
    assert [len(arrays[0]) for arrays in steps] == [DAYS * ROWS] * 3
    assert list(names["states"]) == [0]


def test_the_page_names_the_size_of_a_window() -> None:
    from daeda_data.loader.settings import WINDOW_ROWS

    assert f"({WINDOW_ROWS:,})" in PAGE.read_text(encoding="utf-8")

"""What the docstring of `daeda.dataset` and docs/reading.md show is what comes out."""

from __future__ import annotations

import datetime as dt
import doctest
import re
from pathlib import Path
from typing import Any

import pytest

from daeda.dataset.layout import Layout
from daeda_data import opening
from daeda_data.training_data import TrainingData
from tests.daeda_data.days import publish_by_hand, publish_rows, rows_of

PAGE = Path(__file__).parents[2] / "docs/reading.md"


def test_the_docstring(tmp_path: Path) -> None:
    publish_rows(Layout(tmp_path / "ranking"), 3, parts=1)
    tried = doctest.testmod(opening, extraglobs={"root": str(tmp_path), "dt": dt})
    assert (tried.attempted, tried.failed) == (6, 0)


def test_the_first_lines_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(14):
        day = dt.date(2017, 1, 29) + dt.timedelta(days=number)
        table = rows_of(day, number, 1).rename_columns({"row": "household_id"})
        publish_by_hand(Layout(tmp_path / "examples/complete_journey/output/household_ranking"), day, [table])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(TrainingData, "huggingface", lambda self: None)
    block = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    names: dict[str, Any] = {}
    exec(block[1], names)
    assert names["data"].days[-1] == dt.date(2017, 2, 11)

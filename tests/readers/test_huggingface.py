"""HuggingFace `datasets` reads published days through daeda in order, and by itself as the page says."""

from __future__ import annotations

from typing import Any

import pytest

import daeda
from tests.readers.days import output, written

datasets = pytest.importorskip("datasets", reason="`make readers` has it in its environment")


@pytest.mark.parametrize(("service", "element"), [("halves", "float16"), ("floats", "float32")])
def test_days_that_train_has_published(service: str, element: str) -> None:
    data = daeda.dataset(output(service), "ranking", days=("2024-01-02", "2024-01-03"), verify=True)
    made = data.huggingface()
    assert made.features["item_vector"].feature.dtype == element
    assert list(made) == data.arrow().to_table().to_pylist()


def test_by_itself() -> None:
    root = output("halves")
    made: Any = eval(written("HuggingFace", root), {"load_dataset": datasets.load_dataset})
    data = daeda.dataset(root, "ranking", columns=["user_id", "item_id", "event_timestamp"])
    as_text = sorted(data.parts(), key=lambda part: part.path)
    assert "dt" not in made.features
    found = [(row["user_id"], row["event_timestamp"]) for row in made]
    expected = []
    for part in as_text:
        with part.open_parquet() as file:
            table = file.read(columns=["user_id", "event_timestamp"])
        expected += [tuple(row.values()) for row in table.to_pylist()]
    assert found == expected

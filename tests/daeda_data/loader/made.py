"""Published days for the loader: parts of many sizes, row groups of four rows; batches as rows of plain Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from daeda.dataset.layout import Layout
from daeda_data import dataset
from daeda_data.loader.batch import Batch
from daeda_data.training_data import TrainingData
from tests.daeda_data.days import day_of, publish_by_hand, rows_of

# Rows of the parts of each day.
SHAPES: Mapping[str, Sequence[Sequence[int]]] = {
    "one row": [[1]],
    "an empty day between": [[9, 2], [0], [5]],
    "small parts": [[1, 2, 3], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3], [4]],
    "large and small": [[30], [1], [17, 8, 0, 3]],
    "no row": [[0], [0]],
}
Key = tuple[str, int]


def publish(root: Path, shape: Sequence[Sequence[int]], **more: Any) -> TrainingData:
    """Publish days of a shape, and open them."""
    layout = Layout(root / "ranking")
    for number, sizes in enumerate(shape):
        day, first = day_of(number), 0
        parts = []
        for size in sizes:
            parts.append(rows_of(day, first, size))
            first += size
        publish_by_hand(layout, day, parts, **more)
    return dataset(root, "ranking")


def keys(data: TrainingData) -> list[Key]:
    """What tells the rows of days apart, in their order."""
    return [(str(day), row) for day in data.days for row in range(data.manifest(day).rows)]


def keys_of(batches: Iterable[Batch]) -> list[Key]:
    """The same of the rows of batches."""
    return [key for batch in batches for key in zip(batch.days.astype(str), batch["row"].tolist(), strict=True)]


def rows_of_batch(batch: Batch) -> Iterator[dict[str, Any]]:
    """The rows of a batch in plain Python: None where a mask says so, a list for a list, None for one that is NULL."""
    for row in range(batch.rows):
        found: dict[str, Any] = {"dt": batch.days[row].item()}
        for name, array in batch.arrays.items():
            found[name] = _value(batch, name, array, row)
        yield found


def _value(batch: Batch, name: str, array: np.ndarray[Any, Any], row: int) -> Any:
    column = name if name in batch.present else name.partition(".")[0]
    mask = batch.masks[name]
    if column not in batch.present:
        assert mask.shape == (batch.rows,)
        if array.ndim == 2:
            assert mask[row] or not array[row].any()
            return array[row].tolist() if mask[row] else None
        return _item(array[row], mask[row], alone=True)
    if column in batch.lengths:
        length = batch.lengths[column][row]
        assert array.shape == mask.shape
        assert not mask[row, length:].any()
        for item in array[row, length:]:
            assert _item(item, False) is None
        items, there = array[row, :length], mask[row, :length]
    else:
        first, last = batch.offsets[column][row : row + 2]
        items, there = array[first:last], mask[first:last]
    if not batch.present[column][row]:
        assert len(items) == 0
        return None
    return [_item(item, known) for item, known in zip(items, there, strict=True)]


def _item(item: Any, known: Any, *, alone: bool = False) -> Any:
    if known:
        value = item.item()
        return None if value != value else value
    empty = (
        np.isnan(item) if alone and item.dtype.kind == "f" else np.isnat(item) if item.dtype.kind == "M" else not item
    )
    assert empty, f"{item!r} where there is no value"
    return None


def expected_rows(table: pa.Table) -> dict[Key, dict[str, Any]]:
    """The rows of a table as `rows_of_batch` has them, fields of sequences by themselves."""
    return {(str(row["dt"]), row["row"]): _flat(row) for row in table.to_pylist()}


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if name == "visits":
            for field in ("item", "price"):
                flat[f"visits.{field}"] = None if value is None else [entry[field] for entry in value]
        else:
            flat[name] = float(value) if isinstance(value, Decimal) else value
    return flat

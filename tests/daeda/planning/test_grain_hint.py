"""Rows of the spine that share time and grain are counted whatever type their files have."""

from __future__ import annotations

import pyarrow as pa
import pytest

from daeda.planning.grain_hint import _sharing

TWICE = ["a", "b", "a", "c", "a"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_text_is_counted_however_it_is_stored(kind: pa.DataType) -> None:
    parts = [pa.table({"id": pa.array(values, pa.string()).cast(kind)}) for values in (TWICE[:2], TWICE[2:])]
    assert _sharing(pa.concat_tables(parts)) == 3


def test_numbers_days_and_null_are_counted() -> None:
    days = pa.array([1, 1, None, None, 2], pa.int32()).cast(pa.date32())
    assert _sharing(pa.table({"id": [1, 1, 2, 2, 3], "day": days})) == 4
    assert _sharing(pa.table({"id": [1, 2, 3, 4, 5], "day": days})) == 0


def test_what_arrow_does_not_compare_gives_no_hint() -> None:
    assert _sharing(pa.table({"id": [[1], [1]]})) == 0
    assert _sharing(pa.table({"id": []}, schema=pa.schema([("id", pa.int64())]))) == 0

"""The order of a day's parts, as it is checked before they are published."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_pipeline.sink import _check_order
from daeda.dtypes import DType
from daeda.errors import DayError
from daeda.operators.relation import Column, Relation
from daeda.sql.handle import Numbered


@pytest.mark.parametrize(
    ("parts", "wrong"),
    [
        ([[1, 1, 2, 2, 5], [5, 6]], None),
        ([[1, 3, 4, 2]], "part-0.parquet"),
        # Each of two row groups is in order.
        ([[1, 3, 2, 4, 5]], "part-0.parquet"),
        ([[1, 2, 3, 4], [3, 5]], "part-1.parquet"),
        ([[1, 2], [], [1]], "part-2.parquet"),
        ([[]], None),
    ],
)
def test_order_is_checked_over_row_groups_and_parts(tmp_path: Path, parts: list[list[int]], wrong: str | None) -> None:
    paths = [tmp_path / f"part-{number}.parquet" for number in range(len(parts))]
    for path, values in zip(paths, parts, strict=True):
        pq.write_table(pa.table({"at": pa.array(values, pa.int64())}), path, row_group_size=2)
    relation = Relation((Column("at", DType.parse("int64")),), ("at",))
    given = Numbered(relation, sum(map(len, parts)), (), {"at": '"at"'})
    if wrong is None:
        _check_order(given, paths)
        return
    with pytest.raises(DayError) as raised:
        _check_order(given, paths)
    assert str(raised.value) == f"{wrong} is not in the order of 'at'"

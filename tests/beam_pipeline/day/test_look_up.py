"""What a look-up by a search keeps of its right side (that it finds what the join finds: test_point_in_time_sql.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from beam_pipeline.day import look_up
from beam_pipeline.history.sorted_partitions import Rows
from daeda.sql.statements import TIME


@pytest.mark.parametrize(("first", "kept"), [(1, [1, 2, 3, 4]), (3, [2, 3, 4]), (9, [3, 4])])
def test_rows_that_no_probe_sees_are_dropped_and_all_others_are_not_copied(
    monkeypatch: pytest.MonkeyPatch, first: int, kept: list[int]
) -> None:
    """Of an entity with times 1, 2 and 4, and one with 3: what lies before all probes counts by its newest row."""
    monkeypatch.setattr(look_up, "known_name", lambda _: None)
    given = Rows({TIME: pa.chunked_array([[1, 2], [3, 4]])}, None, np.array([0, 0, 1, 0]), 32)
    operator: Any = None
    seen = look_up._ever_seen(operator, given, first)
    assert seen.columns[TIME].to_pylist() == kept
    assert len(seen.entity) == len(kept)
    assert (seen is given) == (len(kept) == 4)

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.store.id_index import MOST_IN_BUCKET, Buckets, IntegerIds

SIGNED = st.integers(-(2**63), 2**63 - 1)
NEAR = st.integers(-20, 60)


@given(st.lists(SIGNED | NEAR, min_size=1, unique=True), st.lists(SIGNED | NEAR))
def test_places_are_those_of_a_search(keys: list[int], more: list[int]) -> None:
    ordered = np.array(sorted(keys), np.int64)
    numbers = np.array([*keys, *more], np.int64)
    position = {key: i for i, key in enumerate(ordered.tolist())}
    wanted = [position.get(number, -1) for number in numbers.tolist()]
    buckets = Buckets.of(ordered)
    assert buckets is None or buckets.find(numbers).tolist() == wanted
    assert IntegerIds(ordered).find(pa.array(numbers)).tolist() == wanted


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(np.arange(1000) * 7 - 500, id="counted"),
        pytest.param(np.unique(np.random.default_rng(1).integers(-(2**63), 2**63 - 1, 5000)), id="hashed"),
        pytest.param(np.array([2**64 - 1 - i for i in range(300, 0, -3)], np.uint64), id="above int64"),
        pytest.param(np.array([-(2**63), 2**63 - 1]), id="as far apart as can be"),
    ],
)
def test_counted_and_hashed_keys_have_an_index(keys: Any) -> None:
    buckets = Buckets.of(keys)
    assert buckets is not None
    assert buckets.find(keys).tolist() == list(range(len(keys)))
    beside = np.setdiff1d(keys[1:] - keys.dtype.type(1), keys)
    assert set(buckets.find(beside).tolist()) <= {-1}


def test_keys_that_lie_unevenly_have_none() -> None:
    keys = np.append(np.arange(MOST_IN_BUCKET * 4), 2**62)
    assert Buckets.of(keys) is None
    assert IntegerIds(keys).find(pa.array([5, 6, 2**62, 2**61, None] * 50)).tolist() == [5, 6, 64, -1, -1] * 50

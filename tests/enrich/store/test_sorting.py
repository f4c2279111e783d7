"""Keys with their places, against numpy's stable argsort."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from enrich.store.id_index import IntegerIds, map_integers, sort_with_positions

Generator = np.random.Generator
KINDS: dict[str, Callable[[Generator, int, Any], Any]] = {
    "few values": lambda random, count, kind: random.integers(0, 20, count).astype(kind),
    "all 64 bits": lambda random, count, kind: random.integers(
        np.iinfo(kind).min, np.iinfo(kind).max, count, dtype=kind, endpoint=True
    ),
    "near the highest": lambda random, count, kind: kind(np.iinfo(kind).max - 6) + random.integers(0, 6, count, kind),
    "the ends": lambda random, count, kind: random.choice(
        np.array([np.iinfo(kind).min, np.iinfo(kind).min + 1, 5, np.iinfo(kind).max - 1, np.iinfo(kind).max], kind),
        count,
    ),
    # The bits that tell two keys apart are those that are cut off.
    "two clusters far apart": lambda random, count, kind: (
        random.integers(0, 4, count, np.uint64) + (random.integers(0, 2, count, np.uint64) << np.uint64(63))
    ).view(kind),
}


@pytest.mark.parametrize("kind", [np.int64, np.uint64])
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("count", [1, 2, 3, 50, 1000, 200_000])
def test_keys_and_places_are_those_of_a_stable_sort(name: str, kind: Any, count: int) -> None:
    keys = KINDS[name](np.random.default_rng(count), count, kind)
    order = np.argsort(keys, kind="stable")
    expected = keys[order]
    ordered, positions = sort_with_positions(keys.copy())
    assert ordered.dtype == kind
    assert positions.dtype == np.int32
    np.testing.assert_array_equal(ordered, expected)
    np.testing.assert_array_equal(positions, order)


@pytest.mark.parametrize("rows", [None, [3, 4, 8, 9, 20]])
def test_of_equal_ids_the_last_row_is_the_one(rows: list[int] | None) -> None:
    found = map_integers(np.array([7, -1, 7, 2**62, -1]), None if rows is None else np.array(rows))
    assert isinstance(found.ids, IntegerIds)
    assert found.ids.keys.tolist() == [-1, 7, 2**62]
    assert found.rows.tolist() == ([4, 2, 3] if rows is None else [20, 8, 9])


@pytest.mark.parametrize("rows", [None, [2, 4, 5]])
def test_ascending_ids_are_kept_as_they_are(rows: list[int] | None) -> None:
    keys = np.array([-5, 0, 9])
    found = map_integers(keys, None if rows is None else np.array(rows))
    assert found.ids.keys is keys
    assert found.rows.tolist() == (rows or [0, 1, 2])


def test_no_ids_make_an_empty_map() -> None:
    assert len(map_integers(np.empty(0, np.uint64), None)) == 0
    assert len(map_integers(np.empty(0, np.int64), np.empty(0, np.int64))) == 0

"""Rows are put in the order of entity and time: the same as by a stable sort, whatever came first."""

from __future__ import annotations

import numpy as np
import pytest

from beam_pipeline.history.ordering import cuts, in_order, sorted_numbers, tied_rows


@pytest.mark.parametrize("entities", [1, 3, 70_000, 1 << 33, 1 << 60])
@pytest.mark.parametrize("arrival", ["by time", "two files", "any"])
@pytest.mark.parametrize("span", [50, 1 << 40, (1 << 57) - 1, 1 << 62, (1 << 63) - 1])
def test_the_order_is_that_of_a_stable_sort(entities: int, arrival: str, span: int) -> None:
    generator = np.random.default_rng(entities)
    entity = generator.integers(0, entities, 500)
    # Whatever the span: many rows share their time, and many more nearly do.
    time = generator.choice(generator.integers(-span, span, 50), 500) + generator.integers(-1, 2, 500)
    if arrival == "by time":
        time.sort()
    elif arrival == "two files":
        time[:250].sort()
        time[250:].sort()
    order = in_order(entity, time)
    assert order.tolist() == np.lexsort((time, entity)).tolist()
    assert in_order(entity, None).tolist() == np.argsort(entity, kind="stable").tolist()
    assert sorted_numbers(entity).tolist() == entity[order].tolist()


def test_no_row_is_in_order() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert in_order(none, none).tolist() == []
    assert sorted_numbers(none).tolist() == []
    assert cuts(none, 5) == [0]


def test_rows_that_share_entity_and_time_are_tied() -> None:
    ties = tied_rows(np.array([0, 0, 0, 1, 1, 2, 2]), np.array([1, 2, 2, 2, 3, 3, 3]))
    assert ties.positions.tolist() == [1, 2, 5, 6]
    assert [len(set(ties.group[group])) for group in (slice(0, 2), slice(2, 4))] == [1, 1]
    assert ties.group[1] < ties.group[2]
    assert not len(tied_rows(np.array([0, 1]), np.array([1, 1])).positions)


@pytest.mark.parametrize("rows", [0, 1, 2, 300])
def test_groups_of_tied_rows_are_told_apart(rows: int) -> None:
    generator = np.random.default_rng(rows)
    entity, time = np.sort(generator.integers(0, 4, rows)), generator.integers(0, 40, rows)
    time = time[np.lexsort((time, entity))]
    ties = tied_rows(entity, time)
    found: dict[int, list[int]] = {}
    for position, group in zip(ties.positions.tolist(), ties.group.tolist(), strict=True):
        found.setdefault(group, []).append(position)
    alike: dict[tuple[int, int], list[int]] = {}
    for position, pair in enumerate(zip(entity.tolist(), time.tolist(), strict=True)):
        alike.setdefault(pair, []).append(position)
    assert list(found.values()) == [positions for positions in alike.values() if len(positions) > 1]
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    ("rows", "expected"), [(1, [0, 2, 3, 6, 7]), (2, [0, 2, 3, 6, 7]), (4, [0, 3, 7]), (6, [0, 6, 7]), (7, [0, 7])]
)
def test_chunks_hold_whole_entities(rows: int, expected: list[int]) -> None:
    assert cuts(np.array([0, 0, 1, 2, 2, 2, 3]), rows) == expected

"""Which rows a worker has, and in which order: by whole numbers alone."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daeda_data.loader.order import (
    Order,
    RowGroup,
    Segment,
    permutation,
    permutation_of,
    rows_of_worker,
    share,
    windows,
)
from tests.budget import examples
from tests.daeda_data.days import day_of

Row = tuple[int, int, int]
SIZES = st.lists(st.lists(st.integers(1, 9), max_size=5), max_size=4)


def groups_of(sizes: list[list[int]]) -> list[RowGroup]:
    return [RowGroup(day, number, rows, day_of(day)) for day, groups in enumerate(sizes)
            for number, rows in enumerate(groups)]  # fmt: skip


def rows_in(segments: list[Segment]) -> list[Row]:
    return [(one.group.part, one.group.number, row) for one in segments for row in range(one.first, one.last)]


def rows_given(groups: list[RowGroup], order: Order, given_before: int = 0) -> list[Row]:
    found = []
    for window, begin in windows(rows_of_worker(groups, order), order, given_before):
        rows = rows_in(list(window.segments))
        ordered = [rows[place] for place in permutation_of(window, order)] if window.shuffled else rows
        found += ordered[begin:]
    return found


@settings(max_examples=examples(600))
@given(SIZES, st.none() | st.integers(0, 5), st.integers(1, 7), st.integers(1, 40), st.integers(0, 3), st.data())
def test_workers_have_each_row_once_and_equally_many(
    sizes: list[list[int]], seed: int | None, workers: int, window: int, epoch: int, data: st.DataObject
) -> None:
    groups = groups_of(sizes)
    orders = [Order(seed, window, epoch, worker, workers) for worker in range(workers)]
    shares = [rows_given(groups, order) for order in orders]
    everything = rows_in([Segment(group, 0, group.rows) for group in groups])
    assert sorted(itertools.chain(*shares)) == everything
    assert {len(rows) for rows in shares} <= {len(everything) // workers, len(everything) // workers + 1}
    if seed is None:
        assert all(rows == sorted(rows) for rows in shares)
        for day in range(len(sizes)):
            counts = [sum(row[0] == day for row in rows) for rows in shares]
            assert max(counts) - min(counts) <= 1, "workers go through the days side by side"
    order = data.draw(st.sampled_from(orders))
    given_before = data.draw(st.integers(0, len(shares[order.worker])))
    assert rows_given(groups, order, given_before) == shares[order.worker][given_before:]


def test_a_window_holds_no_more_rows_than_it_should() -> None:
    groups = groups_of([[7, 3, 9], [5]])
    order = Order(1, 4, 0, 0, 1)
    sizes = [window.rows for window, _ in windows(rows_of_worker(groups, order), order)]
    assert sizes == [4, 4, 4, 4, 4, 4]


def test_large_row_groups_are_read_one_by_one_where_nothing_is_shuffled() -> None:
    groups = groups_of([[60_000, 60_000, 200_000, 10, 20, 30]])
    order = Order(None, 100, 0, 0, 1)
    sizes = [window.rows for window, _ in windows(rows_of_worker(groups, order), order)]
    assert sizes == [60_000, 60_000, 200_000, 60]


def test_every_order_is_as_likely() -> None:
    counts = Counter(tuple(permutation(4, (seed,)).tolist()) for seed in range(6_000))
    assert len(counts) == 24
    # 250 are expected of each; five standard deviations.
    assert all(abs(count - 250) < 80 for count in counts.values()), counts


def test_the_order_is_the_same_on_every_machine() -> None:
    assert permutation(8, (1, 2, 3)).tolist() == [1, 3, 7, 5, 2, 0, 4, 6]
    assert permutation(1, (5,)).tolist() == [0]
    assert permutation(0, (5,)).tolist() == []
    large = permutation(300_000, (9,))
    assert np.array_equal(np.sort(large), np.arange(300_000))
    # The mean distance of neighbours in a random order is a third of its length.
    assert abs(np.abs(np.diff(large)).mean() / 100_000 - 1) < 0.01


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    groups = groups_of([[5, 5, 5, 5], [5, 5, 5, 5]])
    orders = {
        tuple(rows_given(groups, Order(seed, 8, epoch, 0, 1))) for seed, epoch in itertools.product(range(3), range(3))
    }
    assert len(orders) == 9


@pytest.mark.parametrize("rows", [0, 1, 7, 10**9 + 7])
def test_shares_lie_behind_each_other(rows: int) -> None:
    ends = [share(rows, worker, 3) for worker in range(3)]
    assert ends[0][0] == 0
    assert ends[-1][1] == rows
    assert all(one[1] == two[0] for one, two in itertools.pairwise(ends))


def test_more_rows_than_random_numbers_tell_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="more than can be shuffled together"):
        permutation((1 << 32) + 1, (0,))

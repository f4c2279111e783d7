"""Rows in the order of entity and time, without a comparison: time is mostly in order already, entities are numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from beam_pipeline.windows.contract import Int64s

# numpy sorts numbers of so many bits by counting them; wider ones by merging.
_DIGIT_BITS = 16
_DIGIT_MASK = (1 << _DIGIT_BITS) - 1


@dataclass(frozen=True)
class TiedRows:
    """Rows that share entity and time with another one: their `positions` in the order, and the `group` of each."""

    positions: Int64s
    group: Int64s


def in_order(entity: Int64s, time: Int64s | None) -> Int64s:
    """The rows by (entity, time), those alike in both as they come; entities are numbers from 0.

    Without `time` the rows are in the order of time already.

    >>> in_order(np.array([1, 0, 1]), np.array([5, 9, 4])).tolist()
    [1, 2, 0]
    """
    # By merging runs: a history is read from files that lie in the order of time.
    order: Int64s | None = None if time is None or ascends(time) else np.argsort(time, kind="stable")
    digits = 0
    while order is None or int(entity.max(initial=0)) >> (_DIGIT_BITS * digits):
        digit = ((entity >> (_DIGIT_BITS * digits)) & _DIGIT_MASK).astype(np.uint16)
        digit = digit if order is None else digit[order]
        by_digit = np.argsort(digit, kind="stable")
        order = by_digit if order is None else order[by_digit]
        digits += 1
    return order.astype(np.int64, copy=False)


def ascends(values: Int64s) -> bool:
    """Whether none is less than the one before it."""
    return not bool((values[1:] < values[:-1]).any())


def sorted_numbers(values: Int64s) -> Int64s:
    """Numbers from 0 in their order, by counting them where they are dense."""
    if int(values.max(initial=0)) > len(values):
        return np.sort(values)
    counts = np.bincount(values)
    return np.repeat(np.arange(len(counts), dtype=np.int64), counts)


def tied_rows(entity: Int64s, time: Int64s) -> TiedRows:
    """The rows that are tied, of columns in order."""
    alike = (entity[1:] == entity[:-1]) & (time[1:] == time[:-1])
    if not alike.any():
        none = np.zeros(0, dtype=np.int64)
        return TiedRows(none, none)
    tied = np.zeros(len(entity), dtype=np.bool_)
    tied[1:] |= alike
    tied[:-1] |= alike
    group = np.cumsum(~np.concatenate([[False], alike]), dtype=np.int64)
    return TiedRows(np.flatnonzero(tied), group[tied])


def cuts(entity: Int64s, rows: int) -> list[int]:
    """Where to cut non-decreasing `entity` into chunks of whole entities, of about `rows` rows: 0 and the end, too.

    >>> cuts(np.array([0, 0, 1, 2, 2, 2]), 2)
    [0, 2, 3, 6]
    """
    cuts = [0]
    while cuts[-1] < len(entity):
        last = cuts[-1] + max(rows, 1)
        if last >= len(entity):
            cut = len(entity)
        else:
            cut = int(np.searchsorted(entity, entity[last], side="left"))
            if cut <= cuts[-1]:
                cut = int(np.searchsorted(entity, entity[last], side="right"))
        cuts.append(cut)
    return cuts

"""Rows in the order of entity and time: time is mostly in order already, entities are numbers from 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from beam_pipeline.windows.contract import Int64s

# numpy sorts numbers of so many bits by counting them; wider ones by merging.
_DIGIT_BITS = 16
_DIGIT_MASK = (1 << _DIGIT_BITS) - 1
# Of an int64, without its sign.
_NUMBER_BITS = 63
# Places are put beside numbers so many at a time, which stay in the cache.
_AT_ONCE = 1 << 16


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
    greatest = int(entity.max(initial=0))
    place_bits = len(entity).bit_length()
    if greatest >> _DIGIT_BITS and greatest.bit_length() + place_bits <= _NUMBER_BITS:
        by_entity = _with_places(entity if order is None else entity[order], place_bits)
        return by_entity if order is None else order[by_entity]
    digits = 0
    while order is None or greatest >> (_DIGIT_BITS * digits):
        digit = ((entity >> (_DIGIT_BITS * digits)) & _DIGIT_MASK).astype(np.uint16)
        digit = digit if order is None else digit[order]
        by_digit = np.argsort(digit, kind="stable")
        order = by_digit if order is None else order[by_digit]
        digits += 1
    return order.astype(np.int64, copy=False)


def _with_places(numbers: Int64s, place_bits: int) -> Int64s:
    """The places of these numbers, which are not negative, in their order, those alike as they come.

    Sorted are numbers of a value and a place each: no two are alike, so any sort keeps the order of places, and numpy
    has one by vector instructions. To count digits of many values waits for memory several times as long.
    """
    placed = numbers << place_bits
    for first in range(0, len(placed), _AT_ONCE):
        some = placed[first : first + _AT_ONCE]
        some |= np.arange(first, first + len(some))
    placed.sort()
    placed &= (1 << place_bits) - 1
    return placed


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
    alike = np.zeros(len(entity) + 1, dtype=np.bool_)
    np.equal(entity[1:], entity[:-1], out=alike[1:-1])
    alike[1:-1] &= time[1:] == time[:-1]
    positions = np.flatnonzero(alike[1:] | alike[:-1])
    return TiedRows(positions, np.cumsum(~alike[positions], dtype=np.int64))


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

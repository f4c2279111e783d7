"""List aggregates: which rows of a window a list keeps, and the Arrow lists of their values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beam_pipeline.windows.numpy_engine.bounds import Bounds, Int64s
from daeda.errors import DayError

# Offsets of an Arrow list are int32.
MOST_VALUES = 2**31 - 1


@dataclass(frozen=True)
class Picked:
    """Rows picked for each distinct probe, in a list's order: `lengths[i]` of the flat `rows` belong to probe i."""

    rows: Int64s
    lengths: Int64s


# Some probes, the position of a row in the list of each, and the row.
Entries = tuple[Int64s, Int64s, Int64s]


def picked(entries: list[Entries], lengths: Int64s) -> Picked:
    """Put rows together that were found in any order; `lengths` has how many each probe has in all.

    Raises:
        DayError: more than 2^31 - 1 rows in all.
    """
    check_size(lengths)
    begin = np.cumsum(lengths) - lengths
    rows = np.empty(int(lengths.sum()), dtype=np.int64)
    for owner, position, row in entries:
        rows[begin[owner] + position] = row
    return Picked(rows, lengths)


def runs_down(last: Int64s, lengths: Int64s) -> Int64s:
    """The concatenation of `last[i], last[i] - 1, ...`, `lengths[i]` numbers each.

    >>> runs_down(np.array([5, 9]), np.array([2, 3]))
    array([5, 4, 9, 8, 7])
    """
    ends = np.cumsum(lengths)
    run = np.repeat(last + (ends - lengths), lengths)
    run -= np.arange(len(run), dtype=np.int64)
    return run


def runs_up(first: Int64s, lengths: Int64s) -> Int64s:
    """The concatenation of `first[i], first[i] + 1, ...`, `lengths[i]` numbers each."""
    ends = np.cumsum(lengths)
    run = np.repeat(first - (ends - lengths), lengths)
    run += np.arange(len(run), dtype=np.int64)
    return run


def blocks_of(probes: Int64s, pairs: Int64s, budget: int) -> list[Int64s]:
    """Cut the probes so that each block expands about `budget` pairs, `pairs[i]` of probe i, or is a single probe."""
    cuts = np.flatnonzero(np.diff(np.cumsum(pairs) // budget)) + 1
    return np.split(probes, cuts) if len(probes) else []


def newest(window: Bounds, max_length: int) -> Picked:
    """The newest `max_length` rows of each window, newest first."""
    lengths = _kept(window, max_length)
    return Picked(runs_down(window.hi - 1, lengths), lengths)


def oldest(window: Bounds, max_length: int) -> Picked:
    """The oldest `max_length` rows of each window, oldest first."""
    lengths = _kept(window, max_length)
    return Picked(runs_up(window.lo, lengths), lengths)


def _kept(window: Bounds, max_length: int) -> Int64s:
    """How many rows of each window a list keeps; `max_length` may be more than int64 holds."""
    of_window = window.hi - window.lo
    lengths: Int64s = np.minimum(of_window, min(max_length, int(of_window.max(initial=0))))
    check_size(lengths)
    return lengths


def check_size(lengths: Int64s) -> None:
    """Raise DayError if lists of these lengths do not fit one Arrow array."""
    total = int(lengths.sum())
    if total > MOST_VALUES:
        raise DayError(
            f"the lists of one chunk hold {total} values and Arrow takes {MOST_VALUES}: "
            "lower 'max_length' or rolling_chunk_rows"
        )


def gather(values: pa.Array, picked: Picked, as_picked: bool) -> pa.Array:
    """Lists of the picked values, one per distinct probe, never NULL.

    Args:
        values: the column without NULLs that `picked.rows` points into.
        picked: rows of each distinct probe.
        as_picked: otherwise each finished list is turned around.

    Raises:
        DayError: the values do not fit Arrow's int32 offsets.
    """
    rows, lengths = picked.rows, picked.lengths
    if not as_picked:
        rows = rows[runs_down(np.cumsum(lengths) - 1, lengths)]
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), take(values, pa.array(rows)))


def spread(values: pa.Array, indices: Int64s) -> pa.Array:
    """`values` at `indices`, which may repeat; raises DayError if lists or text outgrow int32 offsets."""
    if pa.types.is_list(values.type):
        lengths = pc.list_value_length(values).fill_null(0).to_numpy(zero_copy_only=False)
        check_size(lengths[indices].astype(np.int64))
    return take(values, pa.array(indices))


def joined(arrays: list[pa.Array]) -> pa.Array:
    """The arrays one after another; raises DayError if lists or text outgrow int32 offsets."""
    try:
        return pa.concat_arrays(arrays)
    except (pa.ArrowInvalid, pa.ArrowCapacityError) as error:
        raise _too_large(error) from error


def elements_of(lists: pa.Array) -> tuple[pa.Array, Int64s]:
    """The elements of lists without NULL lists, each list turned around, and how many stand before each list.

    In a list the first element is the newest, and rows run from old to new.

    >>> elements_of(pa.array([[1, 2], [], [3]]))[0].to_pylist(), elements_of(pa.array([[1, 2], [], [3]]))[1].tolist()
    ([2, 1, 3], [0, 2, 2, 3])
    """
    offsets = lists.offsets.to_numpy().astype(np.int64)
    rows = runs_down(offsets[1:] - 1, np.diff(offsets))
    return take(lists.values, pa.array(rows)), offsets - offsets[0]


def take(values: pa.Array, rows: pa.Array) -> pa.Array:
    """`values` at `rows`, NULL where the row is NULL; raises DayError if text or lists outgrow int32 offsets."""
    try:
        return pc.take(values, rows, boundscheck=False)
    except (pa.ArrowInvalid, pa.ArrowCapacityError) as error:
        raise _too_large(error) from error


def _too_large(error: Exception) -> DayError:
    return DayError(f"the result of one chunk is too large for Arrow ({error}): lower rolling_chunk_rows")

"""The kernels: rows of a matrix of vectors, looked up or averaged, as a column of lists of float16 or float32.

A position is a row number of the matrix, or -1 for "the store has no vector". The result is a list and not a
fixed-size list, because pyarrow 25 cannot read a NULL of the latter back from Parquet.

    matrix [[1, 2], [3, 6]]     lookup  [1, -1]              -> [[3, 6], NULL]
                                average [[0, 1, -1], [], [0]] -> [[2, 4], NULL, [1, 2]]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from enrich.arrays import Halves, Positions, Singles
from enrich.part.llvm_kernel import Kernel, kernel, mean_lists

Normalize = Literal["none", "l2"]
# The type of the elements of a result, by its name in YAML.
Element = Literal["halffloat", "float"]

DTYPES: Mapping[Element, np.dtype[Any]] = {"halffloat": np.dtype(np.float16), "float": np.dtype(np.float32)}
# Accumulator of one block: it and the gathered vectors stay in a core's second-level cache.
BLOCK_BYTES = 512 * 1024
# Arrow's list offsets are int32.
MOST_ELEMENTS = 2**31 - 1

# float32 of each of the 65,536 float16 values, by its bits: reading a table of 256 KiB takes half the time of numpy's
# conversion, and is exact for subnormals, infinities and NaNs too.
# Some CPUs flag the conversion of a signalling NaN as invalid; it stays a NaN.
with np.errstate(invalid="ignore"):
    _WIDENED = np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32)


def lookup(positions: Positions, matrix: Halves, normalize: Normalize, element: Element = "halffloat") -> pa.ListArray:
    """The vector at each position, NULL at -1; as float it is widened exactly.

    `positions` has shape (rows,), `matrix` (vectors, dimension) and is C-contiguous. ValueError when the result has
    more elements than list offsets can count.
    """
    _check_size(len(positions), matrix)
    present = positions >= 0
    wanted = positions[present]
    result = np.empty((len(wanted), matrix.shape[1]), DTYPES[element])
    for block in _blocks(len(wanted), matrix.shape[1]):
        vectors = matrix[wanted[block]]
        if normalize == "l2":
            result[block] = _unit(vectors)
        else:
            result[block] = vectors if element == "halffloat" else _WIDENED[vectors.view(np.uint16)]
    return _as_lists(present, result)


def average(
    offsets: Positions, positions: Positions, matrix: Halves, normalize: Normalize, element: Element = "halffloat"
) -> pa.ListArray:
    """The mean of the vectors of each list of positions, NULL for a list with none but -1.

    List i is `positions[offsets[i]:offsets[i + 1]]`, so `offsets` has shape (rows + 1,). A position counts as often as
    it occurs. The sum is a float32 that starts at 0 and takes the vectors in list order; it is divided by the number of
    vectors, and cast to float16 last, unless it stays a float; the bytes are the same with the compiled kernel and
    without. ValueError when the
    result has more elements than list offsets can count.
    """
    _check_size(len(offsets) - 1, matrix)
    positions, offsets = positions[offsets[0] : offsets[-1]], offsets - offsets[0]
    in_store = positions >= 0
    before = np.concatenate(([0], np.cumsum(in_store)))[offsets]
    members = positions[in_store]
    counts = np.diff(before)
    present = counts > 0
    counts = counts[present]
    result = np.empty((len(counts), matrix.shape[1]), DTYPES[element])
    compiled = kernel()
    if compiled is not None and normalize == "none":
        mean_lists(compiled, counts, members, matrix, result)
        return _as_lists(present, result)
    starts = np.cumsum(counts) - counts
    for block in _blocks(len(counts), matrix.shape[1]):
        mean = _block_mean(compiled, starts[block], counts[block], members, matrix)
        # A NaN or an infinity in a vector belongs in the rows that hold it; the rounding to float16 may reach 0.
        with np.errstate(invalid="ignore", over="ignore", under="ignore"):
            result[block] = _unit(mean) if normalize == "l2" else mean
    return _as_lists(present, result)


def _block_mean(
    compiled: Kernel | None, starts: Positions, counts: Positions, members: Positions, matrix: Halves
) -> Singles:
    """The means of lists that all hold at least one vector; list i is `members[starts[i]:][:counts[i]]`."""
    if compiled is None:
        return _stepwise_mean(starts, counts, members, matrix)
    mean = np.empty((len(counts), matrix.shape[1]), np.float32)
    if len(counts):
        mean_lists(compiled, counts, members[starts[0] : starts[-1] + counts[-1]], matrix, mean)
    return mean


def _stepwise_mean(starts: Positions, counts: Positions, members: Positions, matrix: Halves) -> Singles:
    """See _block_mean; in numpy alone.

    The lists are ordered by length, longest first, so that those that still have a k-th member are a prefix: every step
    is one contiguous addition, and each list is summed in its own order.
    """
    order = np.argsort(-counts)
    starts, counts = starts[order], counts[order]
    bits = matrix.view(np.uint16)
    total = np.zeros((len(counts), matrix.shape[1]), np.float32)
    gathered = np.empty(total.shape, np.uint16)
    widened = np.empty_like(total)
    # inf - inf is a NaN of that row by intent.
    with np.errstate(invalid="ignore"):
        for k, active in enumerate(_longer_than(counts)):
            # mode="clip" lets take write to `out` without a copy; every position is valid.
            np.take(bits, members[starts[:active] + k], axis=0, out=gathered[:active], mode="clip")
            np.take(_WIDENED, gathered[:active], out=widened[:active], mode="clip")
            total[:active] += widened[:active]
        total /= counts[:, None].astype(np.float32)
    # Which NaN comes out of a sum depends on the order of its two operands, which compilers change.
    total[np.isnan(total)] = np.nan
    mean = np.empty_like(total)
    mean[order] = total
    return mean


def _longer_than(counts: Positions) -> list[int]:
    """For k = 0, 1, ... how many of the descending `counts` exceed k, while any does: [2, 1] gives [2, 1]."""
    steps = np.arange(counts[0] if len(counts) else 0)
    active: list[int] = np.searchsorted(-counts, -steps, side="left").tolist()
    return active


def _unit(vectors: Halves | Singles) -> npt.NDArray[np.float64]:
    """The vectors divided by their Euclidean norm in float64; a zero vector stays as it is."""
    wide: npt.NDArray[np.float64] = vectors.astype(np.float64)
    norm = np.sqrt(np.square(wide).sum(axis=1, keepdims=True))
    # inf / inf is a NaN of that row by intent.
    with np.errstate(invalid="ignore"):
        np.divide(wide, norm, out=wide, where=norm != 0)
    return wide


def _blocks(rows: int, dimension: int) -> list[slice]:
    """Row ranges whose float32 vectors take at most BLOCK_BYTES, at least one row each."""
    step = max(1, BLOCK_BYTES // (4 * max(1, dimension)))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def _check_size(rows: int, matrix: Halves) -> None:
    if rows * matrix.shape[1] > MOST_ELEMENTS:
        raise ValueError(f"{rows} rows of {matrix.shape[1]} elements exceed int32 list offsets; cut the batch smaller")


def _as_lists(present: npt.NDArray[np.bool_], vectors: Halves | Singles) -> pa.ListArray:
    """One list per row: the next of `vectors` where `present`, else NULL."""
    lengths = present * vectors.shape[1]
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    mask = None if present.all() else pa.array(~present)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(vectors.reshape(-1)), mask=mask)

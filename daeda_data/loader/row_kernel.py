"""Rows of a matrix from anywhere in memory, as machine code: one pass over a batch, whichever chunk has a row.

numpy takes rows from one array at a time, and clears what is behind the items of a list in another pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from daeda_data.loader.batch import Array
from daeda_data.loader.machine_code import ADDRESS, NUMBER, Code, compiled

Indices = npt.NDArray[np.int64]


@cache
def kernel() -> Code | None:
    """The code of this process; None where there cannot be any."""
    signature = (NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, *[ADDRESS] * 6)
    return compiled(_TEXT, {"rows": signature})


@dataclass(frozen=True)
class Sources:
    """The chunks that rows are taken from: what is in each of them, `unit` bytes large, how many, and where.

    `addresses` are those of `sizes` and `bases`.
    """

    chunks: tuple[Array, ...]
    kind: np.dtype[Any]
    unit: int
    sizes: Indices
    bases: Indices
    addresses: tuple[int, int]

    @staticmethod
    def of(chunks: Sequence[Array]) -> Sources:
        """Chunks of items, or of rows of one width."""
        first = chunks[0]
        assert all(chunk.flags.c_contiguous and chunk.dtype == first.dtype for chunk in chunks)
        assert all(chunk.shape[1:] == first.shape[1:] for chunk in chunks)
        sizes = np.array([len(chunk) for chunk in chunks], np.int64)
        bases = np.array([chunk.ctypes.data for chunk in chunks], np.int64)
        unit = first.itemsize * prod(first.shape[1:])
        return Sources(tuple(chunks), first.dtype, unit, sizes, bases, (sizes.ctypes.data, bases.ctypes.data))


def copy_rows(
    code: Code, sources: Sources, numbers: Indices | None, starts: Indices, counts: Indices, out: Array
) -> None:
    """Fill each row of a matrix with `counts` items of its chunk from `starts` on, and zeros behind them.

    `numbers` are the chunks of the rows; None: there is one. IndexError for items that a chunk does not have.
    """
    assert out.flags.c_contiguous
    assert out.dtype == sources.kind
    assert len(starts) == len(counts) == len(out)
    if not out.size:
        return
    own = np.zeros(len(out), np.int64) if numbers is None else numbers
    given = [np.ascontiguousarray(array, np.int64) for array in (own, starts, counts)]
    if code.functions["rows"](
        len(out), out.shape[1] * out.itemsize, sources.unit, len(sources.sizes),
        *[array.ctypes.data for array in given], *sources.addresses, out.ctypes.data,
    ):  # fmt: skip
        raise IndexError("a row has items that its chunk does not have")


# What is copied lies anywhere: its first lines of the cache are asked for 16 rows before their turn.
_TEXT = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)

define i64 @rows(i64 %count, i64 %width, i64 %unit, i64 %chunks, ptr noalias %numbers, ptr noalias %starts,
                 ptr noalias %counts, ptr noalias %sizes, ptr noalias %bases, ptr noalias %out) {
entry:
  %final = sub i64 %count, 1
  %none = icmp sle i64 %count, 0
  %most = udiv i64 %width, %unit
  %wide.1 = icmp sgt i64 %width, 64
  %wide.2 = icmp sgt i64 %width, 128
  %wide.3 = icmp sgt i64 %width, 192
  %line.1 = select i1 %wide.1, i64 64, i64 0
  %line.2 = select i1 %wide.2, i64 128, i64 0
  %line.3 = select i1 %wide.3, i64 192, i64 0
  br i1 %none, label %exit, label %row
row:
  %r = phi i64 [0, %entry], [%r.next, %copy]
  %later = add i64 %r, 16
  %is.over = icmp sgt i64 %later, %final
  %ahead = select i1 %is.over, i64 %final, i64 %later
  %ahead.number.at = getelementptr i64, ptr %numbers, i64 %ahead
  %ahead.given = load i64, ptr %ahead.number.at
  %ahead.is.known = icmp ult i64 %ahead.given, %chunks
  %ahead.number = select i1 %ahead.is.known, i64 %ahead.given, i64 0
  %ahead.base.at = getelementptr ptr, ptr %bases, i64 %ahead.number
  %ahead.base = load ptr, ptr %ahead.base.at
  %ahead.start.at = getelementptr i64, ptr %starts, i64 %ahead
  %ahead.start = load i64, ptr %ahead.start.at
  %ahead.bytes = mul i64 %ahead.start, %unit
  %ahead.0 = getelementptr i8, ptr %ahead.base, i64 %ahead.bytes
  %ahead.1 = getelementptr i8, ptr %ahead.0, i64 %line.1
  %ahead.2 = getelementptr i8, ptr %ahead.0, i64 %line.2
  %ahead.3 = getelementptr i8, ptr %ahead.0, i64 %line.3
  call void @llvm.prefetch.p0(ptr %ahead.0, i32 0, i32 3, i32 1)
  call void @llvm.prefetch.p0(ptr %ahead.1, i32 0, i32 3, i32 1)
  call void @llvm.prefetch.p0(ptr %ahead.2, i32 0, i32 3, i32 1)
  call void @llvm.prefetch.p0(ptr %ahead.3, i32 0, i32 3, i32 1)
  %number.at = getelementptr i64, ptr %numbers, i64 %r
  %given = load i64, ptr %number.at
  %is.known = icmp ult i64 %given, %chunks
  %number = select i1 %is.known, i64 %given, i64 0
  %base.at = getelementptr ptr, ptr %bases, i64 %number
  %base = load ptr, ptr %base.at
  %chunk.at = getelementptr i64, ptr %sizes, i64 %number
  %chunk = load i64, ptr %chunk.at
  %start.at = getelementptr i64, ptr %starts, i64 %r
  %start = load i64, ptr %start.at
  %items.at = getelementptr i64, ptr %counts, i64 %r
  %items = load i64, ptr %items.at
  %fits = icmp ule i64 %items, %most
  %room = sub i64 %chunk, %items
  %has.items = icmp sle i64 %items, %chunk
  %is.late = icmp ule i64 %start, %room
  %is.none = icmp eq i64 %items, 0
  %is.inside.more = and i1 %has.items, %is.late
  %is.inside = or i1 %is.inside.more, %is.none
  %is.one = and i1 %fits, %is.inside
  %is.good = and i1 %is.one, %is.known
  br i1 %is.good, label %copy, label %bad
copy:
  %begin = mul i64 %start, %unit
  %from = getelementptr i8, ptr %base, i64 %begin
  %size = mul i64 %items, %unit
  %place = mul i64 %r, %width
  %to = getelementptr i8, ptr %out, i64 %place
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %size, i1 false)
  %behind = getelementptr i8, ptr %to, i64 %size
  %rest = sub i64 %width, %size
  call void @llvm.memset.p0.i64(ptr %behind, i8 0, i64 %rest, i1 false)
  %r.next = add i64 %r, 1
  %left = icmp slt i64 %r.next, %count
  br i1 %left, label %row, label %exit
exit:
  ret i64 0
bad:
  ret i64 -1
}
"""

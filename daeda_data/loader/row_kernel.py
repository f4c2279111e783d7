"""Rows of a matrix from anywhere in memory, as machine code: one pass over a batch, whichever chunk has a row.

numpy takes rows from one array at a time, and clears what is behind the items of a list in another pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from daeda_data.loader.batch import Array
from daeda_data.loader.machine_code import ADDRESS, NUMBER, Code, compiled

Indices = npt.NDArray[np.int64]


@cache
def kernel() -> Code | None:
    """The code of this process; None where there cannot be any."""
    return compiled(_TEXT, {"rows": (NUMBER, NUMBER, NUMBER, ADDRESS, ADDRESS, ADDRESS)})


def copy_rows(
    code: Code, chunks: Sequence[Array], numbers: Array | None, starts: Indices, counts: Indices, out: Array
) -> None:
    """Fill each row of a matrix with `counts` items of its chunk from `starts` on, and zeros behind them.

    `numbers` are the chunks of the rows; None: there is one. IndexError for items that a chunk does not have.
    """
    sizes = np.array([len(chunk) for chunk in chunks])
    bases = np.array([chunk.ctypes.data for chunk in chunks], np.int64)
    assert all(chunk.ndim == 1 and chunk.flags.c_contiguous and chunk.dtype == out.dtype for chunk in chunks)
    assert out.flags.c_contiguous
    assert len(starts) == len(counts) == len(out)
    own_sizes, own_bases = (sizes[0], bases[0]) if numbers is None else (sizes.take(numbers), bases.take(numbers))
    if (starts < 0).any() or (counts < 0).any() or (counts > out.shape[1]).any() or (starts > own_sizes - counts).any():
        raise IndexError("a row has items that its chunk does not have")
    addresses = own_bases + starts * out.itemsize
    lengths = counts * out.itemsize
    code.functions["rows"](
        len(out), out.shape[1] * out.itemsize, addresses.ctypes.data, lengths.ctypes.data, out.ctypes.data
    )


# What is copied lies anywhere: its first lines of the cache are asked for eight rows before their turn.
_TEXT = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)

define i64 @rows(i64 %count, i64 %width, ptr noalias %addresses, ptr noalias %sizes, ptr noalias %out) {
entry:
  %final = sub i64 %count, 1
  %none = icmp sle i64 %count, 0
  %wide.1 = icmp sgt i64 %width, 64
  %wide.2 = icmp sgt i64 %width, 128
  %wide.3 = icmp sgt i64 %width, 192
  %line.1 = select i1 %wide.1, i64 64, i64 0
  %line.2 = select i1 %wide.2, i64 128, i64 0
  %line.3 = select i1 %wide.3, i64 192, i64 0
  br i1 %none, label %exit, label %row
row:
  %r = phi i64 [0, %entry], [%r.next, %row]
  %later = add i64 %r, 8
  %is.over = icmp sgt i64 %later, %final
  %ahead = select i1 %is.over, i64 %final, i64 %later
  %ahead.at = getelementptr ptr, ptr %addresses, i64 %ahead
  %ahead.0 = load ptr, ptr %ahead.at
  %ahead.1 = getelementptr i8, ptr %ahead.0, i64 %line.1
  %ahead.2 = getelementptr i8, ptr %ahead.0, i64 %line.2
  %ahead.3 = getelementptr i8, ptr %ahead.0, i64 %line.3
  call void @llvm.prefetch.p0(ptr %ahead.0, i32 0, i32 3, i32 1)
  call void @llvm.prefetch.p0(ptr %ahead.1, i32 0, i32 3, i32 1)
  call void @llvm.prefetch.p0(ptr %ahead.2, i32 0, i32 3, i32 1)
  call void @llvm.prefetch.p0(ptr %ahead.3, i32 0, i32 3, i32 1)
  %from.at = getelementptr ptr, ptr %addresses, i64 %r
  %from = load ptr, ptr %from.at
  %size.at = getelementptr i64, ptr %sizes, i64 %r
  %size = load i64, ptr %size.at
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
}
"""

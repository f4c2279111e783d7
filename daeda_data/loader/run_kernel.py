"""What numpy cannot read of a page of Parquet, as machine code: runs of levels, and of places in a dictionary.

Parquet keeps small numbers in runs, each behind a header: either one number that is repeated, or groups of eight
numbers of so many bits. A list column has a run for every row or two, too many for numpy; LLVM comes with llvmlite, and
the text below is in its language (docs/decisions/0013-kernel-in-llvm.md says why). The code is made in memory, once in
a process, in about a tenth of a second.

Nothing is trusted: a run that ends behind the bytes, has more numbers than are left, or a number that nothing has, ends
the work, and the answer is -1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from daeda_data.loader.machine_code import ADDRESS, NUMBER, Code, compiled

Bytes = npt.NDArray[np.uint8]

# Bytes behind those of the runs that are read, and numbers behind the last one that are written.
SLACK = 8
# Bits of the numbers that are places in a dictionary.
MOST_BITS = 32


@dataclass(frozen=True)
class Kernel:
    """The machine code."""

    code: Code

    def levels(self, runs: Bytes, size: int, bits: int, count: int, out: Bytes) -> bool:
        """Put `count` levels of 1 or 2 bits into `out`; False unless they are what the first `size` bytes hold.

        `runs` and `out` have room for SLACK more.
        """
        assert len(runs) >= size + SLACK
        assert len(out) >= count + SLACK
        found = self.code.functions[f"levels_{bits}"](
            runs.ctypes.data, size, bits, count, None, 1 << bits, out.ctypes.data
        )
        return found == size

    def values(self, runs: Bytes, size: int, bits: int, dictionary: npt.NDArray[Any], out: npt.NDArray[Any]) -> bool:
        """Fill `out` with values of a dictionary, whose places are the first `size` bytes; False unless they are.

        `runs` has room for SLACK more. Values have 2, 4 or 8 bytes.
        """
        assert len(runs) >= size + SLACK
        assert 0 <= bits <= MOST_BITS
        assert dictionary.dtype == out.dtype
        assert all(array.flags.c_contiguous for array in (runs, dictionary, out))
        if not len(dictionary):
            return not len(out)
        found = self.code.functions[f"values_{out.itemsize}"](
            runs.ctypes.data, size, bits, len(out), dictionary.ctypes.data, len(dictionary), out.ctypes.data
        )
        return found == size

    def lz4_size(self, block: Bytes) -> int:
        """How many bytes a block of LZ4 becomes, which its decoder does not say; -1 where it is none."""
        return self.code.functions["lz4_size"](block.ctypes.data, len(block))


@cache
def kernel() -> Kernel | None:
    """The kernel of this process; None where there cannot be any."""
    of_runs = (NUMBER, ADDRESS, NUMBER, NUMBER, NUMBER, ADDRESS, NUMBER, ADDRESS)
    signatures = {name: (NUMBER, ADDRESS, NUMBER) if name == "lz4_size" else of_runs for name in _FUNCTIONS}
    code = compiled(_DECLARATION + "".join(_FUNCTIONS.values()), signatures)
    return None if code is None else Kernel(code)


# A header is a varint: its lowest bit tells the kind of the run, the others how long it is. Groups behind the last
# number are padding, of which DuckDB writes several.
_FUNCTION = """
define i64 @{name}(ptr noalias %runs, i64 %size, i64 %bits, i64 %count, ptr noalias %known, i64 %most,
                   ptr noalias %out) {{
entry:
  %one.more = shl i64 1, %bits
  %mask = sub i64 %one.more, 1
  %rounded = add i64 %bits, 7
  %value.bytes = lshr i64 %rounded, 3
  %value.bits = shl i64 %value.bytes, 3
  %value.more = shl i64 1, %value.bits
  %value.mask = sub i64 %value.more, 1
  %none = icmp eq i64 %count, 0
  br i1 %none, label %nothing, label %run
nothing:
  ret i64 0
run:
  %at = phi i64 [0, %entry], [%same.end, %same.done], [%packed.end, %packed.done]
  %done = phi i64 [0, %entry], [%same.count, %same.done], [%packed.count, %packed.done]
  %over = icmp uge i64 %done, %count
  br i1 %over, label %good, label %header
header:
  %place = phi i64 [%at, %run], [%behind, %header.byte]
  %shift = phi i64 [0, %run], [%shift.next, %header.byte]
  %before = phi i64 [0, %run], [%head, %header.byte]
  %is.inside = icmp ult i64 %place, %size
  %is.short = icmp ult i64 %shift, 35
  %is.header = and i1 %is.inside, %is.short
  br i1 %is.header, label %header.byte, label %bad
header.byte:
  %byte.at = getelementptr i8, ptr %runs, i64 %place
  %byte = load i8, ptr %byte.at
  %wide = zext i8 %byte to i64
  %low = and i64 %wide, 127
  %moved = shl i64 %low, %shift
  %head = or i64 %before, %moved
  %behind = add i64 %place, 1
  %shift.next = add i64 %shift, 7
  %is.last = icmp ult i64 %wide, 128
  br i1 %is.last, label %kind, label %header
kind:
  %length = lshr i64 %head, 1
  %is.empty = icmp eq i64 %length, 0
  br i1 %is.empty, label %bad, label %choose
choose:
  %left = sub i64 %count, %done
  %room = sub i64 %size, %behind
  %data = getelementptr i8, ptr %runs, i64 %behind
  %is.packed = trunc i64 %head to i1
  br i1 %is.packed, label %packed, label %same
same:
  %same.fits = icmp ule i64 %length, %left
  %same.inside = icmp ule i64 %value.bytes, %room
  %number.four = load i32, ptr %data, align 1
  %number.wide = zext i32 %number.four to i64
  %number = and i64 %number.wide, %value.mask
  %same.known = icmp ult i64 %number, %most
  %same.first = and i1 %same.fits, %same.inside
  %same.good = and i1 %same.first, %same.known
  br i1 %same.good, label %same.fill, label %bad
same.fill:
{same}
same.done:
  %same.end = add i64 %behind, %value.bytes
  %same.count = add i64 %done, %length
  br label %run
packed:
  %numbers = shl i64 %length, 3
  %packed.bytes = mul i64 %length, %bits
  %packed.inside = icmp ule i64 %packed.bytes, %room
  %is.more = icmp ugt i64 %numbers, %left
  %take = select i1 %is.more, i64 %left, i64 %numbers
  %take.more = add i64 %take, 7
  %groups = lshr i64 %take.more, 3
  br i1 %packed.inside, label %packed.fill, label %bad
packed.fill:
{packed}
packed.done:
  %packed.end = add i64 %behind, %packed.bytes
  %packed.count = add i64 %done, %take
  br label %run
good:
  ret i64 %at
bad:
  ret i64 -1
}}
"""

_SAME_LEVELS = """
  %same.to = getelementptr i8, ptr %out, i64 %done
  %level = trunc i64 %number to i8
  call void @llvm.memset.p0.i64(ptr %same.to, i8 %level, i64 %length, i1 false)
  br label %same.done
"""

# Eight levels at a time: their bits are halved, and moved to where their bytes begin.
_PACKED_LEVELS = """
  br label %packed.group
packed.group:
  %group = phi i64 [0, %packed.fill], [%group.next, %packed.group]
  %group.first = shl i64 %group, 3
  %group.place = add i64 %done, %group.first
  %group.to = getelementptr i8, ptr %out, i64 %group.place
  %group.byte = mul i64 %group, {bits}
  %group.from = getelementptr i8, ptr %data, i64 %group.byte
  %group.small = load i{width}, ptr %group.from, align 1
  %spread.0 = zext i{width} %group.small to i64
{spread}
  store i64 %spread.3, ptr %group.to, align 1
  %group.next = add i64 %group, 1
  %group.left = icmp ult i64 %group.next, %groups
  br i1 %group.left, label %packed.group, label %packed.done
"""

_SPREAD = """
  %moved.{step} = shl i64 %spread.{step}, {by}
  %both.{step} = or i64 %spread.{step}, %moved.{step}
  %spread.{next} = and i64 %both.{step}, {mask}
"""

_SAME_VALUES = """
  %same.from = getelementptr {kind}, ptr %known, i64 %number
  %same.value = load {kind}, ptr %same.from, align 1
  br label %same.next
same.next:
  %s = phi i64 [0, %same.fill], [%s.next, %same.next]
  %same.place = add i64 %done, %s
  %same.to = getelementptr {kind}, ptr %out, i64 %same.place
  store {kind} %same.value, ptr %same.to, align 1
  %s.next = add i64 %s, 1
  %s.left = icmp ult i64 %s.next, %length
  br i1 %s.left, label %same.next, label %same.done
"""

# A place that the dictionary does not have is taken for the first one until the run is over.
_PACKED_VALUES = """
  br label %packed.next
packed.next:
  %p = phi i64 [0, %packed.fill], [%p.next, %packed.next]
  %unknown = phi i1 [false, %packed.fill], [%unknown.next, %packed.next]
  %bit = mul i64 %p, %bits
  %bit.byte = lshr i64 %bit, 3
  %bit.rest = and i64 %bit, 7
  %bit.from = getelementptr i8, ptr %data, i64 %bit.byte
  %bit.eight = load i64, ptr %bit.from, align 1
  %bit.moved = lshr i64 %bit.eight, %bit.rest
  %index = and i64 %bit.moved, %mask
  %is.unknown = icmp uge i64 %index, %most
  %unknown.next = or i1 %unknown, %is.unknown
  %safe = select i1 %is.unknown, i64 0, i64 %index
  %packed.from = getelementptr {kind}, ptr %known, i64 %safe
  %packed.value = load {kind}, ptr %packed.from, align 1
  %packed.place = add i64 %done, %p
  %packed.to = getelementptr {kind}, ptr %out, i64 %packed.place
  store {kind} %packed.value, ptr %packed.to, align 1
  %p.next = add i64 %p, 1
  %p.left = icmp ult i64 %p.next, %take
  br i1 %p.left, label %packed.next, label %packed.over
packed.over:
  br i1 %unknown.next, label %bad, label %packed.done
"""


def _levels(bits: int) -> str:
    """Levels of one or two bits, each into a byte."""
    steps = [
        (32 - 4 * bits, int("0000000F" * 2 if bits == 1 else "000000FF" * 2, 16)),
        (16 - 2 * bits, int("0003" * 4 if bits == 1 else "000F" * 4, 16)),
        (8 - bits, int("01" * 8 if bits == 1 else "03" * 8, 16)),
    ]
    spread = "".join(
        _SPREAD.format(step=step, next=step + 1, by=by, mask=mask) for step, (by, mask) in enumerate(steps)
    )
    packed = _PACKED_LEVELS.format(bits=bits, width=8 * bits, spread=spread)
    return _FUNCTION.format(name=f"levels_{bits}", same=_SAME_LEVELS, packed=packed)


def _values(size: int) -> str:
    """Values of so many bytes."""
    kind = f"i{8 * size}"
    same, packed = _SAME_VALUES.format(kind=kind), _PACKED_VALUES.format(kind=kind)
    return _FUNCTION.format(name=f"values_{size}", same=same, packed=packed)


# The length of literals or of a match, from four bits of the token on and, where those say 15, the bytes behind %start.
_LZ4_LENGTH = """
{name}.more:
  %{name}.place = phi i64 [%{name}.start, %{before}], [%{name}.next, %{name}.byte]
  %{name}.sum = phi i64 [15, %{before}], [%{name}.sum.next, %{name}.byte]
  %{name}.left = icmp ult i64 %{name}.place, %size
  br i1 %{name}.left, label %{name}.byte, label %bad
{name}.byte:
  %{name}.at = getelementptr i8, ptr %block, i64 %{name}.place
  %{name}.small = load i8, ptr %{name}.at
  %{name}.wide = zext i8 %{name}.small to i64
  %{name}.sum.next = add i64 %{name}.sum, %{name}.wide
  %{name}.next = add i64 %{name}.place, 1
  %{name}.goes.on = icmp eq i64 %{name}.wide, 255
  br i1 %{name}.goes.on, label %{name}.more, label %{name}.done
{name}.done:
  %{name}.length = phi i64 [%{name}.first, %{before}], [%{name}.sum.next, %{name}.byte]
  %{name}.behind = phi i64 [%{name}.start, %{before}], [%{name}.next, %{name}.byte]
"""
# A sequence is a token of two lengths, literals, and a match that is an offset of two bytes; the last one is literals.
# A length of 15 goes on in the bytes behind, up to the first one that is not 255.
_LZ4_SIZE = (
    """
define i64 @lz4_size(ptr noalias %block, i64 %size) {
entry:
  br label %sequence
sequence:
  %at = phi i64 [0, %entry], [%match.behind, %match.done]
  %made = phi i64 [0, %entry], [%made.match, %match.done]
  %is.inside = icmp ult i64 %at, %size
  br i1 %is.inside, label %token, label %bad
token:
  %token.at = getelementptr i8, ptr %block, i64 %at
  %token.byte = load i8, ptr %token.at
  %token.wide = zext i8 %token.byte to i64
  %literal.first = lshr i64 %token.wide, 4
  %match.first = and i64 %token.wide, 15
  %literal.start = add i64 %at, 1
  %literal.long = icmp eq i64 %literal.first, 15
  br i1 %literal.long, label %literal.more, label %literal.done
"""
    + _LZ4_LENGTH.format(name="literal", before="token")
    + """\
  %literal.end = add i64 %literal.behind, %literal.length
  %made.literal = add i64 %made, %literal.length
  %is.last = icmp eq i64 %literal.end, %size
  br i1 %is.last, label %good, label %match
match:
  %match.start = add i64 %literal.end, 2
  %match.inside = icmp ult i64 %match.start, %size
  br i1 %match.inside, label %match.kind, label %bad
match.kind:
  %match.long = icmp eq i64 %match.first, 15
  br i1 %match.long, label %match.more, label %match.done
"""
    + _LZ4_LENGTH.format(name="match", before="match.kind")
    + """\
  %match.all = add i64 %match.length, 4
  %made.match = add i64 %made.literal, %match.all
  br label %sequence
good:
  ret i64 %made.literal
bad:
  ret i64 -1
}
"""
)

_DECLARATION = """
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
"""

_FUNCTIONS = {
    "levels_1": _levels(1),
    "levels_2": _levels(2),
    **{f"values_{size}": _values(size) for size in (2, 4, 8)},
    "lz4_size": _LZ4_SIZE,
}

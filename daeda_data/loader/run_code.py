"""The functions of run_kernel.py in LLVM's language: what each does with the runs of a page is said there."""

from __future__ import annotations

from collections.abc import Mapping

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

# A row begins where the level of repetition is 0. At %known are: rows so far, room for rows, levels of pages before.
_SAME_STARTS = """
  %same.begins = icmp eq i64 %number, 0
  br i1 %same.begins, label %same.rows, label %same.done
same.rows:
  %same.row = load i64, ptr %known
  %same.room.at = getelementptr i64, ptr %known, i64 1
  %same.room = load i64, ptr %same.room.at
  %same.before.at = getelementptr i64, ptr %known, i64 2
  %same.before = load i64, ptr %same.before.at
  %same.origin = add i64 %same.before, %done
  %same.row.next = add i64 %same.row, %length
  %same.has.room = icmp ule i64 %same.row.next, %same.room
  br i1 %same.has.room, label %same.next, label %bad
same.next:
  %s = phi i64 [0, %same.rows], [%s.next, %same.next]
  %same.start = add i64 %same.origin, %s
  %same.narrow = trunc i64 %same.start to i32
  %same.place = add i64 %same.row, %s
  %same.to = getelementptr i32, ptr %out, i64 %same.place
  store i32 %same.narrow, ptr %same.to
  %s.next = add i64 %s, 1
  %s.left = icmp ult i64 %s.next, %length
  br i1 %s.left, label %same.next, label %same.over
same.over:
  store i64 %same.row.next, ptr %known
  br label %same.done
"""

_PACKED_STARTS = """
  %packed.row = load i64, ptr %known
  %packed.room.at = getelementptr i64, ptr %known, i64 1
  %packed.room = load i64, ptr %packed.room.at
  %packed.before.at = getelementptr i64, ptr %known, i64 2
  %packed.before = load i64, ptr %packed.before.at
  %packed.origin = add i64 %packed.before, %done
  br label %word
word:
  %w = phi i64 [0, %packed.fill], [%w.next, %word.done]
  %row = phi i64 [%packed.row, %packed.fill], [%row.next, %word.done]
  %word.byte = lshr i64 %w, 3
  %word.from = getelementptr i8, ptr %data, i64 %word.byte
  %word.bits = load i64, ptr %word.from, align 1
  %word.zeros = xor i64 %word.bits, -1
  %word.left = sub i64 %take, %w
  %word.short = icmp ult i64 %word.left, 64
  %word.shift = and i64 %word.left, 63
  %word.more = shl i64 1, %word.shift
  %word.few = sub i64 %word.more, 1
  %word.own = select i1 %word.short, i64 %word.few, i64 -1
  %begins = and i64 %word.zeros, %word.own
  %begins.count = call i64 @llvm.ctpop.i64(i64 %begins)
  %row.next = add i64 %row, %begins.count
  %has.room = icmp ule i64 %row.next, %packed.room
  br i1 %has.room, label %word.fits, label %bad
word.fits:
  %word.first = add i64 %packed.origin, %w
  %is.any = icmp ne i64 %begins, 0
  br i1 %is.any, label %begin, label %word.done
begin:
  %b = phi i64 [%begins, %word.fits], [%b.next, %begin]
  %r = phi i64 [%row, %word.fits], [%r.next, %begin]
  %b.bit = call i64 @llvm.cttz.i64(i64 %b, i1 true)
  %b.start = add i64 %word.first, %b.bit
  %b.narrow = trunc i64 %b.start to i32
  %b.to = getelementptr i32, ptr %out, i64 %r
  store i32 %b.narrow, ptr %b.to
  %b.less = sub i64 %b, 1
  %b.next = and i64 %b, %b.less
  %r.next = add i64 %r, 1
  %b.left = icmp ne i64 %b.next, 0
  br i1 %b.left, label %begin, label %word.done
word.done:
  %w.next = add i64 %w, 64
  %w.left = icmp ult i64 %w.next, %take
  br i1 %w.left, label %word, label %packed.over
packed.over:
  store i64 %row.next, ptr %known
  br label %packed.done
"""

# At %known are: the row to go on with, rows, levels of pages before, values so far, and where rows begin. What an item
# that is NULL would be, is refused.
_ABOUT_FIRSTS = """
  %{name}.row = load i64, ptr %known
  %{name}.rows.at = getelementptr i64, ptr %known, i64 1
  %{name}.rows = load i64, ptr %{name}.rows.at
  %{name}.before.at = getelementptr i64, ptr %known, i64 2
  %{name}.before = load i64, ptr %{name}.before.at
  %{name}.values.at = getelementptr i64, ptr %known, i64 3
  %{name}.values = load i64, ptr %{name}.values.at
  %{name}.starts.at = getelementptr i64, ptr %known, i64 4
  %{name}.starts = load ptr, ptr %{name}.starts.at
  %{name}.origin = add i64 %{name}.before, %done
"""

_SAME_FIRSTS = (
    """
  %same.null = icmp eq i64 %number, 2
  br i1 %same.null, label %bad, label %same.begin
same.begin:
"""
    + _ABOUT_FIRSTS.format(name="same")
    + """
  %same.value = icmp eq i64 %number, 3
  %same.more = select i1 %same.value, i64 %length, i64 0
  %same.sum = add i64 %same.values, %same.more
  store i64 %same.sum, ptr %same.values.at
  %same.last = add i64 %same.origin, %length
  %same.level = trunc i64 %number to i8
  br label %same.next
same.next:
  %s = phi i64 [%same.row, %same.begin], [%s.next, %same.here]
  %s.there = icmp ult i64 %s, %same.rows
  br i1 %s.there, label %same.look, label %same.over
same.look:
  %s.start.at = getelementptr i32, ptr %same.starts, i64 %s
  %s.start = load i32, ptr %s.start.at
  %s.wide = zext i32 %s.start to i64
  %s.inside = icmp ult i64 %s.wide, %same.last
  br i1 %s.inside, label %same.here, label %same.over
same.here:
  %s.to = getelementptr i8, ptr %out, i64 %s
  store i8 %same.level, ptr %s.to
  %s.next = add i64 %s, 1
  br label %same.next
same.over:
  store i64 %s, ptr %known
  br label %same.done
"""
)

# Of the two bits of each level, the low ones and the high ones are where 5 has a bit.
_PACKED_FIRSTS = (
    _ABOUT_FIRSTS.format(name="packed")
    + """
  br label %word
word:
  %w = phi i64 [0, %packed.fill], [%w.next, %word.done]
  %row = phi i64 [%packed.row, %packed.fill], [%r, %word.done]
  %values = phi i64 [%packed.values, %packed.fill], [%values.next, %word.done]
  %word.byte = lshr i64 %w, 2
  %word.from = getelementptr i8, ptr %data, i64 %word.byte
  %word.bits = load i64, ptr %word.from, align 1
  %word.left = sub i64 %take, %w
  %word.short = icmp ult i64 %word.left, 32
  %word.levels = select i1 %word.short, i64 %word.left, i64 32
  %word.twice = shl i64 %word.left, 1
  %word.shift = and i64 %word.twice, 63
  %word.more = shl i64 1, %word.shift
  %word.few = sub i64 %word.more, 1
  %word.own = select i1 %word.short, i64 %word.few, i64 -1
  %levels = and i64 %word.bits, %word.own
  %level.low = and i64 %levels, 6148914691236517205
  %level.moved = lshr i64 %levels, 1
  %level.high = and i64 %level.moved, 6148914691236517205
  %level.both = and i64 %level.low, %level.high
  %level.high.alone = xor i64 %level.high, %level.both
  %has.null = icmp ne i64 %level.high.alone, 0
  br i1 %has.null, label %bad, label %word.good
word.good:
  %own.values = call i64 @llvm.ctpop.i64(i64 %level.both)
  %values.next = add i64 %values, %own.values
  %word.first = add i64 %packed.origin, %w
  %word.last = add i64 %word.first, %word.levels
  br label %row.next
row.next:
  %r = phi i64 [%row, %word.good], [%r.next, %row.here]
  %r.there = icmp ult i64 %r, %packed.rows
  br i1 %r.there, label %row.look, label %word.done
row.look:
  %r.start.at = getelementptr i32, ptr %packed.starts, i64 %r
  %r.start = load i32, ptr %r.start.at
  %r.wide = zext i32 %r.start to i64
  %r.inside = icmp ult i64 %r.wide, %word.last
  br i1 %r.inside, label %row.here, label %word.done
row.here:
  %r.place = sub i64 %r.wide, %word.first
  %r.shift = shl i64 %r.place, 1
  %r.bits = lshr i64 %levels, %r.shift
  %r.two = and i64 %r.bits, 3
  %r.level = trunc i64 %r.two to i8
  %r.to = getelementptr i8, ptr %out, i64 %r
  store i8 %r.level, ptr %r.to
  %r.next = add i64 %r, 1
  br label %row.next
word.done:
  %w.next = add i64 %w, 32
  %w.left = icmp ult i64 %w.next, %take
  br i1 %w.left, label %word, label %packed.over
packed.over:
  store i64 %r, ptr %known
  store i64 %values.next, ptr %packed.values.at
  br label %packed.done
"""
)

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

DECLARATIONS = """
declare i64 @llvm.ctpop.i64(i64)
declare i64 @llvm.cttz.i64(i64, i1)
"""

FUNCTIONS: Mapping[str, str] = {
    "starts": _FUNCTION.format(name="starts", same=_SAME_STARTS, packed=_PACKED_STARTS),
    "firsts": _FUNCTION.format(name="firsts", same=_SAME_FIRSTS, packed=_PACKED_FIRSTS),
    **{f"values_{size}": _values(size) for size in (2, 4, 8)},
    "lz4_size": _LZ4_SIZE,
}

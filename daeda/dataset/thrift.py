"""The compact protocol of Thrift, in which Parquet keeps its footers and the headers of its pages.

A structure is a dict of field numbers to (type, value). What is decoded and encoded again is the same, field by field,
known or not, so that a footer can be changed in one place:

    b"\\x15\\x02\\x00"  <->  {1: (I32, 1)}
"""

from __future__ import annotations

from typing import Any, NamedTuple

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, _SET, _MAP, STRUCT = range(1, 13)
_DOUBLE_BYTES = 8
# Sizes and distances up to here stand in the byte of the type.
_SHORT = 15

Struct = dict[int, tuple[int, Any]]


class Items(NamedTuple):
    """A list: the type of its values, and the values."""

    kind: int
    values: list[Any]


def decode(data: bytes) -> Struct:
    """The structure at the start of `data`; ValueError for sets and maps, which Parquet does not have."""
    return _read_struct(data, 0)[0]


def decode_at(data: bytes | memoryview, at: int) -> tuple[Struct, int]:
    """The structure that begins at a place, and where it ends.

    Where there is none: IndexError or ValueError, RecursionError for one that is too deep.
    """
    return _read_struct(data, at)


def encode(struct: Struct) -> bytes:
    """The bytes of a structure."""
    out = bytearray()
    _write_struct(out, struct)
    return bytes(out)


def varint(number: int) -> bytes:
    """A number from 0, seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


# A footer of a thousand columns has some fifty thousand values: the loops over those of most kinds call nothing.


def _read_struct(data: bytes | memoryview, at: int) -> tuple[Struct, int]:
    """The structure that begins at a place, and where it ends."""
    fields: Struct = {}
    number = 0
    while head := data[at]:
        at += 1
        if head >> 4:
            number += head >> 4
        else:
            number, at = _read_signed(data, at)
        kind = head & 0x0F
        if I16 <= kind <= I64:
            byte = data[at]
            at += 1
            value, shift = byte & 0x7F, 7
            while byte > 0x7F:
                byte = data[at]
                at += 1
                value |= (byte & 0x7F) << shift
                shift += 7
            fields[number] = (kind, value >> 1 ^ -(value & 1))
        elif kind in (TRUE, FALSE):
            # The truth of a field is its type.
            fields[number] = (kind, kind == TRUE)
        else:
            decoded, at = _read_value(data, at, kind)
            fields[number] = (kind, decoded)
    return fields, at + 1


def _read_value(data: bytes | memoryview, at: int, kind: int) -> tuple[Any, int]:
    match kind:
        case 1 | 2 | 3:
            return data[at], at + 1
        case 4 | 5 | 6:
            return _read_signed(data, at)
        case 7:
            return data[at : at + _DOUBLE_BYTES], at + _DOUBLE_BYTES
        case 8:
            size, at = _read_unsigned(data, at)
            return data[at : at + size], at + size
        case 9:
            return _read_items(data, at)
        case 12:
            return _read_struct(data, at)
    raise ValueError(f"type {kind} of Thrift does not occur in Parquet")


def _read_items(data: bytes | memoryview, at: int) -> tuple[Items, int]:
    head = data[at]
    count, at = (head >> 4, at + 1) if head >> 4 < _SHORT else _read_unsigned(data, at + 1)
    values = []
    for _ in range(count):
        value, at = _read_value(data, at, head & 0x0F)
        values.append(value)
    return Items(head & 0x0F, values), at


def _read_unsigned(data: bytes | memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while (byte := data[at]) > 0x7F:
        number |= (byte & 0x7F) << shift
        shift += 7
        at += 1
    return number | byte << shift, at + 1


def _read_signed(data: bytes | memoryview, at: int) -> tuple[int, int]:
    number, at = _read_unsigned(data, at)
    return number >> 1 ^ -(number & 1), at


def _write_struct(out: bytearray, struct: Struct) -> None:
    before = 0
    for number in sorted(struct):
        kind, value = struct[number]
        shown = (TRUE if value else FALSE) if kind <= FALSE else kind
        if number - before <= _SHORT:
            out.append((number - before) << 4 | shown)
        else:
            out.append(shown)
            out += _signed(number)
        before = number
        if I16 <= kind <= I64:
            zigzag = value << 1 if value >= 0 else (-value << 1) - 1
            while zigzag > 0x7F:
                out.append(zigzag & 0x7F | 0x80)
                zigzag >>= 7
            out.append(zigzag)
        elif kind > FALSE:
            _write_value(out, kind, value)
    out.append(0)


def _write_value(out: bytearray, kind: int, value: Any) -> None:
    match kind:
        case 1 | 2 | 3:
            out.append(value)
        case 4 | 5 | 6:
            out += _signed(value)
        case 7:
            out += value
        case 8:
            out += varint(len(value)) + value
        case 9:
            short = len(value.values) < _SHORT
            out.append((len(value.values) if short else _SHORT) << 4 | value.kind)
            if not short:
                out += varint(len(value.values))
            for item in value.values:
                _write_value(out, value.kind, item)
        case 12:
            _write_struct(out, value)
        case _:
            raise ValueError(f"type {kind} of Thrift does not occur in Parquet")


def _signed(number: int) -> bytes:
    """Zigzag: 0, -1, 1, -2 are 0, 1, 2, 3."""
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)

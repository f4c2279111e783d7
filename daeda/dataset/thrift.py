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
    return _Reader(data).struct()


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


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self) -> Struct:
        fields: Struct = {}
        number = 0
        while (head := self._byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind = head & 0x0F
            # The truth of a field is its type.
            fields[number] = (kind, kind == TRUE) if kind in (TRUE, FALSE) else (kind, self._value(kind))
        return fields

    def _value(self, kind: int) -> Any:
        match kind:
            case 1 | 2 | 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._signed()
            case 7:
                return self._bytes(_DOUBLE_BYTES)
            case 8:
                return self._bytes(self._unsigned())
            case 9:
                return self._items()
            case 12:
                return self.struct()
        raise ValueError(f"type {kind} of Thrift does not occur in Parquet")

    def _items(self) -> Items:
        head = self._byte()
        count = head >> 4 if head >> 4 < _SHORT else self._unsigned()
        return Items(head & 0x0F, [self._value(head & 0x0F) for _ in range(count)])

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def _unsigned(self) -> int:
        number = shift = 0
        while (byte := self._byte()) > 0x7F:
            number |= (byte & 0x7F) << shift
            shift += 7
        return number | byte << shift

    def _signed(self) -> int:
        number = self._unsigned()
        return number >> 1 ^ -(number & 1)


def _write_struct(out: bytearray, struct: Struct) -> None:
    before = 0
    for number, (kind, value) in sorted(struct.items()):
        shown = (TRUE if value else FALSE) if kind in (TRUE, FALSE) else kind
        if number - before <= _SHORT:
            out.append((number - before) << 4 | shown)
        else:
            out.append(shown)
            out += _signed(number)
        before = number
        if kind not in (TRUE, FALSE):
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

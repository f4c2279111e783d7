"""Values of Arrow arrays as numpy arrays, the memory of the file's reader wherever it has the form that is needed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from daeda_data.loader.batch import Array, Mask
from daeda_data.loader.vocabulary import Words

_NUMBERS: dict[pa.DataType, np.dtype[np.generic]] = {
    pa.int8(): np.dtype(np.int8), pa.int16(): np.dtype(np.int16), pa.int32(): np.dtype(np.int32),
    pa.int64(): np.dtype(np.int64), pa.uint8(): np.dtype(np.uint8), pa.uint16(): np.dtype(np.uint16),
    pa.uint32(): np.dtype(np.uint32), pa.uint64(): np.dtype(np.uint64), pa.float16(): np.dtype(np.float16),
    pa.float32(): np.dtype(np.float32), pa.float64(): np.dtype(np.float64),
}  # fmt: skip

# Digits that the lower eight bytes of a decimal hold; whole numbers, and powers of ten, that are doubles.
_LOWER_HALF, _EXACT, _EXACT_POWER = 18, 1 << 53, 22


def is_text(kind: pa.DataType) -> bool:
    """Whether values of the type become codes."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_value(kind: pa.DataType) -> bool:
    """Whether values of the type become an array; lists and structs do not by themselves."""
    types = pa.types
    return kind in _NUMBERS or is_text(kind) or bool(
        types.is_boolean(kind) or types.is_date32(kind) or types.is_timestamp(kind) or types.is_decimal(kind)
    )  # fmt: skip


def values_of(array: pa.Array, words: Words | None, empty: float) -> tuple[Array, Mask | None]:
    """Values, and where there is one; None where each is there. `empty` stands for a float that is NULL.

    Texts need the words of their column. A boolean that is NULL is False, a time NaT, a whole number or code 0.
    """
    values, mask = values_as_read(array, words)
    if mask is None:
        return values, None
    if not values.flags.writeable:
        values = values.copy()
    fill(values, mask, empty)
    return values, mask


def values_as_read(array: pa.Array, words: Words | None) -> tuple[Array, Mask | None]:
    """The same, not copied, and with anything where there is no value."""
    return _filled(array, words), validity_of(array)


def validity_of(array: pa.Array) -> Mask | None:
    """Where there is a value; None where each is there."""
    if not array.null_count:
        return None
    bits = array.buffers()[0]
    return array.is_valid().to_numpy(zero_copy_only=False) if bits is None else _bools(bits, array)


def _bools(bits: pa.Buffer | None, array: pa.Array) -> Mask:
    """Bits of an array as bytes; pyarrow takes each by itself."""
    if bits is None:
        # Of an array without any item, or any value, there may be none.
        return np.zeros(len(array), np.bool_)
    first, count = array.offset, len(array)
    flat = np.unpackbits(np.frombuffer(bits, np.uint8), axis=0, count=first + count, bitorder="little")
    mask: Mask = flat[first:].view(np.bool_)
    return mask


def fill(values: Array, mask: Mask, empty: float) -> None:
    """Put what stands for NULL where there is no value."""
    match values.dtype.kind:
        case "M":
            np.copyto(values, np.datetime64("NaT"), where=~mask)
        case "f":
            np.copyto(values, empty, where=~mask, casting="same_kind")
        case _:
            np.copyto(values, 0, where=~mask, casting="unsafe")


def fixed_width(array: pa.Array, dtype: np.dtype[np.generic]) -> Array:
    """The memory of an Arrow array whose values have one width, as it is."""
    buffer = array.buffers()[1]
    if buffer is None or not len(array):
        return np.empty(0, dtype) if not len(array) else np.zeros(len(array), dtype)
    return np.frombuffer(buffer, dtype, len(array), array.offset * dtype.itemsize)


def _doubles(array: pa.Array) -> npt.NDArray[np.float64]:
    """The doubles next to decimals, with anything where there is none; those of Arrow may be one place off."""
    kind = array.type
    if pa.types.is_decimal128(kind) and kind.precision <= _LOWER_HALF and 0 <= kind.scale <= _EXACT_POWER:
        numbers = fixed_width(array, np.dtype((np.int64, 2)))[:, 0]
        if int(np.abs(numbers).max(initial=0)) <= _EXACT:
            # Of two doubles that are exact the quotient is rounded once.
            return numbers.astype(np.float64) / float(10**kind.scale)
    return np.array([0.0 if value is None else float(value) for value in array.to_pylist()], np.float64)


def _filled(array: pa.Array, words: Words | None) -> Array:
    """The values, with anything where there is none."""
    kind = array.type
    if kind in _NUMBERS:
        return fixed_width(array, _NUMBERS[kind])
    if is_text(kind):
        if words is None:
            raise ValueError("texts need a vocabulary")
        return words.codes(array)
    types = pa.types
    if types.is_boolean(kind):
        return _bools(array.buffers()[1], array)
    if types.is_date32(kind):
        return fixed_width(array, np.dtype(np.int32)).astype("datetime64[D]")
    if types.is_timestamp(kind):
        return fixed_width(array, np.dtype(np.int64)).view(f"datetime64[{kind.unit}]")
    if types.is_decimal(kind):
        return _doubles(array)
    raise ValueError(f"values of {kind} are no array")

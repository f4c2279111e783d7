"""What is gathered of a column while its rows come by in chunks of Arrow: one gatherer for each kind of type."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daeda.dtypes import describe_arrow
from daeda.statistics.bins import Integers
from daeda.statistics.model import Summary
from daeda.statistics.numbers import NumberSummary
from daeda.statistics.tally import Tally
from daeda.statistics.values import shown

# So many whole numbers next to each other are counted in a table in any case.
_NARROW = 1 << 16


class Gatherer(ABC):
    """Takes the arrays of a column one after another."""

    def __init__(self, kind: pa.DataType) -> None:
        self.kind = kind
        self.values = 0
        self.nulls = 0

    def add(self, array: pa.Array) -> None:
        """Take some more rows."""
        self.nulls += array.null_count
        self.values += len(array) - array.null_count
        present = array.drop_null() if array.null_count else array
        if len(present):
            self._add(present)

    @abstractmethod
    def _add(self, present: pa.Array) -> None:
        """Take values, none of which is NULL."""

    @abstractmethod
    def _found(self) -> dict[str, Any]:
        """What was found beside the counts."""

    @property
    def summary(self) -> Summary:
        """What was found so far."""
        return Summary(describe_arrow(self.kind), self.values, self.nulls, **self._found())


class _Scalars(Gatherer):
    """Numbers, times, texts and truth."""

    def __init__(self, kind: pa.DataType) -> None:
        super().__init__(kind)
        self._tally = Tally(kind)
        self._numbers = None if pa.types.is_boolean(kind) or _is_text(kind) else NumberSummary()
        self._least: pa.Scalar | None = None
        self._greatest: pa.Scalar | None = None

    def _add(self, present: pa.Array) -> None:
        if self._numbers is None or pa.types.is_decimal(self.kind):
            found = pc.value_counts(present)
            values, counts = found.field("values"), found.field("counts").to_numpy()
            order = pc.array_sort_indices(values)
            values, counts = values.take(order), counts[order.to_numpy()]
        else:
            numbers, counts = _counted(_as_numbers(present))
            values = _as_values(numbers, self.kind)
        self._widen(values[0], values[-1])
        self._tally.add(values, counts)
        if self._numbers is not None:
            numbers = _as_numbers(values)
            self._numbers.add(numbers, counts)

    def _widen(self, least: pa.Scalar, greatest: pa.Scalar) -> None:
        if self._least is None or self._greatest is None:
            self._least, self._greatest = least, greatest
            return
        self._least = _extreme([self._least, least], last=False)
        self._greatest = _extreme([self._greatest, greatest], last=True)

    def _found(self) -> dict[str, Any]:
        bounds = {}
        if self._least is not None and self._greatest is not None:
            bounds = {"minimum": shown(self._least), "maximum": shown(self._greatest)}
        numbers = None if self._numbers is None else self._numbers.result
        return {**bounds, "numbers": numbers, "distinct": self._tally.distinct, "top": self._tally.top}


class _Structs(Gatherer):
    """Structs, field by field."""

    def __init__(self, kind: pa.StructType) -> None:
        super().__init__(kind)
        self._fields = {field.name: gatherer(field.type) for field in kind}

    def _add(self, present: pa.Array) -> None:
        for field, array in zip(self._fields.values(), present.flatten(), strict=True):
            field.add(array)

    def _found(self) -> dict[str, Any]:
        return {"fields": {name: field.summary for name, field in self._fields.items()}}


class _Lists(Gatherer):
    """Lists: how long they are, and what is in them."""

    def __init__(self, kind: pa.DataType) -> None:
        super().__init__(kind)
        self._lengths = NumberSummary()
        self._items = gatherer(kind.value_type)

    def _add(self, present: pa.Array) -> None:
        _add_all(self._lengths, pc.list_value_length(present).to_numpy())
        self._items.add(present.flatten())

    def _found(self) -> dict[str, Any]:
        return {"lengths": self._lengths.result, "items": self._items.summary}


class _Vectors(Gatherer):
    """Vectors: how long they are in both senses. An item without a value makes a norm of NaN."""

    def __init__(self, kind: pa.DataType) -> None:
        super().__init__(kind)
        self._lengths = NumberSummary()
        self._norms = NumberSummary()

    def _add(self, present: pa.Array) -> None:
        lengths = pc.list_value_length(present).to_numpy()
        _add_all(self._lengths, lengths)
        flat = present.flatten().to_numpy(zero_copy_only=False)
        squares = np.square(flat.astype(np.float64))
        norms = np.zeros(len(lengths))
        filled = np.flatnonzero(lengths)
        if len(filled):
            norms[filled] = np.sqrt(np.add.reduceat(squares, (np.cumsum(lengths) - lengths)[filled]))
        _add_all(self._norms, norms)

    def _found(self) -> dict[str, Any]:
        return {"lengths": self._lengths.result, "norms": self._norms.result}


def gatherer(kind: pa.DataType, *, vector: bool = False) -> Gatherer:
    """The gatherer for a type; `vector` says that lists of it are vectors."""
    if pa.types.is_struct(kind):
        return _Structs(kind)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _Vectors(kind) if vector or pa.types.is_float16(kind.value_type) else _Lists(kind)
    return _Scalars(kind)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _as_numbers(values: pa.Array) -> npt.NDArray[np.generic]:
    """The numbers of values without NULLs; those of times are counts of their unit."""
    kind = values.type
    if pa.types.is_timestamp(kind):
        values = values.cast(pa.int64())
    elif pa.types.is_date32(kind):
        values = values.cast(pa.int32())
    elif pa.types.is_decimal(kind):
        values = values.cast(pa.float64())
    numbers: npt.NDArray[np.generic] = values.to_numpy(zero_copy_only=False)
    return numbers


def _as_values(numbers: npt.NDArray[np.generic], kind: pa.DataType) -> pa.Array:
    """The way back."""
    if pa.types.is_timestamp(kind) or pa.types.is_date32(kind):
        return pa.array(numbers).cast(kind)
    return pa.array(numbers, kind)


def _counted(numbers: npt.NDArray[np.generic]) -> tuple[npt.NDArray[np.generic], Integers]:
    """Each number once, in order, NaN last, with how often it is there; -0.0 is 0.0."""
    if numbers.dtype.kind in "iu" and len(numbers):
        least, greatest = int(numbers.min()), int(numbers.max())
        if greatest - least < max(_NARROW, 2 * len(numbers)) and greatest < 2**62 and least > -(2**62):
            # Close to each other: they are places of a table, which is faster than to sort them.
            found = np.bincount(numbers.astype(np.int64) - least)
            places = np.flatnonzero(found)
            return (places + least).astype(numbers.dtype), found[places].astype(np.int64)
    if numbers.dtype.kind == "f":
        positive: Any = numbers
        numbers = positive + numbers.dtype.type(0)
    values, counts = np.unique(numbers, return_counts=True)
    return values, counts.astype(np.int64)


def _add_all(summary: NumberSummary, numbers: npt.NDArray[np.generic]) -> None:
    summary.add(*_counted(numbers))


def _extreme(scalars: list[pa.Scalar], *, last: bool) -> pa.Scalar:
    """The least or the greatest in the order of values, in which NaN is the greatest and texts go by their bytes."""
    array = pa.concat_arrays([pa.repeat(scalar, 1) for scalar in scalars])
    ordered = pc.array_sort_indices(array)
    return array[ordered[-1 if last else 0].as_py()]

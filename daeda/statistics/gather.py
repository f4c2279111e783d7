"""What is gathered of a column while its rows come by in chunks of Arrow: one gatherer for each kind of type."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daeda.dtypes import describe_arrow
from daeda.statistics.counts import Counted, Counts
from daeda.statistics.model import Numbers, Summary
from daeda.statistics.numbers import NumberSummary
from daeda.statistics.tally import Tally
from daeda.statistics.values import as_array, as_numbers, shown


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


class _Values(Gatherer):
    """Values that have an order."""

    def __init__(self, kind: pa.DataType) -> None:
        super().__init__(kind)
        self._tally = Tally(kind)
        self._least: pa.Scalar | None = None
        self._greatest: pa.Scalar | None = None

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
        return {**bounds, "distinct": self._tally.distinct, "top": self._tally.top}


class _Words(_Values):
    """Texts and truth."""

    def _add(self, present: pa.Array) -> None:
        found = pc.value_counts(present)
        values = found.field("values")
        ends = pc.min_max(values)
        self._widen(ends["min"], ends["max"])
        self._tally.add(values, as_numbers(found.field("counts")).astype(np.int64, copy=False))


class _Decimals(_Values):
    """Decimals, which are counted as they are, and are numbers as doubles."""

    def __init__(self, kind: pa.DataType) -> None:
        super().__init__(kind)
        self._numbers = NumberSummary()

    def _add(self, present: pa.Array) -> None:
        found = pc.value_counts(present)
        order = pc.array_sort_indices(found.field("values"))
        values = found.field("values").take(order)
        counts = as_numbers(found.field("counts").take(order)).astype(np.int64, copy=False)
        self._widen(values[0], values[-1])
        self._tally.add(values, counts)
        self._numbers.add(as_numbers(values.cast(pa.float64())), counts)

    def _found(self) -> dict[str, Any]:
        return {**super()._found(), "numbers": self._numbers.result}


class _Scalars(_Values):
    """Numbers and times."""

    def __init__(self, kind: pa.DataType) -> None:
        super().__init__(kind)
        self._counts = Counts()
        self._numbers = NumberSummary()

    def _add(self, present: pa.Array) -> None:
        self._counts.add(as_numbers(present))
        if self._counts.full():
            self._take()

    def _take(self) -> None:
        found = self._counts.taken()
        if found is None:
            return
        numbers, counts = found
        values = as_array(numbers, self.kind)
        self._widen(values[0], values[-1])
        self._tally.add(values, counts)
        self._numbers.add(numbers, counts)

    def _found(self) -> dict[str, Any]:
        self._take()
        return {**super()._found(), "numbers": self._numbers.result}


class _Sizes:
    """Lengths and norms: numbers that are no values."""

    def __init__(self) -> None:
        self._counts = Counts()
        self._numbers = NumberSummary()

    def add(self, numbers: npt.NDArray[np.generic]) -> None:
        """Take some more of one type."""
        self._counts.add(numbers)
        if self._counts.full():
            self._take(self._counts.taken())

    def _take(self, found: Counted | None) -> None:
        if found is not None:
            self._numbers.add(*found)

    @property
    def result(self) -> Numbers:
        """What was found so far."""
        self._take(self._counts.taken())
        return self._numbers.result


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
        self._lengths = _Sizes()
        self._items = gatherer(kind.value_type)

    def _add(self, present: pa.Array) -> None:
        self._lengths.add(as_numbers(pc.list_value_length(present)))
        self._items.add(present.flatten())

    def _found(self) -> dict[str, Any]:
        return {"lengths": self._lengths.result, "items": self._items.summary}


class _Vectors(Gatherer):
    """Vectors: how long they are in both senses. An item without a value makes a norm of NaN."""

    def __init__(self, kind: pa.DataType) -> None:
        super().__init__(kind)
        self._lengths = _Sizes()
        self._norms = _Sizes()

    def _add(self, present: pa.Array) -> None:
        lengths = as_numbers(pc.list_value_length(present))
        self._lengths.add(lengths)
        items = present.flatten()
        flat = items.to_numpy(zero_copy_only=False) if items.null_count else as_numbers(items)
        squares = np.square(flat.astype(np.float64))
        norms = np.zeros(len(lengths))
        filled = np.flatnonzero(lengths)
        if len(filled):
            norms[filled] = np.sqrt(np.add.reduceat(squares, (np.cumsum(lengths) - lengths)[filled]))
        self._norms.add(norms)

    def _found(self) -> dict[str, Any]:
        return {"lengths": self._lengths.result, "norms": self._norms.result}


def gatherer(kind: pa.DataType, *, vector: bool = False) -> Gatherer:
    """The gatherer for a type; `vector` says that lists of it are vectors."""
    if pa.types.is_struct(kind):
        return _Structs(kind)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _Vectors(kind) if vector or pa.types.is_float16(kind.value_type) else _Lists(kind)
    if pa.types.is_decimal(kind):
        return _Decimals(kind)
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return _Words(kind) if is_text or pa.types.is_boolean(kind) else _Scalars(kind)


def _extreme(scalars: list[pa.Scalar], *, last: bool) -> pa.Scalar:
    """The least or the greatest in the order of values, in which NaN is the greatest and texts go by their bytes."""
    array = pa.concat_arrays([pa.repeat(scalar, 1) for scalar in scalars])
    ordered = pc.array_sort_indices(array)
    return array[ordered[-1 if last else 0].as_py()]

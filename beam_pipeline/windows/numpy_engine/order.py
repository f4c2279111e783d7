"""Integers in the order of values: -inf < numbers < +inf < NaN, text by bytes, lists by elements (NULL first)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beam_pipeline.windows.numpy_engine.bounds import Int64s
from beam_pipeline.windows.numpy_engine.rounding import Doubles
from daeda.errors import DayError

_SIGN = 2**63
_BELOW_SIGN = 2**63 - 1


def order_codes(values: pa.Array) -> Int64s:
    """int64 codes that are ordered as the values are, equal where they are. `values` has no NULLs.

    Raises DayError for a type without an order (structs, maps).
    """
    kind = values.type
    if pa.types.is_floating(kind):
        return _double_codes(values.cast(pa.float64()).to_numpy())
    if pa.types.is_uint64(kind):
        return _int64s((values.to_numpy() ^ np.uint64(_SIGN)).view(np.int64))
    if pa.types.is_integer(kind):
        return _int64s(values)
    if pa.types.is_boolean(kind):
        return _int64s(values.cast(pa.int8()))
    if pa.types.is_timestamp(kind):
        return _int64s(values.view(pa.int64()))
    if pa.types.is_date32(kind):
        return _int64s(values.view(pa.int32()))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        values = _element_ranks(values)
    return _ranks(values)


def _int64s(values: pa.Array) -> Int64s:
    return np.asarray(values).astype(np.int64, copy=False)


def _double_codes(doubles: Doubles) -> Int64s:
    """The bits of a double are ordered as it is, once those below zero are turned around."""
    bits: Int64s = np.where(np.isnan(doubles), np.nan, doubles + 0.0).view(np.int64)
    return bits ^ ((bits >> 63) & _BELOW_SIGN)


def _ranks(values: pa.Array) -> Int64s:
    """The rank of each value among the different ones."""
    try:
        encoded = values.dictionary_encode()
        order = pc.array_sort_indices(encoded.dictionary).to_numpy().astype(np.int64)
    except pa.ArrowNotImplementedError as error:
        raise DayError(f"values of type {values.type} have no order") from error
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order), dtype=np.int64)
    ranks: Int64s = rank[encoded.indices.to_numpy()]
    return ranks


def _element_ranks(lists: pa.Array) -> pa.Array:
    """Each list as bytes in its order: the ranks of its elements as big-endian integers, 0 for NULL."""
    offsets = lists.offsets.to_numpy().astype(np.int64)
    elements = lists.values.slice(offsets[0], offsets[-1] - offsets[0])
    valid = np.asarray(elements.is_valid())
    ranks = np.zeros(len(elements), dtype=">u8")
    ranks[valid] = np.unique(order_codes(elements.drop_null()), return_inverse=True)[1] + 1
    starts = (offsets - offsets[0]) * ranks.itemsize
    return pa.Array.from_buffers(pa.large_binary(), len(lists), [None, pa.py_buffer(starts), pa.py_buffer(ranks)])

"""Which values of two columns differ, row by row, and by how much.

NULL equals NULL, NaN equals NaN, and -0.0 equals 0.0. Lists are equal element by element, in their order, structs field
by field. The tolerance is for floats of every width, those in lists and vectors among them, and for nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tolerance:
    """Floats are equal whose distance is at most `absolute`, or `relative` times the greater of both magnitudes."""

    absolute: float = 0.0
    relative: float = 0.0


EXACT = Tolerance()


@dataclass(frozen=True)
class Compared:
    """Of each row whether it is equal, and the greatest distance of its numbers; NaN where there is none to tell."""

    equal: Flags
    distance: Numbers


def comparable_type(here: pa.DataType, there: pa.DataType) -> pa.DataType | None:
    """The type in which values of both are compared; None where they are not."""
    if here.equals(there):
        return here
    both = (here, there)
    if all(map(pa.types.is_integer, both)):
        unsigned = any(map(pa.types.is_uint64, both))
        return pa.decimal128(38, 0) if unsigned else pa.int64()
    if all(pa.types.is_integer(one) or pa.types.is_floating(one) for one in both):
        return pa.float64()
    if all(map(pa.types.is_decimal, both)):
        scale = max(here.scale, there.scale)
        whole = max(here.precision - here.scale, there.precision - there.scale)
        return pa.decimal128(whole + scale, scale) if whole + scale <= 38 else None
    if all(pa.types.is_string(one) or pa.types.is_large_string(one) for one in both):
        return pa.large_string()
    if all(map(pa.types.is_timestamp, both)) and (here.tz is None) == (there.tz is None):
        return pa.timestamp("ns" if "ns" in (here.unit, there.unit) else "us", here.tz)
    if all(map(is_list, both)):
        item = comparable_type(here.value_type, there.value_type)
        return None if item is None else pa.large_list(item)
    return None


def compare(here: pa.Array, there: pa.Array, tolerance: Tolerance = EXACT) -> Compared:
    """Compare two arrays of one length; of other types they are taken in their `comparable_type`."""
    dtype = comparable_type(here.type, there.type)
    if dtype is None:
        raise TypeError(f"values of {here.type} and {there.type} are not comparable")
    if not here.type.equals(there.type):
        here, there = here.cast(dtype), there.cast(dtype)
    return _compare(here, there, tolerance)


def _compare(here: pa.Array, there: pa.Array, tolerance: Tolerance) -> Compared:
    """Of arrays whose types are the same, or lists of the same."""
    here_known, there_known = _flags(here.is_valid()), _flags(there.is_valid())
    both = here_known & there_known
    equal = here_known == there_known
    distance = np.full(len(here), np.nan)
    if both.all():
        return _compare_known(here, there, tolerance)
    if both.any():
        kept = pa.array(both)
        inside = _compare_known(here.filter(kept), there.filter(kept), tolerance)
        equal[both] = inside.equal
        distance[both] = inside.distance
    return Compared(equal, distance)


def _compare_known(here: pa.Array, there: pa.Array, tolerance: Tolerance) -> Compared:
    """Without NULLs on either side."""
    dtype = here.type
    if is_list(dtype):
        return _compare_lists(here, there, tolerance)
    if pa.types.is_struct(dtype):
        return _compare_structs(here, there, tolerance)
    if pa.types.is_floating(dtype):
        return _compare_floats(_floats(here), _floats(there), tolerance)
    equal = _flags(pc.equal(here, there))
    distance = np.full(len(here), np.nan)
    if not equal.all() and (pa.types.is_integer(dtype) or pa.types.is_decimal(dtype)):
        # Of the distance a double has all the places that people read.
        changed = pa.array(~equal)
        distance[~equal] = np.abs(_floats(here.filter(changed)) - _floats(there.filter(changed)))
    return Compared(equal, distance)


def _compare_floats(here: Numbers, there: Numbers, tolerance: Tolerance) -> Compared:
    with np.errstate(invalid="ignore", over="ignore"):
        equal = (here == there) | (np.isnan(here) & np.isnan(there))
        apart = np.abs(here - there)
        if tolerance != EXACT:
            near = tolerance.absolute + 0.0 * apart
            near = np.maximum(near, tolerance.relative * np.maximum(np.abs(here), np.abs(there)))
            # An infinite number is near to nothing but itself.
            equal |= np.isfinite(apart) & (apart <= near)
    return Compared(equal, np.where(equal | ~np.isfinite(apart), np.nan, apart))


def _compare_structs(here: pa.Array, there: pa.Array, tolerance: Tolerance) -> Compared:
    equal, distance = np.ones(len(here), np.bool_), np.full(len(here), np.nan)
    for ours, theirs in zip(here.flatten(), there.flatten(), strict=True):
        field = _compare(ours, theirs, tolerance)
        equal &= field.equal
        distance = np.fmax(distance, field.distance)
    return Compared(equal, distance)


def _compare_lists(here: pa.Array, there: pa.Array, tolerance: Tolerance) -> Compared:
    lengths = _lengths(here)
    equal = lengths == _lengths(there)
    distance = np.full(len(here), np.nan)
    if not equal.all():
        kept = pa.array(equal)
        here, there, lengths = here.filter(kept), there.filter(kept), lengths[equal]
    inside = _compare(_items(here), _items(there), tolerance)
    if inside.equal.all():
        return Compared(equal, distance)
    rows = np.flatnonzero(equal)
    parents = np.repeat(rows, lengths)
    changed = ~inside.equal
    equal[parents[changed]] = False
    apart = inside.distance[changed]
    known = ~np.isnan(apart)
    greatest = np.zeros(len(distance))
    np.maximum.at(greatest, parents[changed][known], apart[known])
    told = np.unique(parents[changed][known])
    distance[told] = greatest[told]
    return Compared(equal, distance)


def is_list(dtype: pa.DataType) -> bool:
    """Whether it is a list, whatever its lengths are."""
    return bool(pa.types.is_list(dtype) or pa.types.is_large_list(dtype) or pa.types.is_fixed_size_list(dtype))


def _lengths(lists: pa.Array) -> npt.NDArray[np.int64]:
    return np.asarray(pc.list_value_length(lists).cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)


def _items(lists: pa.Array) -> pa.Array:
    return pc.list_flatten(lists)


def _flags(array: pa.Array) -> Flags:
    # A view of Arrow's memory cannot be written to.
    return np.array(array.to_numpy(zero_copy_only=False), np.bool_)


def _floats(array: pa.Array) -> Numbers:
    if pa.types.is_decimal(array.type) or pa.types.is_integer(array.type):
        array = array.cast(pa.float64(), safe=False)
    return np.asarray(array.to_numpy(zero_copy_only=False), np.float64)

"""Vectors of a Lance store at its pinned version, looked up and averaged one number at a time."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from daeda.errors import InputError
from daeda.settings.aggregations import EmbeddingStore
from daeda_audit.published.stores import open_version
from daeda_audit.values import single

Vector = list[float]
Vectors = Mapping[Any, Vector | None]


def half(value: float) -> float:
    """The nearest float16, to even; infinity where it overflows."""
    try:
        return float(struct.unpack("e", struct.pack("e", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def load_vectors(store: EmbeddingStore, path: str, ids: Iterable[Any], version: int | None = None) -> Vectors:
    """The vectors of these ids as float16; the last row of an id wins, an id that the store lacks is left out.

    `version` is the number of the version that the day read, in place of the one that is declared now.
    """
    wanted = {one for one in ids if one is not None}
    dataset = open_version(store, path, store.version if version is None else version)
    places: dict[Any, int] = {}
    first = 0
    for batch in dataset.scanner(columns=[store.id_column], scan_in_order=True).to_batches():
        column = batch.column(0)
        column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for place in _hits(column, wanted):
            places[column[place].as_py()] = first + place
        first += batch.num_rows
    rows = sorted(places.values())
    if not rows:
        return {}
    taken = dataset.take(rows, columns=[store.vector_column]).column(0)
    vectors = {row: vector.as_py() for row, vector in zip(rows, taken, strict=True)}
    for one, row in places.items():
        if vectors[row] is not None and None in vectors[row]:
            raise InputError(
                f"embedding store '{store.name}': the vector of id {one!r} has elements that are NULL: write a number "
                "for each, or NULL for the whole vector"
            )
    return {one: _halves(vectors[row]) for one, row in places.items()}


def _hits(column: pa.Array, wanted: set[Any]) -> list[int]:
    """Places of the wanted ids in a batch."""
    bounds = pc.min_max(column).as_py()
    if bounds["min"] is None:
        return []
    # What is outside may not even fit the type of the ids.
    inside = {one for one in wanted if isinstance(one, type(bounds["min"])) and bounds["min"] <= one <= bounds["max"]}
    found = pc.is_in(column, value_set=pa.array(sorted(inside), column.type))
    places: list[int] = pc.indices_nonzero(found).to_pylist()
    return places


def _halves(vector: list[float] | None) -> Vector | None:
    return None if vector is None else [half(value) for value in vector]


def look_up_vector(vectors: Vectors, one: Any) -> Vector | None:
    """The vector of an id."""
    return None if one is None else vectors.get(one)


def average(vectors: Vectors, ids: list[Any] | None) -> Vector | None:
    """The mean over the ids that the store has, with multiplicity: summed in float32 in list order, not yet cast."""
    found = [vector for one in ids or () if one is not None and (vector := vectors.get(one)) is not None]
    if not found:
        return None
    total: list[float] = [0.0] * len(found[0])
    for vector in found:
        total = [single(before + value) for before, value in zip(total, vector, strict=True)]
    return [single(value / len(found)) for value in total]


def finished(vector: Vector | None, normalize: Literal["none", "l2"]) -> Vector | None:
    """The vector in float64, of length 1 where asked for; it becomes float16 when it is compared."""
    if vector is None or normalize == "none":
        return vector
    norm = math.sqrt(math.fsum(value * value for value in vector)) if all(map(math.isfinite, vector)) else math.nan
    if math.isnan(norm):
        # An infinity divides everything finite to zero and itself to NaN; a NaN makes everything NaN.
        return [math.nan if not math.isfinite(v) or any(map(math.isnan, vector)) else v * 0.0 for v in vector]
    return [float(value) / norm for value in vector] if norm else vector

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
    wanted = {key for key in ids if key is not None}
    dataset = open_version(store, path, store.version if version is None else version)
    row_of: dict[Any, int] = {}
    first = 0
    for batch in dataset.scanner(columns=[store.id_column], scan_in_order=True).to_batches():
        column = batch.column(0)
        column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for row in _hits(column, wanted):
            row_of[column[row].as_py()] = first + row
        first += batch.num_rows
    rows = sorted(row_of.values())
    if not rows:
        return {}
    column = dataset.take(rows, columns=[store.vector_column]).column(0)
    vectors = {row: vector.as_py() for row, vector in zip(rows, column, strict=True)}
    for key, row in row_of.items():
        if vectors[row] is not None and None in vectors[row]:
            raise InputError(
                f"embedding store '{store.name}': the vector of id {key!r} has elements that are NULL: write a number "
                "for each, or NULL for the whole vector"
            )
    return {key: _halves(vectors[row]) for key, row in row_of.items()}


def _hits(column: pa.Array, wanted: set[Any]) -> list[int]:
    """Places of the wanted ids in a batch."""
    bounds = pc.min_max(column).as_py()
    if bounds["min"] is None:
        return []
    # What is outside may not even fit the type of the ids.
    inside = {key for key in wanted if isinstance(key, type(bounds["min"])) and bounds["min"] <= key <= bounds["max"]}
    hits = pc.is_in(column, value_set=pa.array(sorted(inside), column.type))
    rows: list[int] = pc.indices_nonzero(hits).to_pylist()
    return rows


def _halves(vector: list[float] | None) -> Vector | None:
    return None if vector is None else [half(value) for value in vector]


def look_up_vector(vectors: Vectors, key: Any) -> Vector | None:
    """The vector of an id."""
    return None if key is None else vectors.get(key)


def average(vectors: Vectors, ids: list[Any] | None) -> Vector | None:
    """The mean over the ids that the store has, with multiplicity: summed in float32 in list order, not yet cast."""
    known = [vector for key in ids or () if key is not None and (vector := vectors.get(key)) is not None]
    if not known:
        return None
    total: list[float] = [0.0] * len(known[0])
    for vector in known:
        total = [single(before + value) for before, value in zip(total, vector, strict=True)]
    return [single(value / len(known)) for value in total]


def finished(vector: Vector | None, normalize: Literal["none", "l2"]) -> Vector | None:
    """The vector in float64, of length 1 where asked for; it becomes float16 when it is compared."""
    if vector is None or normalize == "none":
        return vector
    norm = math.sqrt(math.fsum(value * value for value in vector)) if all(map(math.isfinite, vector)) else math.nan
    if math.isnan(norm):
        # An infinity divides everything finite to zero and itself to NaN; a NaN makes everything NaN.
        return [math.nan if not math.isfinite(v) or any(map(math.isnan, vector)) else v * 0.0 for v in vector]
    return [float(value) / norm for value in vector] if norm else vector

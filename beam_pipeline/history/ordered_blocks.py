"""Ordered blocks: the rows of several partitions in the order of entity, time and ties, put in order once per run.

A block is a file of two streams of Arrow: its entities, and their rows. It lies in the partition cache and is mapped
into memory. Its name begins with a digest of what is read and ordered, and says which partitions it spans; which
versions of their files it is made from stands in it. A day that needs other versions does not use it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc

from beam_pipeline.history import ordering
from beam_pipeline.history.arrow_arrays import combined, numbers
from beam_pipeline.history.ties import put_ties_in_order
from beam_pipeline.session.resources import DayResources
from beam_pipeline.windows.contract import Int64s
from daeda.operators.relation import Relation
from daeda.operators.temporal import WindowOperator
from daeda.sql.statements import TIME, history_values, known_name

# The files of a partition: path and version of each.
Versions = tuple[tuple[str, str], ...]

_BEGIN = "begin"
_MADE_FROM = b"daeda"
# Keys that are whole numbers are counted through where they lie so close: several times faster than by a dictionary.
_SPAN_PER_ROW = 2


@dataclass(frozen=True)
class Block:
    """Rows of whole partitions in order: those of entity n are `begin[n] .. begin[n + 1] - 1`.

    Attributes:
        partitions: what it is made from.
        keys: of each key of an entity, the values of the entities.
        begin: int64, one more than there are entities.
        columns: TIME, from when on a row counts if that is told, and what is aggregated.
        span: the least and the greatest time, None without rows.
        path: its file in the partition cache, None where it has none.
    """

    partitions: Mapping[dt.date, Versions]
    keys: tuple[pa.Array, ...]
    begin: Int64s
    columns: Mapping[str, pa.Array]
    span: tuple[int, int] | None
    path: Path | None = None

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self.begin[-1])

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        arrays = (*self.keys, *self.columns.values())
        return int(self.begin.nbytes) + sum(int(array.nbytes) for array in arrays)

    def write(self, path: Path) -> None:
        """Write it to a file."""
        made_from = {
            "partitions": {day.isoformat(): versions for day, versions in self.partitions.items()},
            "span": self.span,
        }
        names = [str(number) for number in range(len(self.keys))]
        entities = pa.table([*self.keys, pa.array(self.begin[:-1])], names=[*names, _BEGIN])
        entities = entities.replace_schema_metadata({_MADE_FROM: json.dumps(made_from)})
        with pa.OSFile(str(path), "wb") as sink:
            for table in (entities, pa.table(dict(self.columns))):
                with ipc.new_stream(sink, table.schema) as writer:
                    writer.write_table(table)

    @classmethod
    def mapped(cls, path: Path) -> Block:
        """The block of a file, which is mapped into memory."""
        with pa.memory_map(str(path)) as source:
            entities = ipc.open_stream(source).read_all()
            rows = ipc.open_stream(source).read_all()
        made_from = json.loads(entities.schema.metadata[_MADE_FROM])
        partitions = {
            dt.date.fromisoformat(day): tuple((file, version) for file, version in files)
            for day, files in made_from["partitions"].items()
        }
        begin = np.append(numbers(entities.column(_BEGIN)), rows.num_rows)
        keys = tuple(combined(column) for column in entities.columns[:-1])
        columns = {name: combined(rows.column(name)) for name in rows.column_names}
        span = made_from["span"]
        return cls(partitions, keys, begin, columns, None if span is None else (span[0], span[1]), path)


def put_in_order(
    resources: DayResources,
    operator: WindowOperator,
    relation: Relation,
    partitions: Mapping[dt.date, Versions],
    tables: Sequence[pa.Table],
) -> Block:
    """The block of sorted partitions, which have these `tables`; `relation` is that of the history."""
    rows = pa.concat_tables(tables)
    entity, keys = _entities([rows.column(key) for key in operator.keys])
    times = numbers(rows.column(TIME))
    order = ordering.in_order(entity, None if ordering.ascends(times) else times)
    by_name = {name: rows.column(name) for name in rows.column_names}
    ties = ordering.tied_rows(entity[order], times[order])
    put_ties_in_order(resources, operator, relation, by_name, ties, order)
    begin = np.zeros(len(keys[0]) + 1, dtype=np.int64)
    np.cumsum(np.bincount(entity, minlength=len(keys[0])), out=begin[1:])
    span = (int(times.min()), int(times.max())) if len(times) else None
    # Gone before the columns take as much again.
    del entity, times, ties
    indices = pa.array(order)
    columns = {name: combined(by_name.pop(name)).take(indices) for name in kept_columns(operator)}
    return Block(partitions, keys, begin, columns, span)


def kept_columns(operator: WindowOperator) -> tuple[str, ...]:
    """The columns of a block."""
    known = known_name(operator)
    return (TIME, *(() if known is None else (known,)), *history_values(operator))


def _entities(keys: Sequence[pa.ChunkedArray]) -> tuple[Int64s, tuple[pa.Array, ...]]:
    """The number of each row's entity in the order of the keys, and the keys of the entities; no key is NULL.

    >>> numbers, keys = _entities([pa.chunked_array([[7, 5, 7]]), pa.chunked_array([["b", "a", "a"]])])
    >>> numbers.tolist(), [key.to_pylist() for key in keys]
    ([2, 0, 1], [[5, 7, 7], ['a', 'a', 'b']])
    """
    codes, values = _codes(keys[0])
    if len(keys) == 1:
        return codes, (values,)
    for key in keys[1:]:
        more, values = _codes(key)
        # Both are less than the number of rows, of which Arrow's offsets allow 2^31.
        _, codes = np.unique(codes * max(len(values), 1) + more, return_inverse=True)
    _, first = np.unique(codes, return_index=True)
    return codes.astype(np.int64, copy=False), tuple(combined(key).take(pa.array(first)) for key in keys)


def _codes(key: pa.ChunkedArray) -> tuple[Int64s, pa.Array]:
    """The number of each value among the distinct ones, and these, in their order."""
    if pa.types.is_integer(key.type) and key.type != pa.uint64() and len(key):
        values = key.to_numpy().astype(np.int64, copy=False)
        least, greatest = int(values.min()), int(values.max())
        if greatest - least <= _SPAN_PER_ROW * len(values):
            offsets = values - least
            present = np.zeros(greatest - least + 1, dtype=np.bool_)
            present[offsets] = True
            number = np.cumsum(present, dtype=np.int64) - 1
            return number[offsets], pa.array(np.flatnonzero(present) + least).cast(key.type)
    encoded = combined(key).dictionary_encode()
    order = pc.array_sort_indices(encoded.dictionary)
    place = np.empty(len(order), dtype=np.int64)
    place[order.to_numpy()] = np.arange(len(order), dtype=np.int64)
    return place[encoded.indices.to_numpy()], encoded.dictionary.take(order)

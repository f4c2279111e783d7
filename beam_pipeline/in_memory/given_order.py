"""Rows of many days, put back into the order in which they were given: never in memory all at once.

Each day lies in a file of its own, in the order of the places of its rows; a stretch of the result takes a stretch of
each of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from beam_pipeline.in_memory.day import DayRows
from beam_pipeline.windows.contract import Int64s

# Rows of a stretch: offsets of lists are int32, and a stretch may have a vector for each row.
STRETCH_ROWS = 1 << 16


class GivenOrder:
    """Takes the rows of days, and gives all of them in the order of their places, 0 to so many."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: list[Path] = []
        self._places: list[Int64s] = []

    def add(self, made: DayRows) -> None:
        """Keep the rows of a day, whose places no other day has."""
        assert made.positions is not None
        places = made.positions.to_numpy()
        order = np.argsort(places, kind="stable")
        path = self._directory / f"{len(self._files)}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, made.table.schema) as writer:
            writer.write_table(made.table.take(pa.array(order)))
        self._files.append(path)
        self._places.append(places[order])

    def tables(self, stretch_rows: int = STRETCH_ROWS) -> Iterator[pa.Table]:
        """The rows in stretches; of no rows a table without any."""
        rows = sum(map(len, self._places))
        for first in range(0, max(rows, 1), stretch_rows):
            yield self._stretch(first, first + stretch_rows)

    def _stretch(self, first: int, end: int) -> pa.Table:
        pieces: list[pa.Table] = []
        places: list[Int64s] = []
        for path, of_day in zip(self._files, self._places, strict=True):
            low, high = np.searchsorted(of_day, (first, end))
            if low < high or not pieces:
                pieces.append(_read(path).slice(low, high - low))
                places.append(of_day[low:high])
        order = np.argsort(np.concatenate(places), kind="stable")
        return pa.concat_tables(pieces).combine_chunks().take(pa.array(order))


def _read(path: Path) -> pa.Table:
    """The file as pages of it are touched."""
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()

"""Rows that both sides have in the same order: read side by side, some thousands at a time.

Parts of the same digest at the same rows are not read at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from daeda.diff.tally import Comparison

_BATCH = 16_384


@dataclass(frozen=True)
class File:
    """A part that can be read here."""

    path: Path
    rows: int
    digest: str


@dataclass(frozen=True)
class Segment:
    """Parts of both sides that hold the same number of rows, the first of which has this position."""

    here: tuple[File, ...]
    there: tuple[File, ...]
    position: int


def segments(here: Sequence[File], there: Sequence[File]) -> list[Segment] | None:
    """What has to be read; None where the sides have not as many rows.

    >>> a, b, c = File(Path("a"), 2, "a"), File(Path("b"), 2, "b"), File(Path("c"), 2, "c")
    >>> [(len(one.here), one.position) for one in segments([a, b], [a, c])]
    [(1, 2)]
    """
    found: list[Segment] = []
    ours, theirs = list(here), list(there)
    position = 0
    while ours and theirs:
        taken: tuple[list[File], list[File]] = ([ours.pop(0)], [theirs.pop(0)])
        while (counts := [sum(file.rows for file in side) for side in taken])[0] != counts[1]:
            shorter = counts[0] > counts[1]
            rest = theirs if shorter else ours
            if not rest:
                return None
            taken[shorter].append(rest.pop(0))
        if [file.digest for file in taken[0]] != [file.digest for file in taken[1]]:
            found.append(Segment(tuple(taken[0]), tuple(taken[1]), position))
        position += counts[0]
    return None if any(file.rows for file in (*ours, *theirs)) else found


def compare_aligned(segment: Segment, comparison: Comparison, here: Sequence[str], there: Sequence[str]) -> bool:
    """Compare the rows of a segment one by one; False, and nothing more is read, where their keys are not the same.

    It is False too where one side has rows left: its files are not those that were listed.
    """
    position = segment.position
    with ExitStack() as stack:
        ours, theirs = _Rows(segment.here, here, stack), _Rows(segment.there, there, stack)
        while count := min(ours.ready(), theirs.ready()):
            one, other = ours.take(count), theirs.take(count)
            if not comparison.same_keys(one, other):
                return False
            comparison.add(one, other, range(position, position + count))
            position += count
        return not (ours.ready() or theirs.ready())


class _Rows:
    """The rows of files, taken as many at a time as the other side has ready."""

    def __init__(self, files: Sequence[File], columns: Sequence[str], stack: ExitStack) -> None:
        self._batches = _batches(files, columns, stack)
        self._batch = pa.table({})

    def ready(self) -> int:
        """How many can be taken at once; 0 at the end."""
        while not len(self._batch):
            batch = next(self._batches, None)
            if batch is None:
                return 0
            self._batch = batch
        return len(self._batch)

    def take(self, count: int) -> pa.Table:
        """The next rows."""
        taken, self._batch = self._batch.slice(0, count), self._batch.slice(count)
        return taken


def _batches(files: Sequence[File], columns: Sequence[str], stack: ExitStack) -> Iterator[pa.Table]:
    for file in files:
        opened = stack.enter_context(pq.ParquetFile(file.path))
        for batch in opened.iter_batches(_BATCH, columns=list(columns)):
            # What Parquet files call a column is told by the caller, whatever order the reader gives.
            yield pa.Table.from_batches([batch]).select(list(columns))

"""A history that does not fit in memory: in a file by blocks of entities, a few of which are in memory at a time.

Entities are numbers, so those of a block are neighbours, and the chunks that are put in order one after another are
those that a sort of the whole history would come to.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from beam_pipeline.history.arrow_arrays import MOST_BYTES, numbers
from beam_pipeline.history.sorted_partitions import Rows
from beam_pipeline.session.block_file import BlockFile, write_behind
from beam_pipeline.session.pieces import gathered, passed_on, tables_of
from beam_pipeline.windows.contract import Int64s
from daeda.sql.statements import ENTITY
from daeda.sql.streamed import Stream

_LEAST_BLOCKS, _MOST_BLOCKS = 64, 2_048


@dataclass(frozen=True)
class Unfinished:
    """Rows of a history that take more than there is room for: those that were read, and the stream of the others."""

    batches: list[pa.RecordBatch]
    stream: Stream

    def pieces(self, nbytes: int) -> Iterator[pa.Table]:
        """All rows in tables of so many bytes, at least one; what was read is let go of."""
        stream = self.stream
        return gathered(tables_of(passed_on(self.batches, stream.batches), stream.schema), nbytes)


@dataclass(frozen=True)
class Share:
    """Rows of the entities from `first` on, whose numbers in `rows` count from it."""

    first: int
    rows: Rows


class EntityBlocks:
    """The rows of a history in a file, each block with the entities of a range of numbers."""

    def __init__(self, directory: Path, entities: int, blocks: int) -> None:
        """`entities` are their number, and `blocks` about how many blocks they come to. The file goes at the end."""
        self._file = BlockFile(directory / f"history-{uuid.uuid4().hex[:12]}.arrow")
        self._per_block = max(1, -(-entities // max(_LEAST_BLOCKS, min(blocks, _MOST_BLOCKS))))
        self._counts = np.zeros(entities, dtype=np.int64)

    def __enter__(self) -> EntityBlocks:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.path.unlink(missing_ok=True)

    def fill(self, history: Unfinished, piece_bytes: int, threads: int) -> None:
        """Write the whole history, `piece_bytes` at a time, in a second thread where there are `threads` for it."""
        write_behind(history.pieces(piece_bytes), self._append, threads)
        self._file.finish()

    def _append(self, piece: pa.Table) -> None:
        entity = numbers(piece.column(ENTITY))
        self._counts += np.bincount(entity, minlength=len(self._counts))
        self._file.append(entity // self._per_block, piece)

    def shares(self, engine_bytes: int, copies: int, chunk_rows: int) -> list[range] | None:
        """The blocks that are taken together, in order; None where an entity, or a block, is too large for the memory.

        Together they have up to `chunk_rows` rows, and take a part of the memory that lets the largest of their
        entities be worked on, of which `copies` copies are made.
        """
        taken: list[range] = []
        for number in sorted(self._file.rows):
            if not self._fits(range(number, number + 1), engine_bytes, copies):
                return None
            wider = range(taken[-1].start, number + 1) if taken else range(number, number + 1)
            rows, nbytes = self._size(wider)
            # Together they leave half of the memory to chunks, which are many and small otherwise.
            if taken and rows <= chunk_rows and 4 * nbytes <= engine_bytes and self._fits(wider, engine_bytes, copies):
                taken[-1] = wider
            else:
                taken.append(range(number, number + 1))
        return taken

    def _fits(self, blocks: range, engine_bytes: int, copies: int) -> bool:
        rows, nbytes = self._size(blocks)
        if 2 * nbytes >= engine_bytes or nbytes > MOST_BYTES:
            return False
        largest = int(self._counts[blocks.start * self._per_block : blocks.stop * self._per_block].max(initial=0))
        return largest <= fitting_rows(rows, nbytes, nbytes, engine_bytes, copies)

    def nbytes(self, blocks: range) -> int:
        """Bytes of the rows of these blocks."""
        return self._size(blocks)[1]

    def _size(self, blocks: range) -> tuple[int, int]:
        """Rows and bytes of these blocks."""
        rows, nbytes = self._file.rows, self._file.nbytes
        return sum(rows.get(block, 0) for block in blocks), sum(nbytes.get(block, 0) for block in blocks)

    def read(self, shares: Sequence[range]) -> Iterator[Share]:
        """The rows of each share."""
        reader = self._file.reader()
        for blocks in shares:
            found = reader.read(blocks)
            first = blocks.start * self._per_block
            entity: Int64s = numbers(found.column(ENTITY)) - first
            columns = {name: found.column(name) for name in found.column_names if name != ENTITY}
            yield Share(first, Rows(columns, None, entity, self.nbytes(blocks)))


def fitting_rows(rows: int, nbytes: int, beside: int, engine_bytes: int, copies: int) -> int:
    """How many of so many rows, of `nbytes` bytes, the engine may work on at once; at least one.

    There are `beside` bytes of rows in memory, and their order takes as much again.
    """
    room = (engine_bytes - 2 * beside) // copies
    return max(1, room * max(rows, 1) // max(nbytes, 1))

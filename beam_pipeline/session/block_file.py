"""Rows in a file, by the block that they belong to: what comes in together is cut into its blocks, and appended.

    block                 0          1          2
    comes in first     batch 0    batch 1    batch 2
    comes in next      batch 3       -       batch 4

So rows are brought together without being sorted as a whole, and without more than a block of them in memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Piece = TypeVar("Piece")

# Numbers of blocks of so many bits are sorted by counting.
_COUNTED_BITS = 16


class BlockFile:
    """A file of Arrow's IPC format: first filled with `append`, then closed by `finish`, then read.

    Raises OSError with the path of the file where the file system refuses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # The record batches of each block, and its rows and bytes.
        self.batches: dict[int, list[int]] = {}
        self.rows: dict[int, int] = {}
        self.nbytes: dict[int, int] = {}
        self.schema: pa.Schema | None = None
        self._written = 0
        self._writer: pa.ipc.RecordBatchFileWriter | None = None

    def append(self, block: npt.NDArray[np.int64], rows: pa.Table) -> None:
        """Write some rows, which may be none; `block` is the number, from 0, of the block of each."""
        with _errors_about(self.path):
            if self._writer is None:
                self.schema = rows.schema
                self.path.parent.mkdir(exist_ok=True)
                self._writer = pa.ipc.new_file(pa.OSFile(str(self.path), "wb"), rows.schema)
            if not len(block):
                return
            if bool((block[1:] < block[:-1]).any()):
                counted = int(block.max()) >> _COUNTED_BITS == 0
                order = np.argsort(block.astype(np.uint16) if counted else block, kind="stable")
                block, rows = block[order], rows.take(pa.array(order))
            starts = np.flatnonzero(np.diff(block, prepend=-1)).tolist()
            for first, last in zip(starts, [*starts[1:], len(block)], strict=True):
                number = int(block[first])
                for batch in rows.slice(first, last - first).combine_chunks().to_batches():
                    self.batches.setdefault(number, []).append(self._written)
                    self.rows[number] = self.rows.get(number, 0) + batch.num_rows
                    self.nbytes[number] = self.nbytes.get(number, 0) + batch.nbytes
                    self._writer.write_batch(batch)
                    self._written += 1

    def finish(self) -> None:
        """Close the file: it is read from then on."""
        assert self._writer is not None
        with _errors_about(self.path):
            self._writer.close()

    def reader(self, names: Sequence[str] | None = None) -> BlockReader:
        """Reads these columns, or all; not from several threads at once."""
        assert self.schema is not None
        fields = None if names is None else [self.schema.get_field_index(name) for name in names]
        with _errors_about(self.path):
            options = pa.ipc.IpcReadOptions(included_fields=fields)
            return BlockReader(self, pa.ipc.open_file(pa.OSFile(str(self.path)), options=options))


class BlockReader:
    """Reads blocks of a file."""

    def __init__(self, blocks: BlockFile, file: pa.ipc.RecordBatchFileReader) -> None:
        self._blocks, self._file = blocks, file

    def read(self, numbers: Sequence[int]) -> pa.Table:
        """The rows of these blocks, one block behind the other, those of each as they came in."""
        with _errors_about(self._blocks.path):
            batches = [
                self._file.get_batch(batch) for block in numbers for batch in self._blocks.batches.get(block, ())
            ]
        return pa.Table.from_batches(batches, schema=self._file.schema)


def write_behind(pieces: Iterable[Piece], write: Callable[[Piece], None], threads: int) -> None:
    """Write each piece while the next one is made, where there are two threads for that; raises what either raises."""
    if threads < 2:
        for piece in pieces:
            write(piece)
        return
    with ThreadPoolExecutor(1, "spill") as behind:
        writing: Future[None] | None = None
        for piece in pieces:
            if writing is not None:
                writing.result()
            writing = behind.submit(write, piece)
        if writing is not None:
            writing.result()


@contextmanager
def _errors_about(path: Path) -> Iterator[None]:
    """Arrow's errors of a file name no path."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error

"""The batches of an epoch, one after another, made ahead of whoever trains."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from daeda_data.loader.batch import Batch, Piece, joined
from daeda_data.loader.read_ahead import ReadAhead

if TYPE_CHECKING:
    from daeda_data.loader.reading import Block
    from daeda_data.loader.settings import Settings
    from daeda_data.loader.state import State

# The window whose rows are given, and the one that is read meanwhile.
_WINDOWS = 2


class Batches(Iterator[Batch]):
    """An iterator of the batches of one epoch, or of one worker's share of it.

        with data.batches(4096, shuffle_seed=7, epoch=epoch) as batches:
            for batch in batches:
                step(batch["price"], batch["bought_7d"])

    Three threads read and prepare what comes next. They end with the epoch, at `close` or the end of a `with`, and when
    nobody has the iterator any more. An exception in them is raised by `next`. Threads that share the iterator have
    each batch once, and all of them the end.
    """

    def __init__(self, blocks: Generator[Block], state: State, rows: int, end: int, settings: Settings) -> None:
        self.epoch = state.epoch
        self.rows = rows
        self._state = state
        self._process = os.getpid()
        left = max(0, end - state.rows) / settings.batch_rows
        self._batches = math.floor(left) if settings.drop_last else math.ceil(left)
        # How many batches were given, and of how many rows with those before: set at once, whoever interrupts.
        self._given = (0, state.rows)
        made = _made(blocks, state, settings.batch_rows, self._batches)
        self._ahead = ReadAhead(made, min(settings.read_ahead, self._batches) + 1, "daeda-batches")
        # Held while a batch is waited for: only `close` comes past it.
        self._giving = threading.Lock()

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Batch:
        if os.getpid() != self._process:
            raise RuntimeError("an iterator of batches belongs to the process that opened it: open one in each process")
        with self._giving:
            number, rows = self._given
            batch = self._ahead.item(number)
            # Nothing is called from here on, so that no interrupt comes between; who asked has the batch alone.
            self._given, self._ahead.came = (number + 1, rows + batch.rows), (number, [])
        return batch

    @property
    def batches_left(self) -> int:
        """How many batches it gives yet."""
        return self._batches - self._given[0]

    def state(self) -> dict[str, Any]:
        """Where the iterator stands behind the batch that it gave last, for `resume`, in this process or another one.

        It is small, and `json.dumps` takes it.
        """
        return replace(self._state, rows=self._given[1]).as_json()

    def close(self) -> None:
        """End the threads and close the files; `next` gives nothing any more."""
        self._ahead.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an iterator of batches cannot be copied or pickled: `state()` says where it stands, and "
            "`batches(..., resume=state)` goes on from there, in this process or another one"
        )

    def __enter__(self) -> Batches:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Batches(epoch {self.epoch}: {self._given[1]:,} of {self.rows:,} rows given)"


def _made(blocks: Generator[Block], state: State, batch_rows: int, count: int) -> Generator[Batch]:
    """So many batches, the last one with the rows that are left; the next window is read meanwhile."""
    if not count:
        return
    given, number = state.rows, 0
    pieces: list[Piece] = []
    rows = 0
    with closing(ReadAhead(blocks, _WINDOWS, "daeda-windows")) as read:
        for block in read:
            first = block.begin
            while first < block.rows:
                last = min(block.rows, first + batch_rows - rows)
                pieces.append(block.piece(first, last))
                rows += last - first
                first = last
                if rows < batch_rows:
                    continue
                given, number = given + rows, number + 1
                yield joined(pieces, replace(state, rows=given).as_json())
                pieces, rows = [], 0
                if number == count:
                    return
    if pieces:
        yield joined(pieces, replace(state, rows=given + rows).as_json())

"""The loader: what is read, of which columns, in which order; it opens iterators over an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daeda.errors import InputError, UsageError
from daeda_data.loader import row_kernel, run_kernel
from daeda_data.loader.batches import Batches
from daeda_data.loader.choice import Choice, Vector, Wanted, choose
from daeda_data.loader.memory import Memory
from daeda_data.loader.order import Order, rows_of_worker
from daeda_data.loader.parts import PartReader, Parts
from daeda_data.loader.reading import Blocks, dimension_of
from daeda_data.loader.settings import Settings, is_whole, of_python
from daeda_data.loader.state import State


@dataclass(frozen=True)
class Loader:
    """Published days as batches; it can be pickled, and reads nothing by itself."""

    parts: Parts
    choice: Choice
    dimensions: Mapping[str, int]
    settings: Settings

    @staticmethod
    def of(parts: Parts, wanted: Wanted, settings: Settings) -> Loader:
        """The loader of columns; raises UsageError with a sentence for each mistake in what was asked for."""
        mistakes = list(settings.mistakes())
        try:
            choice = choose(parts.schema, wanted)
        except UsageError as error:
            raise UsageError(*mistakes, *error.sentences) from None
        if mistakes:
            raise UsageError(*mistakes)
        return Loader(parts, choice, _dimensions(parts, choice), settings)

    def open(
        self, epoch: int, workers: tuple[int, int], resume: Mapping[str, Any] | None = None, *, threads: bool = True
    ) -> Batches:
        """The batches of a worker in an epoch, behind those that `resume` has had."""
        worker, count = _checked_workers(workers)
        epoch = of_python(epoch)
        if not is_whole(epoch) or epoch < 0:
            raise UsageError(f"epoch is {epoch!r}, and not a whole number from 0")
        state = self._state(epoch, worker, count)
        if resume is not None:
            before = State.read(resume)
            before.check_same(state)
            if epoch not in (0, before.epoch):
                raise UsageError(f"epoch is {epoch}, and resume goes on in epoch {before.epoch}: leave one of them out")
            state = before
        window = self.settings.window_rows
        order = Order(self.settings.shuffle_seed, window, state.epoch, worker, count)
        segments = rows_of_worker(self.parts.row_groups, order)
        rows = sum(segment.rows for segment in segments)
        if state.rows > rows:
            raise InputError(f"resume: {state.rows:,} rows were given, and the worker has {rows:,}")
        # Made by whoever asks, before there are threads: in a process that is forked meanwhile it would never be.
        run_kernel.kernel()
        row_kernel.kernel()
        blocks = Blocks(self.parts, self.choice, self.dimensions, threads=threads)
        # Where the last batch is dropped all workers give equally many, whoever has a row more.
        end = self.parts.rows // count if self.settings.drop_last else rows
        return Batches(blocks.read(segments, order, state.rows), state, rows, end, self.settings)

    def _state(self, epoch: int, worker: int, workers: int) -> State:
        days = [file.day for file in self.parts.files]
        seed = self.settings.shuffle_seed
        return State(
            data=self.parts.digest,
            days=f"{days[0]}..{days[-1]} ({len(set(days))})",
            seed=seed,
            window_rows=None if seed is None else self.settings.window_rows,
            workers=(worker, workers),
            columns=tuple(self.choice.described()),
            vocabulary=self.choice.vocabulary,
            epoch=epoch,
            rows=0,
        )


def _checked_workers(workers: tuple[int, int]) -> tuple[int, int]:
    given: Sequence[Any] = [*map(of_python, workers)] if isinstance(workers, tuple | list) else ()
    if len(given) != 2 or not all(map(is_whole, given)) or not 0 <= given[0] < given[1]:
        raise UsageError(
            f"workers is {workers!r}: the number of this worker, from 0, and how many there are, as in workers=(0, 4)"
        )
    return given[0], given[1]


def _dimensions(parts: Parts, choice: Choice) -> dict[str, int]:
    """The dimension of each column of vectors: that of the first one in the data."""
    return {column.name: _dimension(parts, column.name) for column in choice.columns if isinstance(column, Vector)}


def _dimension(parts: Parts, name: str) -> int:
    def found() -> Iterator[int]:
        reader = PartReader(parts, [name], (), Memory(1), threads=False)
        try:
            for group in parts.row_groups:
                yield dimension_of(reader.read(group)[name])
        finally:
            reader.close()

    return next(filter(None, found()), 0)

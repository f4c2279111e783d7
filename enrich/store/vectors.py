"""Where the vectors of a part come from: read once for a day and shared, or read batch by batch.

Both cast the same rows to float16 in the same way, and so give the same bytes.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from daeda.dataset.stores import StoreIdentity
from daeda.errors import DayError
from daeda.storage.location import is_object
from enrich.arrays import ABSENT, Halves, Positions
from enrich.store.id_index import IntegerIds, RowMap, TextIds, pick
from enrich.store.shared_memory import Location, SharedMemory, Slot
from enrich.store.store import EmbeddingStore, TakenVectors, reopen_store

# Vectors that are copied at a time.
COPY_ROWS = 4_096


class VectorSource(Protocol):
    """Where a part's vectors come from."""

    def fetch(self, ids: pa.Array) -> tuple[Positions, Halves]:
        """For each id its row in the returned matrix (any, dimension), -1 where the store has no vector."""
        ...


@dataclass(frozen=True, eq=False)
class DayVectors:
    """All vectors that a day needs, in memory: a VectorSource.

    `positions[i]` is the row of `matrix` that holds the vector of the i-th id, -1 where the store holds NULL; `rows[i]`
    is the row of the store that row i of `matrix` came from, ascending, where that is of use. Its arrays pickle without
    copies, for `ray.put`; those that lie in `memory`, which is given up with them, pickle as what other processes of
    this host map.
    """

    ids: IntegerIds | TextIds
    positions: Positions
    matrix: Halves
    rows: Positions | None = None
    shared: SharedVectors | None = None
    memory: SharedMemory | None = None

    @classmethod
    def load(
        cls,
        store: EmbeddingStore,
        row_map: RowMap,
        ids: pa.Array,
        memory: SharedMemory | None = None,
        before: DayVectors | None = None,
    ) -> DayVectors:
        """Read the vectors of `ids` once, into `memory` where there is some. DayError when a value does not fit in
        float16.

        Those that another day has of the same version of the store are copied from the vectors `before`.
        """
        needed = row_map.restrict(ids)
        order = np.argsort(needed.rows)
        rows = needed.rows[order].astype(np.int64)
        shape = (len(rows), store.dimension)
        matrix, slot = (np.empty(shape, np.float16), None) if memory is None else memory.array(shape, np.float16)
        present = _fill(store, rows, matrix, before)
        positions = np.empty(len(needed), np.int64)
        positions[order] = np.where(present, np.arange(len(needed)), ABSENT)
        shared = None
        if memory is not None and slot is not None:
            shared = SharedVectors.of(needed.ids, positions, slot, store.dimension, memory)
        return cls(needed.ids, positions, matrix, rows, shared, memory)

    @property
    def nbytes(self) -> int:
        """Bytes of the vectors."""
        return self.matrix.nbytes

    def rows_of(self, ids: pa.Array) -> Positions:
        """The row of `matrix` for each id, -1 for none."""
        return pick(self.positions, self.ids.find(ids))

    def fetch(self, ids: pa.Array) -> tuple[Positions, Halves]:
        """See VectorSource; the matrix is always the whole one."""
        return self.rows_of(ids), self.matrix

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        if self.shared is not None:
            return SharedVectors, self.shared.described
        return DayVectors, (self.ids, self.positions, self.matrix)


def _fill(store: EmbeddingStore, rows: Positions, matrix: Halves, before: DayVectors | None) -> npt.NDArray[np.bool_]:
    """Fill the matrix with the vectors of ascending rows; which of them the store has."""
    present = np.empty(len(rows), np.bool_)
    if before is None or before.rows is None or not len(before.rows) or not len(rows):
        store.take_vectors(rows, TakenVectors(matrix, present))
        return present
    at = np.minimum(np.searchsorted(before.rows, rows), len(before.rows) - 1)
    known = before.rows[at] == rows
    there = np.zeros(len(before.rows), np.bool_)
    there[before.positions[before.positions >= 0]] = True
    present[known] = there[at[known]]
    copied = np.flatnonzero(known)
    for start in range(0, len(copied), COPY_ROWS):
        block = copied[start : start + COPY_ROWS]
        matrix[block] = before.matrix[at[block]]
    left = np.flatnonzero(~known)
    if len(left):
        store.take_vectors(rows[left], TakenVectors(matrix, present), left)
    return present


@dataclass(frozen=True, eq=False)
class SharedVectors:
    """DayVectors in the memory of another process of this host: a VectorSource that maps them when they are needed.

    `index` is the pickled ids and positions, whose arrays are at `slots`; the matrix, of vectors of so many elements,
    is at `matrix`.
    """

    location: Location
    matrix: Slot
    dimension: int
    index: bytes
    slots: tuple[Slot, ...]

    @classmethod
    def of(
        cls, ids: IntegerIds | TextIds, positions: Positions, matrix: Slot, dimension: int, memory: SharedMemory
    ) -> SharedVectors:
        """Put the index beside the matrix, which is in the memory."""
        arrays: list[pickle.PickleBuffer] = []
        index = pickle.dumps((ids, positions), protocol=5, buffer_callback=arrays.append)
        return cls(memory.location, matrix, dimension, index, tuple(memory.keep(array.raw()) for array in arrays))

    @property
    def described(self) -> tuple[object, ...]:
        """What another process makes it of."""
        return self.location, self.matrix, self.dimension, self.index, self.slots

    @cached_property
    def mapped(self) -> DayVectors:
        """The vectors. DayError where they cannot be mapped."""
        memory = self.location.map()
        ids, positions = pickle.loads(self.index, buffers=[_bytes_at(memory, slot) for slot in self.slots])
        matrix = np.frombuffer(_bytes_at(memory, self.matrix), np.float16).reshape(-1, self.dimension)
        return DayVectors(ids, positions, matrix)

    def fetch(self, ids: pa.Array) -> tuple[Positions, Halves]:
        """See VectorSource; the matrix is always the whole one."""
        return self.mapped.fetch(ids)


def shared_of(sources: Mapping[str, VectorSource]) -> dict[str, VectorSource]:
    """Those of the vectors whose memory this process shares with others."""
    return {
        name: source for name, source in sources.items() if isinstance(source, DayVectors) and source.memory is not None
    }


def _bytes_at(memory: memoryview, slot: Slot) -> memoryview:
    return memory[slot.start : slot.start + slot.size]


@dataclass(frozen=True, eq=False)
class BatchedVectors:
    """A VectorSource that reads the vectors of each batch from the store; `row_map` may be restricted to the day."""

    store: EmbeddingStore
    row_map: RowMap

    def fetch(self, ids: pa.Array) -> tuple[Positions, Halves]:
        """See VectorSource; the matrix holds the vectors of these ids alone."""
        rows = self.row_map.lookup_rows(ids)
        distinct, inverse = np.unique(rows, return_inverse=True)
        absent = int(len(distinct) > 0 and distinct[0] == ABSENT)
        taken = self.store.take_vectors(distinct[absent:])
        positions = np.where(taken.present, np.arange(len(taken.matrix)), ABSENT)
        return np.concatenate((np.full(absent, ABSENT), positions))[inverse], taken.matrix

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return TravelledVectors, (self.store.declared, self.row_map)


@dataclass(frozen=True, eq=False)
class TravelledVectors:
    """A BatchedVectors that came from another process: a VectorSource that opens its store when it is first needed.

    What is raised while something is unpickled gets to Ray, which hides its sentence; what a part raises does not.
    """

    declared: tuple[str, str, str, str, int, StoreIdentity]
    row_map: RowMap

    @cached_property
    def _opened(self) -> BatchedVectors:
        name, path, *_ = self.declared
        if not is_object(path) and not Path(path).exists():
            raise DayError(
                f"embedding store '{name}': {path} is not seen there, and was where the run began: stores must lie on "
                "storage that every worker reaches by the same path, and stay while the run is at work"
            )
        return BatchedVectors(reopen_store(*self.declared), self.row_map)

    def fetch(self, ids: pa.Array) -> tuple[Positions, Halves]:
        """See VectorSource. DayError where the store is not seen from here, is gone, or is another one by now."""
        return self._opened.fetch(ids)

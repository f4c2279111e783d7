"""Where the vectors of a part come from: read once for a day and shared, or read batch by batch.

Both cast the same rows to float16 in the same way, and so give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa

from daeda.dataset.stores import StoreIdentity
from enrich.arrays import ABSENT, Halves, Positions
from enrich.store.id_index import IntegerIds, RowMap, TextIds, pick
from enrich.store.store import EmbeddingStore, reopen_store


class VectorSource(Protocol):
    """Where a part's vectors come from."""

    def fetch(self, ids: pa.Array) -> tuple[Positions, Halves]:
        """For each id its row in the returned matrix (any, dimension), -1 where the store has no vector."""
        ...


@dataclass(frozen=True, eq=False)
class DayVectors:
    """All vectors that a day needs, in memory: a VectorSource whose arrays pickle without copies, for `ray.put`.

    `positions[i]` is the row of `matrix` that holds the vector of the i-th id, -1 where the store holds NULL.
    """

    ids: IntegerIds | TextIds
    positions: Positions
    matrix: Halves

    @classmethod
    def load(cls, store: EmbeddingStore, row_map: RowMap, ids: pa.Array) -> DayVectors:
        """Read the vectors of `ids` once. DayError when a value does not fit in float16."""
        needed = row_map.restrict(ids)
        order = np.argsort(needed.rows)
        taken = store.take_vectors(needed.rows[order].astype(np.int64))
        positions = np.empty(len(needed), np.int64)
        positions[order] = np.where(taken.present, np.arange(len(needed)), ABSENT)
        return cls(needed.ids, positions, taken.matrix)

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
        return BatchedVectors(reopen_store(*self.declared), self.row_map)

    def fetch(self, ids: pa.Array) -> tuple[Positions, Halves]:
        """See VectorSource. DayError where the store is gone, or another one by now."""
        return self._opened.fetch(ids)

"""The stores of a run and the vectors of its days: read once and shared where they fit, batch by batch elsewhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from daeda.catalog.project import Project
from daeda.dataset.stores import Stores
from daeda.errors import InputError, counted, shortened
from daeda.operators.dag import Dag
from daeda.operators.udf import RayUdfTransform, StoreRef
from daeda.process.messages import say, warn
from daeda.sources.local import preparation_hint
from enrich.part.pooling import Element
from enrich.part.skeleton import needed_ids
from enrich.part.task import VectorColumn
from enrich.ray.limits import GIB, RayLimits
from enrich.store.id_index import RowMap
from enrich.store.shared_memory import SharedMemory
from enrich.store.store import EmbeddingStore, open_store, reopen_store
from enrich.store.vectors import BatchedVectors, DayVectors, VectorSource

# The rest of the object store holds the ids beside the vectors, and what Ray Data and its actors put there; a store
# that is full spills to disk.
STORE_SHARE_PERCENT = 75
_POSITION_BYTES = 8


@dataclass(frozen=True)
class DayNeeds:
    """What a day takes from each store: ids, the part of the row map that has them, and bytes of their vectors."""

    day: dt.date
    ids: dict[str, pa.Array] = field(default_factory=dict)
    rows: dict[str, RowMap] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of all vectors, and of the ids and positions beside them."""
        return sum(self.sizes.values()) + sum(rows.nbytes + len(rows) * _POSITION_BYTES for rows in self.rows.values())


class Preload:
    """Stores of a run, opened once, and the rows of their ids; `pinned` are those that the run was planned for."""

    def __init__(self, project: Project, dag: Dag, pinned: Stores | None = None) -> None:
        self._columns = vector_columns(dag)
        self._declared = {operator.store.name: operator.store for operator in dag.enrichments}
        self._paths = {name: project.data_path(ref.path) for name, ref in self._declared.items()}
        self._pinned = pinned
        self._wanted = project.runtime.ray.preload_day_embeddings
        self._room = 0
        self._shares = False
        self._stores: dict[str, EmbeddingStore] = {}
        self._maps: dict[str, RowMap] = {}

    def give_room(self, limits: RayLimits) -> None:
        """From now on vectors are loaded that fit in the object store: on a cluster, in that of each node. Where all
        actors are on this host, they lie in memory of their own, for which the same ceiling holds.
        """
        self._room = limits.object_store_bytes * STORE_SHARE_PERCENT // 100
        self._shares = not limits.nodes

    def open(self) -> None:
        """Open the stores and read their ids; InputError when one is not as declared, DayError when it was replaced."""
        self.open_for(self._columns)

    def open_for(self, columns: Iterable[VectorColumn]) -> None:
        """Open the stores, and read the ids of those that these columns are made of."""
        for name, ref in self._declared.items():
            self._stores[name] = open_declared(ref, self._paths[name], self._pinned)
        for name in sorted({column.store for column in columns}):
            self._maps[name] = self._stores[name].row_map()

    @property
    def identities(self) -> Stores:
        """What was opened."""
        return {name: store.identity for name, store in self._stores.items()}

    def close(self) -> None:
        """Give up what is being read."""
        for store in self._stores.values():
            store.close()

    def needs(self, day: dt.date, parts: Sequence[Path], wanted: Sequence[VectorColumn] | None = None) -> DayNeeds:
        """What the parts of a skeleton day need for the columns that are `wanted`, or for all of them."""
        needs = DayNeeds(day)
        of_day = self._columns if wanted is None else wanted
        for name, store in self._stores.items():
            columns = [column for column in of_day if column.store == name]
            if not columns:
                continue
            if name not in self._maps:
                self._maps[name] = store.row_map()
            needs.ids[name] = needed_ids(parts, columns)
            needs.rows[name] = self._maps[name].restrict(needs.ids[name])
            needs.sizes[name] = len(needs.rows[name]) * store.dimension * 2
            asked = len(needs.ids[name])
            if asked and not len(needs.rows[name]):
                warn(
                    f"day {day}: embedding store '{name}' has none of its {counted(asked, 'id')}, and all of "
                    f"its vectors are NULL: see whether '{store.id_column}' holds the ids of "
                    f"{shortened([column.source for column in columns])}",
                    day=day,
                    half="enriched",
                )
        return needs

    def fits_beside(self, needs: DayNeeds, used: int) -> bool:
        """Whether the whole day can be loaded while `used` bytes of another day are in use."""
        return self._wanted and used + needs.nbytes <= self._room

    def load(self, needs: DayNeeds, before: Mapping[str, VectorSource] | None = None) -> dict[str, VectorSource]:
        """The vectors, store by store while there is room; the others are read by the actors, which is said.

        What the vectors `before`, of another day, have of them is copied, and not read again.
        """
        sources: dict[str, VectorSource] = {}
        room = self._room
        for name, size in needs.sizes.items():
            store = self._stores[name]
            if self._wanted and size <= room:
                known = None if before is None else before.get(name)
                sources[name] = DayVectors.load(
                    store,
                    self._maps[name],
                    needs.ids[name],
                    SharedMemory.make() if self._shares else None,
                    known if isinstance(known, DayVectors) else None,
                )
                room -= size
                continue
            if self._wanted:
                say(
                    f"day {needs.day}: the vectors of embedding store '{name}' take {_size(size)} and the object store "
                    f"has {_size(room)} left for them: they are read batch by batch",
                    day=needs.day,
                    half="enriched",
                )
            sources[name] = BatchedVectors(store, needs.rows[name])
        return sources


def vector_columns(dag: Dag) -> tuple[VectorColumn, ...]:
    """The embedding columns, in the order of their operators."""
    return tuple(
        VectorColumn(
            udf.column, udf.kind, udf.source, udf.store.name, udf.store.dimension, udf.normalize, _element(dag, udf)
        )
        for udf in dag.enrichments
    )


def _element(dag: Dag, udf: RayUdfTransform) -> Element:
    half = dag.relations[udf.output].column(udf.column).dtype.holds_half
    return "halffloat" if half else "float"


def open_declared(ref: StoreRef, path: str, pinned: Stores | None = None) -> EmbeddingStore:
    """Open a store at the version that the DAG declares; InputError says how to make one that is absent.

    A store that is `pinned` is opened by its number, whatever a tag says by now; DayError when it is another one.
    """
    if pinned is not None and ref.name in pinned:
        return reopen_store(ref.name, path, ref.id_column, ref.vector_column, ref.dimension, pinned[ref.name])
    if "://" not in path and not Path(path).exists():
        raise InputError(f"embedding store '{ref.name}': {path} does not exist: {preparation_hint(path)}")
    return open_store(ref.name, path, ref.id_column, ref.vector_column, ref.dimension, ref.version)


def _size(count: int) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB // 10 else f"{count / 1024**2:.1f} MiB"

"""The embedding store: one pinned version of a Lance dataset, its ids, and its vectors by their rows.

The ids are mapped to rows once per run (`RowMap`); `store.vectors` says how a day then takes its vectors.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import lance
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daeda.dataset.stores import StoreIdentity
from daeda.errors import DaedaError, DayError, InputError, did_you_mean, shortened
from daeda.storage.location import is_object
from enrich.arrays import Halves, Integers, Positions
from enrich.store.id_index import RowMap, is_text, map_integers, map_texts
from enrich.store.versions import (
    LANCE_ERRORS,
    content_digest,
    find_lost_file,
    open_version,
    reason_of,
    why_not_append_only,
)

# Sorted takes were fastest between 1 and 4 MiB of vectors.
TAKE_BYTES = 2 * 1024**2
# Of a store on object storage four threads hide the latency. On a disk, more threads than cores took up to twice as
# long: they waited for each other wherever memory was given out.
TAKE_THREADS = 4
# Rows of a batch of ids: with Lance's own 8,192 a scan took three times as long.
SCAN_ROWS = 131_072
MOST_EXAMPLES = 3
# What is said of a vector that cannot be one of float16.
OVERFLOW = "and float16, in which vectors are loaded, ends at 65504; scale the vectors of the store"
PARTLY_NULL = "has elements that are NULL; write a number for each, or NULL for the whole vector"


class TakenVectors(NamedTuple):
    """Vectors in the order of the rows asked for; a row that is not `present` is NULL in the store and zero here."""

    matrix: Halves
    present: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class EmbeddingStore:
    """An open store. It pickles as its declaration with the version's number and the digest of its content, and is
    opened again where it arrives, if it is still the same.
    """

    name: str
    path: str
    id_column: str
    vector_column: str
    dimension: int
    dataset: lance.LanceDataset
    content: str
    closed: threading.Event = field(default_factory=threading.Event)

    def close(self) -> None:
        """Give up what other threads are reading: a process that ends would wait for it. Their result is void."""
        self.closed.set()

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return reopen_store, self.declared

    @property
    def declared(self) -> tuple[str, str, str, str, int, StoreIdentity]:
        """What `reopen_store` takes."""
        return self.name, self.path, self.id_column, self.vector_column, self.dimension, self.identity

    @property
    def version(self) -> int:
        """The number of the pinned version, also where a tag named it."""
        return self.dataset.version

    @property
    def identity(self) -> StoreIdentity:
        """What decides the vectors that a day gets."""
        return StoreIdentity(self.version, self.content)

    @property
    def id_type(self) -> pa.DataType:
        """The Arrow type of the ids."""
        return _plain(self.dataset.schema.field(self.id_column).type)

    @contextlib.contextmanager
    def _reading(self, kind: type[DaedaError]) -> Iterator[None]:
        """What Lance cannot read becomes one sentence; what it says of its own source files is left out."""
        try:
            yield
        except (*LANCE_ERRORS, pa.ArrowException) as error:
            raise kind(
                f"embedding store '{self.name}': {self.dataset.uri} cannot be read ({reason_of(error)}): bring its "
                "files back, or write the store again"
            ) from error

    def row_map(self) -> RowMap:
        """Read all ids. InputError when ids occur more than once and no row of them is the last one written."""
        if pa.types.is_integer(self.id_type):
            keys, rows = self._read_integers()
            count = len(keys)
            row_map = map_integers(keys, rows)
        else:
            column = self._read_ids()
            rows = np.flatnonzero(column.is_valid().to_numpy())
            count = len(rows)
            row_map = map_texts(column.drop_null(), rows)
        if len(row_map) < count and (reason := why_not_append_only(self.dataset)):
            raise InputError(self._duplicates(reason))
        return row_map

    def check(self) -> None:
        """See what can be known without reading a vector: InputError for a store without rows, one that has lost a
        file, and for ids that occur more than once where no row of them is the last one written.

        The ids are read where the history leaves that open, and nowhere else.
        """
        where = f"embedding store '{self.name}': version {self.version} of {self.path}"
        lost = find_lost_file(self.dataset, self.path)
        if lost is not None:
            raise InputError(f"{where} {lost}: bring the file back, or pin a version that is whole")
        if self.dataset.count_rows() == 0:
            raise InputError(f"{where} has no rows, and every vector would be NULL: write its rows, or pin another")
        if why_not_append_only(self.dataset):
            self.row_map()

    def _read_ids(self) -> pa.ChunkedArray:
        with self._reading(InputError):
            table = self.dataset.scanner(columns=[self.id_column], scan_in_order=True).to_table()
        return table.column(0).cast(self.id_type)

    def _read_integers(self) -> tuple[Integers, Positions | None]:
        """All ids but NULLs in the order of the rows, batch by batch into one array; their rows where some are NULL."""
        valid: list[Positions] = []
        end = at = 0
        with self._reading(InputError):
            count = self.dataset.count_rows()
            keys: Integers = np.empty(count, np.uint64) if self.id_type == pa.uint64() else np.empty(count, np.int64)
            scanner = self.dataset.scanner(columns=[self.id_column], scan_in_order=True, batch_size=SCAN_ROWS)
            for batch in scanner.to_batches():
                column = batch.column(0).cast(self.id_type)
                if column.null_count and not valid:
                    valid.append(np.arange(at))
                if valid:
                    valid.append(at + np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False)))
                some = column.drop_null()
                keys[end : end + len(some)] = some.to_numpy()
                end, at = end + len(some), at + len(column)
        return keys[:end], np.concatenate(valid) if valid else None

    def take_vectors(
        self, rows: Positions, into: TakenVectors | None = None, places: Positions | None = None
    ) -> TakenVectors:
        """The vectors of ascending, distinct rows, as float16. DayError when a value does not fit in float16.

        They are written to arrays that are given, one after another, or each in its place.
        """
        taken = into or TakenVectors(np.empty((len(rows), self.dimension), np.float16), np.empty(len(rows), np.bool_))
        width = self.dataset.schema.field(self.vector_column).type.value_type.bit_width // 8
        step = max(1, TAKE_BYTES // (width * self.dimension))

        def fill(start: int) -> None:
            if self.closed.is_set():
                return
            block = slice(start, start + step)
            with self._reading(DayError):
                table = self.dataset.take(pa.array(rows[block]), columns=[self.vector_column])
            column = table.column(0).combine_chunks()
            if places is None:
                broken = _cast_block(column, taken.matrix[block], taken.present[block])
            else:
                some = TakenVectors(
                    np.empty((len(column), self.dimension), np.float16), np.empty(len(column), np.bool_)
                )
                broken = _cast_block(column, *some)
                taken.matrix[places[block]], taken.present[places[block]] = some
            if broken is not None:
                raise DayError(self._broken(int(rows[start + broken[0]]), broken[1]))

        threads = TAKE_THREADS if is_object(self.path) else min(TAKE_THREADS, os.cpu_count() or 1)
        with ThreadPoolExecutor(threads) as pool:
            for _done in pool.map(fill, range(0, len(rows), step)):
                pass
        return taken

    def _broken(self, row: int, how: str) -> str:
        vector_id = self.dataset.take([row], columns=[self.id_column]).column(0)[0].as_py()
        return f"embedding store '{self.name}': the vector of id {vector_id!r} {how}"

    def _duplicates(self, reason: str) -> str:
        counted = pc.value_counts(self._read_ids().drop_null())
        often = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
        examples = shortened([repr(vector_id) for vector_id in often.to_pylist()], MOST_EXAMPLES)
        return (
            f"embedding store '{self.name}': version {self.version} of {self.path} has more than one row for id "
            f"{examples}, and which was written last is unknown because {reason}; "
            "write one row per id, or pin a version that was only appended to"
        )


def open_store(
    name: str, path: str, id_column: str, vector_column: str, dimension: int, version: int | str
) -> EmbeddingStore:
    """Open and check the store that `embedding_stores.<name>` declares; `version` is a number or a tag.

    InputError when path, version, columns or dimension are not as declared.
    """
    where = f"embedding store '{name}'"
    dataset = open_version(where, path, version)
    schema = dataset.schema
    for role, column in (("id_column", id_column), ("vector_column", vector_column)):
        if column not in schema.names:
            raise InputError(f"{where}: {role} '{column}' is not in {path}; {did_you_mean(column, schema.names)}")
    id_type = _plain(schema.field(id_column).type)
    if not (pa.types.is_integer(id_type) or is_text(id_type)):
        raise InputError(f"{where}: id_column '{id_column}' is {id_type}; ids are integers or strings")
    vector_type = schema.field(vector_column).type
    if not (pa.types.is_fixed_size_list(vector_type) and pa.types.is_floating(vector_type.value_type)):
        raise InputError(
            f"{where}: vector_column '{vector_column}' is {vector_type}; "
            "vectors are a fixed-size list of float16, float32 or float64"
        )
    if vector_type.list_size != dimension:
        raise InputError(
            f"{where}: the vectors in '{vector_column}' have {vector_type.list_size} elements and the declared "
            f"dimension is {dimension}; correct the dimension, or pin a version that has it"
        )
    content = content_digest(dataset, id_column, vector_column)
    return EmbeddingStore(name, path, id_column, vector_column, dimension, dataset, content)


def reopen_store(
    name: str, path: str, id_column: str, vector_column: str, dimension: int, identity: StoreIdentity
) -> EmbeddingStore:
    """Open a store that was opened before in this run; DayError when it is gone, or another one."""
    try:
        store = open_store(name, path, id_column, vector_column, dimension, identity.version)
    except InputError as error:
        raise DayError(f"{error} (it was there when this run began)") from error
    if store.content != identity.content:
        raise DayError(
            f"embedding store '{name}': version {identity.version} of {path} is another one than when this run began: "
            "run again when nobody writes it anew"
        )
    return store


def _cast_block(
    column: pa.FixedSizeListArray, matrix: Halves, present: npt.NDArray[np.bool_]
) -> tuple[int, str] | None:
    """Fill `matrix` and `present` with one batch of vectors; the first row that is no vector of float16, and why."""
    size = column.type.list_size
    elements = column.values.slice(column.offset * size, len(column) * size)
    # The buffer holds something for NULLs too, which no conversion through pyarrow would leave in place.
    raw = np.frombuffer(elements.buffers()[1], f"f{elements.type.bit_width // 8}")
    source = raw[elements.offset : elements.offset + len(elements)].reshape(len(column), size)
    present[:] = column.is_valid().to_numpy(zero_copy_only=False)
    if elements.null_count:
        whole = elements.is_valid().to_numpy(zero_copy_only=False).reshape(source.shape).all(axis=1)
        if (present & ~whole).any():
            return int(np.flatnonzero(present & ~whole)[0]), PARTLY_NULL
    # Overflow is looked for below, where it can be told from an infinity of the store; NULLs hold any bits.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        matrix[:] = source
    if not present.all():
        matrix[~present] = 0
    if source.dtype == np.float16:
        return None
    infinite = np.isinf(matrix)
    if not infinite.any() or not (infinite & np.isfinite(source)).any():
        return None
    row, element = np.argwhere(infinite & np.isfinite(source))[0].tolist()
    return row, f"holds {source[row, element]:g}, {OVERFLOW}"


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind

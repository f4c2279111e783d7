"""The parts of published days: their footers, and their row groups, of files that are the same from first to last."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from daeda.errors import ChangedMeanwhile, InputError, first_line, refusal
from daeda.storage.client import AT_ONCE
from daeda.storage.location import is_object
from daeda_data.loader.beside import Beside
from daeda_data.loader.choice import leaves
from daeda_data.loader.list_pages import Lists, Room, chunk_of, list_columns, read_lists
from daeda_data.loader.memory import Memory
from daeda_data.loader.order import RowGroup
from daeda_data.loader.run_kernel import kernel
from daeda_data.parts import DayPart, PartState

# Files that are open at a time, each with its footer.
_MOST_OPEN = 16
# Of lists of a row group that are read while pyarrow reads the others.
_BESIDE_BYTES = 1 << 24


# The columns of a row group; a column has several arrays where its texts are more than one can hold.
Arrays: TypeAlias = Mapping[str, Sequence[pa.Array]]
# Waits for what another thread reads.
Begun: TypeAlias = Callable[[], Arrays]

_ALIKE = "build the days again, or ask for days that are alike"


@dataclass(frozen=True)
class Footer:
    """What is kept of the footer of a part: the rows of each row group."""

    rows: tuple[int, ...]


@dataclass(frozen=True)
class Parts:
    """The parts of the data in the order of their rows, with their footers, all of one schema."""

    files: tuple[DayPart, ...]
    footers: tuple[Footer, ...]
    schema: pa.Schema

    @property
    def rows(self) -> int:
        """Rows of all of them."""
        return sum(file.rows for file in self.files)

    @property
    def row_groups(self) -> list[RowGroup]:
        """All row groups in the order of their rows."""
        return [
            RowGroup(part, number, rows, file.day)
            for part, (file, footer) in enumerate(zip(self.files, self.footers, strict=True))
            for number, rows in enumerate(footer.rows)
            if rows
        ]

    @property
    def digest(self) -> str:
        """What tells this data from other: days, and the bytes of their parts in order."""
        return digest_of(self.files)


def digest_of(files: Iterable[DayPart]) -> str:
    """SHA-256 over days and digests of parts, in their order."""
    entries = [[file.day.isoformat(), file.number, file.sha256] for file in files]
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


def look_at(files: Sequence[DayPart], columns: Sequence[str]) -> Parts:
    """Read the footers, side by side; of these columns.

    Raises InputError for a part that is not as its manifest says, or of another schema, ChangedMeanwhile for another.
    """
    if not files:
        raise InputError("there is no part: name days that are published")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        looked = list(pool.map(lambda part: _look(part, columns), files))
    schema = looked[0][1]
    for file, (_, other) in zip(files, looked, strict=True):
        if not other.equals(schema):
            raise InputError(f"{file.path} is not like {files[0].path}: {_difference(schema, other)}: {_ALIKE}")
    return Parts(tuple(files), tuple(footer for footer, _ in looked), schema)


def _look(part: DayPart, columns: Sequence[str]) -> tuple[Footer, pa.Schema]:
    with _refusals(part), ExitStack() as stack:
        source = stack.enter_context(part.open())
        opened = _open(source, [], stack, is_remote=is_object(part.path))
        metadata = opened.metadata
        rows = tuple(metadata.row_group(number).num_rows for number in range(metadata.num_row_groups))
        schema = opened.schema_arrow.remove_metadata()
    if sum(rows) != part.rows:
        raise InputError(
            f"{part.path} has {sum(rows):,} rows, and its manifest says {part.rows:,}: build the day again"
        )
    missing = [name for name in columns if name not in schema.names]
    if missing:
        raise InputError(f"{part.path} has no column '{missing[0]}', which its manifest has: build the day again")
    return Footer(rows), pa.schema([schema.field(name) for name in columns])


def _difference(schema: pa.Schema, other: pa.Schema) -> str:
    pairs = ((schema.field(name), other.field(name)) for name in schema.names)
    return next(f"'{one.name}' is {two.type}, and {one.type} there" for one, two in pairs if not one.equals(two))


@dataclass(frozen=True)
class _Opened:
    """A part that is open. `lists` are the columns that are read from their pages here, and not by pyarrow.

    `side_by_side`: a thread reads these while another one reads all others.
    """

    file: pq.ParquetFile
    source: pa.NativeFile
    lists: dict[str, Lists]
    room: Room
    memory: Memory
    side_by_side: bool
    stack: ExitStack

    def begin(self, group: int, columns: Sequence[str], beside: Beside) -> Begun:
        """Have pyarrow read all but the lists of a row group in the other thread."""
        others = [name for name in columns if name not in self.lists]
        return beside.begin(lambda: self._by_pyarrow(group, others, threads=False))

    def read(self, group: int, columns: Sequence[str], beside: Beside | None, begun: Begun | None = None) -> Arrays:
        """Columns of a row group: lists here, all others by pyarrow, with threads where there is something `beside`.

        `begun` gives those that are read in the other thread.
        """
        found = {name: self._list_column(group, name) for name in columns if name in self.lists}
        lists: Arrays = {name: (column,) for name, column in found.items() if column is not None}
        for name in found.keys() - lists.keys():
            # Its other row groups are not tried either.
            del self.lists[name]
        read = {**lists, **begun()} if begun is not None else lists
        missing = [name for name in columns if name not in read]
        if begun is not None and missing and beside is not None:
            # One thread at a time has pyarrow's reader of the file.
            return {**read, **beside.begin(lambda: self._by_pyarrow(group, missing, threads=False))()}
        return {**read, **self._by_pyarrow(group, missing, threads=beside is not None)}

    def _by_pyarrow(self, group: int, columns: Sequence[str], *, threads: bool) -> Arrays:
        if not columns:
            return {}
        table = self.file.read_row_group(group, columns=columns, use_threads=threads)
        # A row group is one batch as a rule, whose columns come with fewer objects than those of a table.
        batches = table.to_batches()
        if not batches:
            return {}
        return dict(zip(table.column_names, zip(*(batch.columns for batch in batches), strict=True), strict=True))

    def _list_column(self, group: int, name: str) -> pa.Array | None:
        machine = kernel()
        chunk = chunk_of(self.file, group, self.lists[name])
        if machine is None or chunk is None:
            return None
        pages = self.room.of("pages", chunk.size)
        into, at = pages.data, chunk.start
        while len(into):
            count = os.preadv(self.source.fileno(), [into], at)
            if not count:
                return None
            into, at = into[count:], at + count
        return read_lists(pages, chunk, machine, self.room, self.memory)


class PartReader:
    """Reads row groups; keeps a few files open. For one thread."""

    def __init__(
        self, parts: Parts, columns: Sequence[str], texts: Iterable[str], memory: Memory, *, threads: bool
    ) -> None:
        self._parts = parts
        self._columns = list(columns)
        self._texts = frozenset(texts)
        self._beside = Beside("daeda-beside-lists") if threads else None
        self._room = Room()
        self._memory = memory
        self._open: OrderedDict[int, _Opened] = OrderedDict()
        self._begun: dict[RowGroup, Begun] = {}

    def read(self, group: RowGroup, following: RowGroup | None = None) -> Arrays:
        """A row group. Raises ChangedMeanwhile when the file is not the one whose footer was read.

        The other thread goes on to the `following` one, whose turn comes next, as soon as it is done with this one.
        """
        part = self._parts.files[group.part]
        try:
            with _refusals(part):
                opened = self._opened(group.part)
                # The rows of another file that lies there now are none.
                there = group.number < opened.file.num_row_groups
                self._begin(group)
                if following is not None:
                    self._begin(following)
                begun = self._begun.pop(group, None)
                read = opened.read(group.number, self._columns, self._beside, begun) if there else {}
        finally:
            # What is wrong with a file that was written to meanwhile is that it was written to.
            _check_unchanged(part)
        if any(sum(map(len, read.get(name, ()))) != group.rows for name in self._columns):
            raise InputError(f"{part.path} is not the file that was published: build the day again")
        return read

    def _begin(self, group: RowGroup) -> None:
        if self._beside is None or group in self._begun:
            return
        try:
            opened = self._opened(group.part)
        except Exception:  # noqa: BLE001 - it is opened again, and refused, when its turn comes
            return
        if opened.side_by_side and group.number < opened.file.num_row_groups:
            self._begun[group] = opened.begin(group.number, self._columns, self._beside)

    def _opened(self, number: int) -> _Opened:
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        if len(self._open) >= _MOST_OPEN:
            _, oldest = self._open.popitem(last=False)
            oldest.stack.close()
        part = self._parts.files[number]
        with ExitStack() as stack:
            source = stack.enter_context(part.open())
            file = _open(source, self._texts, stack, is_remote=is_object(part.path))
            # Objects are read by pyarrow alone, which asks for all columns at once.
            own = [] if is_object(part.path) or kernel() is None else self._columns
            lists = list_columns(file, own)
            beside = _is_side_by_side(file, lists, self._columns)
            opened = _Opened(file, source, lists, self._room, self._memory, beside, stack.pop_all())
        self._open[number] = opened
        return opened

    def close(self) -> None:
        """Close the files, once nothing reads them."""
        if self._beside is not None:
            self._beside.close()
        while self._open:
            _, opened = self._open.popitem()
            opened.stack.close()


def _open(source: pa.NativeFile, texts: Iterable[str], stack: ExitStack, *, is_remote: bool) -> pq.ParquetFile:
    opened = stack.enter_context(pq.ParquetFile(source, pre_buffer=is_remote))
    wanted = list(texts)
    if not wanted:
        return opened
    # Texts come with the dictionary of their row group, so that a word is looked up once in it. Of pages by differences
    # pyarrow makes none.
    paths = [opened.schema.column(number).path for number in range(len(opened.schema.names))]
    dictionaries = [path for path in leaves(paths, wanted) if not _by_differences(opened.metadata, paths.index(path))]
    again = pq.ParquetFile(source, metadata=opened.metadata, read_dictionary=dictionaries, pre_buffer=is_remote)
    return stack.enter_context(again)


def _by_differences(footer: pq.FileMetaData, leaf: int) -> bool:
    groups = (footer.row_group(number) for number in range(footer.num_row_groups))
    return any(encoding.startswith("DELTA") for group in groups for encoding in group.column(leaf).encodings)


def _is_side_by_side(file: pq.ParquetFile, lists: Mapping[str, Lists], columns: Sequence[str]) -> bool:
    """Whether a thread for lists and one for all others have both enough to do, and are no matter for memory.

    One after another, pyarrow has two and more threads for the others, and what it needs meanwhile comes in turn.
    """
    if not lists or not file.num_row_groups:
        return False
    group, own, wanted = file.metadata.row_group(0), {column.leaf for column in lists.values()}, set(columns)
    sizes = {True: 0, False: 0}
    for number in range(group.num_columns):
        leaf = group.column(number)
        if number in own or leaf.path_in_schema.partition(".")[0] in wanted:
            sizes[number in own] += leaf.total_uncompressed_size
    return 0 < sizes[False] <= 2 * sizes[True] <= 2 * _BESIDE_BYTES


def _check_unchanged(part: DayPart) -> None:
    """Raise where another file lies at the path by now; each read of an object is of one version by itself."""
    if is_object(part.path):
        return
    try:
        state = PartState.of(os.lstat(part.path))
    except FileNotFoundError:
        state = None
    if state != part.state:
        raise ChangedMeanwhile(
            f"{part.path} is not the file any more that was there when {part.day} was looked at: the day was built "
            "again or removed meanwhile; open the dataset anew, and begin the epoch again"
        )


@contextlib.contextmanager
def _refusals(part: DayPart) -> Iterator[None]:
    """What reading raises, as a sentence about the part. Memory that the system does not give is no matter of it."""
    try:
        yield
    except MemoryError:
        raise
    except pa.ArrowException as error:
        raise InputError(f"{part.path} is no Parquet file, or damaged: {first_line(error)}") from error
    except OSError as error:
        if error.errno is None:
            # What pyarrow says of pages that it does not understand.
            raise InputError(f"{part.path} is damaged, or not as pyarrow reads it: {first_line(error)}") from error
        raise InputError(f"{part.path} cannot be read: {refusal(error)}") from error

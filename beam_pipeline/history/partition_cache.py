"""The partition cache of a run: what is made of the partitions of a history once, for all days that look back on them.

An entry is a file in the run's directory. Its name is a digest of the statement and of the content that it was made
from, so it never changes; the day that comes to it first makes it. `projected_partitions` makes Parquet files,
`sorted_partitions` Arrow files, which stay mapped into memory from one day to the next.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import shutil
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa
from pyarrow import ipc

from beam_pipeline.history.ordered_blocks import Block
from beam_pipeline.session.session import DaySession
from daeda.operators.relational import Scan
from daeda.sources.files import SourceFiles
from daeda.sources.identity import check_unchanged
from daeda.storage.state import InputFile

# To make an entry costs about as much as three days save by it.
_LEAST_READERS = 4
# All entries of a run; the disk has to have several times as much left.
_MOST_BYTES = 2 << 30
_FREE_DISK = 4

# By directory of the run and name of the operator, the tables that its newest day has mapped.
_mapped: dict[tuple[str, str], Mapping[Path, pa.Table]] = {}
# The same of ordered blocks.
_mapped_blocks: dict[tuple[str, str], Mapping[Path, Block]] = {}
# By directory of the run, the histories whose rows do not come in the order of their partitions, or are not kept.
_refused: dict[str, set[str]] = {}

MadeT = TypeVar("MadeT")


@dataclass(frozen=True)
class Entry:
    """The source files that an entry is made from, and where it lies."""

    files: Sequence[InputFile]
    path: Path

    @property
    def exists(self) -> bool:
        """Whether some day has made it."""
        return self.path.exists()

    def of_nothing_else(self) -> Entry:
        """The same where its files have been read, and found unchanged since."""
        return Entry((), self.path)


class PartitionCache:
    """The partition cache, as one day sees it."""

    def __init__(self, session: DaySession) -> None:
        self._run_dir = session.context.run_dir
        self._directory = session.context.staging.partition_cache
        self._resources = session.resources

    def entry(self, statement: str, files: Sequence[InputFile], suffix: str) -> Entry:
        """The entry of a statement over these versions of files."""
        made_from = "\n".join([statement, *(f"{file.path}\n{file.version}" for file in files)])
        return Entry(files, self._directory / f"{hashlib.sha256(made_from.encode()).hexdigest()}{suffix}")

    def entry_of_block(self, key: str, first: int, last: int, files: Sequence[InputFile]) -> Entry:
        """The entry of an ordered block of the partitions between two days, which are ordinals."""
        content = self.entry(key, files, "").path.name
        return Entry(files, self._directory / f"{key}-{first}-{last}-{content}.block")

    def entry_of_sums(self, block: Path, column: str) -> Entry:
        """The entry of the running sums of a column of an ordered block, which is made of nothing else."""
        name = hashlib.sha256(f"{block.name}\n{column}".encode()).hexdigest()
        return Entry((), self._directory / f"{name}.sums")

    def blocks(self, key: str) -> list[Path]:
        """The ordered blocks of that key."""
        begins = f"{key}-"
        with os.scandir(self._directory) as there:
            return [Path(one.path) for one in there if one.name.startswith(begins) and one.name.endswith(".block")]

    def block(self, operator: str, path: Path) -> Block:
        """An ordered block, mapped: by a day before that left it to this one, or now."""
        return _mapped_blocks.get((self._run_dir, operator), {}).get(path) or Block.mapped(path)

    def keep_blocks(self, operator: str, blocks: Mapping[Path, Block]) -> None:
        """Leave these blocks to the next day of the operator, in place of those that the days before left."""
        if blocks:
            _mapped_blocks[self._run_dir, operator] = blocks
        else:
            _mapped_blocks.pop((self._run_dir, operator), None)

    def refuse(self, key: str) -> None:
        """Note that the history has no blocks: a day after this one does not try."""
        _refused.setdefault(self._run_dir, set()).add(key)

    def refused(self, key: str) -> bool:
        """Whether a day has noted that the history has no blocks."""
        return key in _refused.get(self._run_dir, ())

    def room(self) -> int:
        """Bytes that entries may take beside those that are there; 0 where the disk is short."""
        if shutil.disk_usage(self._directory).free < _FREE_DISK * _MOST_BYTES:
            return 0
        with os.scandir(self._directory) as there:
            return _MOST_BYTES - sum(one.stat().st_size for one in there)

    def make(self, entry: Entry, write: Callable[[Path], MadeT]) -> MadeT | None:
        """What `write` makes of the entry's files; its file is kept, unless another day is first.

        None where DuckDB or the disk refuses: the main query raises, and its message has the context. Raises DayError
        when a file has changed meanwhile.
        """
        # Operators of a day run side by side, and may come to the same entry at once.
        own = self._resources.work / f"{threading.get_ident()}-{entry.path.name}"
        try:
            made = write(own)
            check_unchanged(entry.files)
            with contextlib.suppress(FileExistsError):
                os.link(own, entry.path)
        except (duckdb.Error, OSError):
            self._resources.check()
            return None
        finally:
            own.unlink(missing_ok=True)
        return made

    def tables(self, operator: str, paths: Sequence[Path], made: Mapping[Path, pa.Table]) -> list[pa.Table]:
        """The Arrow tables at these paths: those that the day has `made`, and others mapped.

        The mapped ones are left to the next day of the operator, in place of those that the days before left.
        """
        at_hand = {**_mapped.get((self._run_dir, operator), {}), **made}
        tables = {path: at_hand[path] if path in at_hand else _map(path) for path in paths}
        _mapped[self._run_dir, operator] = {path: table for path, table in tables.items() if path not in made}
        return list(tables.values())


def _map(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as mapped:
        return ipc.open_file(mapped).read_all()


def forget_mapped(run_dir: str) -> None:
    """Let go of the tables of a run that has ended: until then their files take room on the disk."""
    for key in [key for key in {*_mapped, *_mapped_blocks} if key[0] == run_dir]:
        _mapped.pop(key, None)
        _mapped_blocks.pop(key, None)
    _refused.pop(run_dir, None)


def often_read(scan: Scan, view_files: SourceFiles, days: Sequence[dt.date]) -> frozenset[str]:
    """Files of the partitions that enough of these days look back on."""
    windows = scan.reads in ("lookback", "lookahead")
    if not windows or not view_files.partitioned or len(days) < _LEAST_READERS:
        return frozenset()
    ordinals = sorted(day.toordinal() for day in days)
    slack, back = scan.partition_slack, scan.lookback.days if scan.lookback is not None else 0
    ahead = scan.lookahead.days or 0 if scan.lookahead is not None else 0
    often: list[str] = []
    for partition, paths in view_files.partitions.items():
        # The days that read it, or a few more.
        first = partition.toordinal() - slack - ahead
        end = len(ordinals) if back is None else bisect_right(ordinals, first + 2 * slack + ahead + back)
        if end - bisect_left(ordinals, first) >= _LEAST_READERS:
            often += paths
    return frozenset(often)

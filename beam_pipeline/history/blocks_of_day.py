"""The ordered blocks of a day: those that the run has, one that it makes of many partitions, one in memory of the rest.

A block may hold partitions that the day does not need. None of their rows can count: each partition has rows of its own
day and the slack around it alone, or no block is made of it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from beam_pipeline.history.ordered_blocks import Block, Versions, kept_columns, put_in_order
from beam_pipeline.history.partition_cache import Entry, PartitionCache, often_read
from beam_pipeline.history.sorted_partitions import SortedPartitions
from daeda.sql import unordered
from daeda.sql.statements import TIME, unit_of
from daeda.storage.state import InputFile

# Fewer partitions are put in order for each day anew, and so is an eighth of those that a day needs.
_LEAST_PARTITIONS = 4
_SHARE = 8
# Files of so many bytes in all: half a million rows. Fewer are put in order sooner than blocks are looked up.
_LEAST_BYTES = 8 << 20
# Bytes of a row while its block is made, beside its columns: numbers of its entity and time, its place in the order.
_ROW_BYTES = 64
_EPOCH = dt.date(1970, 1, 1)

# One day of a process at a time makes a block of a history: those that wait find it made.
_locks: dict[str, threading.Lock] = {}
_locks_lock = threading.Lock()


@dataclass(frozen=True)
class BlocksOfDay:
    """Finds and makes the blocks of one history for one day; all of them take at most the room of `partitions`."""

    partitions: SortedPartitions

    def in_order(self) -> list[Block] | None:
        """The blocks that hold all that the day needs, one later than the other; None where rows do not come so.

        Raises DayError when a file changes while its partition is made.
        """
        needed = self.partitions.files
        nbytes = sum(file.size for files in needed.values() for file in files)
        if len(needed) < _LEAST_PARTITIONS or nbytes < _LEAST_BYTES or self.cache.refused(self.key):
            return None
        blocks = self._found()
        if any(self._is_long(gap) for gap in self._gaps(blocks)):
            if not self._may_keep(blocks):
                return None
            with self._alone():
                blocks = self._found()
                made = self._made(blocks) if self._may_keep(blocks) else None
        else:
            made = self._made(blocks)
        if made is None:
            return None
        blocks = sorted((*blocks, *made), key=lambda block: min(block.partitions))
        spans = [block.span for block in blocks if block.span is not None]
        if any(before[1] >= after[0] for before, after in itertools.pairwise(spans)):
            self.cache.refuse(self.key)
            return None
        return blocks if sum(block.nbytes for block in blocks) <= self.partitions.room else None

    @property
    def cache(self) -> PartitionCache:
        """The partition cache of the day."""
        return self.partitions.cache

    @cached_property
    def span(self) -> tuple[int, int]:
        """The least instant of a row that the day needs, and the first behind all, in the unit of the times."""
        return self._reach(min(self.partitions.files), max(self.partitions.files))

    @cached_property
    def key(self) -> str:
        """What is read, and how it is ordered: the begin of the names of all blocks of it."""
        operator, relation = self.partitions.operator, self.partitions.right.relation
        ties = unordered.tie_columns(operator, relation)
        order = unordered.tied_in_order(operator, relation, "tied") if ties else ""
        view = self.partitions.scanned.scan.view
        told = "\n".join([view, self.partitions.statement, order, *operator.keys, *kept_columns(operator)])
        return hashlib.sha256(told.encode()).hexdigest()

    @property
    def _key_of_long(self) -> str:
        """What is refused where a long gap could not be kept: blocks that are there are used all the same."""
        return f"{self.key}-long"

    def _found(self) -> list[Block]:
        """Blocks of the run that fit the files of the day, of which no two have a partition in common."""
        names = self.cache.blocks(self.key)
        chosen: dict[Path, Block] = {}
        taken: set[dt.date] = set()
        for path in sorted(names, key=lambda path: (-len(self._spanned(path)), path.name)):
            spanned = self._spanned(path)
            if not spanned or taken & spanned:
                continue
            block = self.cache.block(self.partitions.operator.name, path)
            if self._fits(block, spanned):
                chosen[path] = block
                taken |= spanned
        self.cache.keep_blocks(self.partitions.operator.name, chosen)
        return list(chosen.values())

    def _spanned(self, path: Path) -> set[dt.date]:
        """The partitions that the day needs between the first and the last one of a block."""
        _, first, last, _ = path.stem.split("-")
        return {day for day in self.partitions.files if int(first) <= day.toordinal() <= int(last)}

    def _fits(self, block: Block, spanned: set[dt.date]) -> bool:
        """Whether it is made of the very files that the day needs of its time; others of it still have to be there."""
        there = self.partitions.scanned.view_files.partitions
        same = all(block.partitions.get(day) == self._versions(day) for day in spanned)
        return same and all(day in spanned or day in there for day in block.partitions)

    def _versions(self, day: dt.date) -> Versions:
        return tuple((file.path, file.version) for file in self.partitions.files[day])

    def _gaps(self, blocks: Sequence[Block]) -> list[list[dt.date]]:
        """The partitions of the day that no block has, those apart between which a block lies."""
        of_block = {day: number for number, block in enumerate(blocks) for day in block.partitions}
        days = sorted(self.partitions.files)
        grouped = itertools.groupby(days, key=lambda day: of_block.get(day, -1))
        return [list(gap) for number, gap in grouped if number < 0]

    def _is_long(self, gap: Sequence[dt.date]) -> bool:
        often = sum(all(file.path in self._often for file in self.partitions.files[day]) for day in gap)
        return often >= max(_LEAST_PARTITIONS, len(self.partitions.files) // _SHARE)

    @cached_property
    def _often(self) -> frozenset[str]:
        scanned, session = self.partitions.scanned, self.partitions.session
        return often_read(scanned.scan, scanned.view_files, session.context.days)

    def _may_keep(self, blocks: Sequence[Block]) -> bool:
        """Whether long gaps are worth their order: whoever makes a block that nobody keeps does it for one day."""
        if self.cache.refused(self._key_of_long):
            return False
        long = [day for gap in self._gaps(blocks) if self._is_long(gap) for day in gap]
        # Packed files, where partitions are not made yet, are smaller than what becomes of them.
        return not long or self.cache.room() >= max(1, self.partitions.size_of(long))

    def _made(self, blocks: Sequence[Block]) -> list[Block] | None:
        """A block of each gap; a long one is kept for the days to come. None where one cannot be made, or may not."""
        gaps = self._gaps(blocks)
        days = [day for gap in gaps for day in gap]
        tables = self.partitions.tables(days)
        if tables is None:
            return None
        by_day = dict(zip(days, tables, strict=True))
        if not all(self._is_regular(day, table) for day, table in by_day.items()):
            self.cache.refuse(self.key)
            return None
        if not self._has_room(gaps, by_day):
            return None
        return [self._block(gap, by_day) for gap in gaps]

    def _has_room(self, gaps: Sequence[Sequence[dt.date]], tables: Mapping[dt.date, pa.Table]) -> bool:
        """Whether memory has room for the work on these tables, and the cache for the blocks of long gaps."""
        nbytes, rows = sum(table.nbytes for table in tables.values()), sum(table.num_rows for table in tables.values())
        if nbytes + rows * _ROW_BYTES > self.partitions.session.resources.engine_bytes // 2:
            return False
        kept = sum(tables[day].nbytes for gap in gaps if self._is_long(gap) for day in gap)
        if kept and kept > self.cache.room():
            self.cache.refuse(self._key_of_long)
            return False
        return True

    def _block(self, gap: Sequence[dt.date], tables: Mapping[dt.date, pa.Table]) -> Block:
        operator, relation = self.partitions.operator, self.partitions.right.relation
        resources = self.partitions.session.resources
        versions = {day: self._versions(day) for day in gap}
        block = put_in_order(resources, operator, relation, versions, [tables[day] for day in gap])
        if not self._is_long(gap):
            return block

        def write(own: Path) -> Block:
            block.write(own)
            return block

        entry = self._entry(gap)
        if self.cache.room() < block.nbytes or self.cache.make(entry, write) is None:
            self.cache.refuse(self._key_of_long)
            return block
        return replace(block, path=entry.path)

    def _entry(self, gap: Sequence[dt.date]) -> Entry:
        files: list[InputFile] = [file for day in gap for file in self.partitions.files[day]]
        return self.cache.entry_of_block(self.key, gap[0].toordinal(), gap[-1].toordinal(), files)

    def _is_regular(self, day: dt.date, table: pa.Table) -> bool:
        """Whether a partition, which is in the order of time, has rows of its day and the slack around it alone."""
        if not table.num_rows:
            return True
        times = table.column(TIME)
        least, end = self._reach(day, day)
        return bool(times[0].as_py() >= least and times[-1].as_py() < end)

    def _reach(self, first: dt.date, last: dt.date) -> tuple[int, int]:
        per_day = unit_of(self.partitions.operator).per_day
        slack = self.partitions.scanned.scan.partition_slack
        begin, end = (first - _EPOCH).days - slack, (last - _EPOCH).days + 1 + slack
        return max(begin * per_day, -(2**63)), min(end * per_day, 2**63 - 1)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with _locks_lock:
            lock = _locks.setdefault(self.key, threading.Lock())
        while not lock.acquire(timeout=1):
            self.partitions.session.resources.check()
        try:
            yield
        finally:
            lock.release()

"""A history gathered from ordered blocks: the rows of the day's entities are found by where they begin and end.

Nothing is numbered or sorted by the row: a block knows the rows of each of its entities, they are narrowed to the time
that the day looks at, and those of one entity stand one behind the other, block by block.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beam_pipeline.history import ordering
from beam_pipeline.history.blocks_of_day import BlocksOfDay
from beam_pipeline.history.chunk import Chunk
from beam_pipeline.history.ordered_blocks import Block
from beam_pipeline.history.partition_cache import PartitionCache
from beam_pipeline.history.sorted_partitions import SortedPartitions, known_entities, numbers_of, scanned_alone
from beam_pipeline.session.inputs import ScannedFiles
from beam_pipeline.session.session import DaySession
from beam_pipeline.windows.contract import History, Int64s
from beam_pipeline.windows.numpy_engine.bounds import search_segments
from beam_pipeline.windows.numpy_engine.lists import runs_up
from daeda.operators.temporal import WindowOperator
from daeda.sql.handle import Deferred
from daeda.sql.statements import TIME, history_values, known_name


@dataclass(frozen=True)
class Share:
    """What a block has of the day's entities: their numbers, ascending; where the rows of each begin; how many."""

    block: Block
    entity: Int64s
    first: Int64s
    count: Int64s

    def between(self, least: int, end: int) -> Share:
        """The same of the entities `least .. end - 1`."""
        lo, hi = (int(np.searchsorted(self.entity, number)) for number in (least, end))
        return Share(self.block, self.entity[lo:hi], self.first[lo:hi], self.count[lo:hi])

    @classmethod
    def of(cls, block: Block, entities: Sequence[pa.Array]) -> Share:
        """All rows of these entities."""
        codes = numbers_of([pa.chunked_array([key]) for key in block.keys], entities)
        mine = np.flatnonzero(codes >= 0)
        mine = mine[np.argsort(codes[mine], kind="stable")]
        first = block.begin[mine]
        return cls(block, codes[mine].astype(np.int64), first, block.begin[mine + 1] - first)

    def within(self, span: tuple[int, int]) -> Share:
        """The same of the rows whose time lies in the `span`, without its end."""
        of_block = self.block.span
        if of_block is None or (of_block[0] >= span[0] and of_block[1] < span[1]):
            return self
        times = self.block.columns[TIME].to_numpy()
        first, end = self.first, self.first + self.count
        if of_block[0] < span[0]:
            first = search_segments(times, first, end, np.full(len(first), span[0], dtype=np.int64))
        if of_block[1] >= span[1]:
            end = search_segments(times, first, end, np.full(len(first), span[1], dtype=np.int64))
        some = np.flatnonzero(end > first)
        return Share(self.block, self.entity[some], first[some], (end - first)[some])


@dataclass(frozen=True)
class SharesOfDay:
    """The blocks of a day, one later than the other, and what each has of the day's entities. `key` names the history.

    A block may have rows outside of the `span`, that of the partitions that the day needs: no window reaches them.
    `cache` is the partition cache, in which the blocks lie.
    """

    shares: Sequence[Share]
    span: tuple[int, int]
    key: str
    cache: PartitionCache


def shares_of_day(
    session: DaySession,
    operator: WindowOperator,
    right: Deferred,
    entities: str,
    room: int,
    all_scanned: Sequence[ScannedFiles],
) -> SharesOfDay | None:
    """The ordered blocks of a history; None where there are none for it, or they need more than `room`.

    `all_scanned` is what the Scans of the day read. Raises DayError when a file changes while its partition is made.
    """
    scanned = scanned_alone(session, operator, right, all_scanned)
    if scanned is None:
        return None
    cache = PartitionCache(session)
    finder = BlocksOfDay(SortedPartitions(session, operator, right, scanned, cache, room))
    blocks = finder.in_order()
    if not blocks:
        return None
    known = known_entities(session, operator, entities, [key.type for key in blocks[0].keys])
    if known is None:
        return None
    return SharesOfDay([Share.of(block, known) for block in blocks], finder.span, finder.key, cache)


def history_of_blocks(
    session: DaySession, operator: WindowOperator, blocks: SharesOfDay | None, copies: int
) -> Iterator[Chunk] | None:
    """The chunks of the history, at least one; None where there are no blocks, or no memory for an entity.

    `copies` is the memory that the engine needs for a chunk, in copies of it.
    """
    if blocks is None:
        return None
    shares = [share.within(blocks.span) for share in blocks.shares]
    nbytes, rows = sum(share.block.nbytes for share in shares), sum(share.block.rows for share in shares)
    free = (session.resources.engine_bytes - 2 * nbytes) // copies
    fitting = free * max(rows, 1) // max(nbytes, 1)
    cuts = _cuts(shares, min(session.context.limits.rolling_chunk_rows, fitting), max(fitting, 1))
    return None if cuts is None else _chunks(operator, shares, cuts, max(fitting, 1))


def _cuts(shares: Sequence[Share], rows: int, most: int) -> list[int] | None:
    """Numbers of entities at which to cut chunks of about `rows` rows; None where an entity has more than `most`."""
    entity = np.concatenate([share.entity for share in shares])
    count = np.concatenate([share.count for share in shares])
    if count.sum() <= min(rows, most):
        return [int(entity.min()), int(entity.max()) + 1] if len(entity) else [0, 0]
    order = np.argsort(entity, kind="stable")
    each = np.repeat(entity[order], count[order])
    cuts = ordering.cuts(each, rows)
    if max(np.diff(cuts), default=0) > most:
        return None
    begins = [int(each[cut]) for cut in cuts[:-1]]
    return [*begins, int(each[-1]) + 1] if begins else [0, 0]


def _chunks(operator: WindowOperator, shares: Sequence[Share], cuts: Sequence[int], fitting: int) -> Iterator[Chunk]:
    for least, end in itertools.pairwise(cuts):
        history = _Gathered([share.between(least, end) for share in shares]).history(operator)
        yield Chunk(history, len(history.entity) / fitting)


class _Gathered:
    """Rows of several shares, put together entity by entity; the rows of a share come before those of a later one."""

    def __init__(self, shares: Sequence[Share]) -> None:
        self._blocks = [share.block for share in shares]
        entity = np.concatenate([share.entity for share in shares])
        count = np.concatenate([share.count for share in shares])
        order = np.argsort(entity, kind="stable")
        self.entity = np.repeat(entity[order], count[order])
        begin = np.empty(len(order), dtype=np.int64)
        begin[order] = np.cumsum(count[order]) - count[order]
        lengths = [len(share.entity) for share in shares]
        begins = np.split(begin, np.cumsum(lengths)[:-1])
        self._sources = [runs_up(share.first, share.count) for share in shares]
        self._targets = [runs_up(first, share.count) for first, share in zip(begins, shares, strict=True)]

    def history(self, operator: WindowOperator) -> History:
        """The chunk."""
        columns = {name: self._column(name) for name in history_values(operator)}
        known = known_name(operator)
        return History(self.entity, self._numbers(TIME), columns, None if known is None else self._numbers(known))

    def _numbers(self, name: str) -> Int64s:
        gathered: Int64s = self._column(name).to_numpy()
        return gathered

    def _column(self, name: str) -> pa.Array:
        columns = [block.columns[name] for block in self._blocks]
        if all(_is_plain(column) for column in columns):
            gathered = np.empty(len(self.entity), dtype=columns[0].to_numpy().dtype)
            for column, source, target in zip(columns, self._sources, self._targets, strict=True):
                gathered[target] = column.to_numpy()[source]
            return pa.array(gathered, columns[0].type)
        taken = [
            pc.take(column, pa.array(source), boundscheck=False)
            for column, source in zip(columns, self._sources, strict=True)
        ]
        place = np.empty(len(self.entity), dtype=np.int64)
        place[np.concatenate(self._targets)] = np.arange(len(place), dtype=np.int64)
        return pc.take(pa.concat_arrays(taken), pa.array(place), boundscheck=False)


def _is_plain(column: pa.Array) -> bool:
    """Whether it is numbers without NULLs, which numpy reads where they lie."""
    kind = column.type
    numeric = pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind)
    return numeric and not column.null_count

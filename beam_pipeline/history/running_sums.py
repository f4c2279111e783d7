"""Running sums of ordered blocks: made with the first day that sums up a column of a block, for all days that follow.

They lie in the partition cache beside the block, a file for each column, and are mapped into memory. What a day has in
memory alone, the few partitions behind the last block, it sums up by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import ipc

from beam_pipeline.history.arrow_arrays import combined
from beam_pipeline.history.block_history import Share, SharesOfDay
from beam_pipeline.history.partition_cache import PartitionCache
from beam_pipeline.windows.contract import WindowedAggregate
from beam_pipeline.windows.numpy_engine.bounds import Segments
from beam_pipeline.windows.numpy_engine.limbs import MOST_ROWS
from beam_pipeline.windows.numpy_engine.running_sums import (
    Piece,
    RunningSums,
    can_sum,
    running_sums,
    summed_columns,
)
from daeda.sql.statements import TIME

_VALUES = "values"
_LOWEST = b"daeda"


def pieces_of(blocks: SharesOfDay | None, aggregates: Sequence[WindowedAggregate], room: int) -> list[Piece] | None:
    """The blocks of a day with the sums of what is aggregated, in `room` bytes of memory; None where they do not serve.

    They do not where another kind of aggregate is asked for, where a column holds a NaN, an infinity, or doubles of all
    sizes, and where the cache has no room: the rows themselves are aggregated then.
    """
    if blocks is None or blocks.cache.refused(_refusal(blocks)):
        return None
    types = {name: column.type for name, column in blocks.shares[0].block.columns.items()}
    if not can_sum(aggregates, types) or sum(share.block.rows for share in blocks.shares) > MOST_ROWS:
        return None
    columns = summed_columns(aggregates)
    pieces = []
    for share in blocks.shares:
        sums: dict[str, RunningSums] = {}
        for name, summed in columns.items():
            found = _sums(blocks.cache, share, name, summed, room)
            if found is None:
                blocks.cache.refuse(_refusal(blocks))
                return None
            sums[name] = found
            room -= found.nbytes
        segments = Segments(share.entity, share.first, share.first + share.count)
        pieces.append(Piece(segments, share.block.columns[TIME].to_numpy(), share.block.span, sums))
    return pieces


def _refusal(blocks: SharesOfDay) -> str:
    return f"{blocks.key}-sums"


def _sums(cache: PartitionCache, share: Share, name: str, summed: bool, room: int) -> RunningSums | None:
    """The sums of a column of a block, mapped where it has a file."""
    block = share.block
    column = block.columns[name]
    if block.path is None or (not summed and not column.null_count):
        # Nothing, or a few partitions.
        return running_sums(column, summed)
    entry = cache.entry_of_sums(block.path, f"{name}\n{summed}")
    if entry.exists:
        return _mapped(entry.path)
    # Limbs of most doubles, and the number of values.
    if 4 * 8 * block.rows > min(room, cache.room()):
        return None
    made = running_sums(column, summed)
    if made is None or cache.make(entry, lambda own: _written(made, own)) is None:
        return None
    return made


def _written(sums: RunningSums, path: Path) -> RunningSums:
    arrays = {str(place): pa.array(limb) for place, limb in enumerate(sums.limbs)}
    if sums.values is not None:
        arrays[_VALUES] = pa.array(sums.values)
    type_of_column = pa.field("type", sums.type)
    table = pa.table(arrays).replace_schema_metadata({_LOWEST: str(sums.lowest)})
    with pa.OSFile(str(path), "wb") as sink:
        for one in (pa.schema([type_of_column]).empty_table(), table):
            with ipc.new_stream(sink, one.schema) as writer:
                writer.write_table(one)
    return sums


def _mapped(path: Path) -> RunningSums:
    with pa.memory_map(str(path)) as source:
        kind = ipc.open_stream(source).read_all().schema.field("type").type
        table = ipc.open_stream(source).read_all()
    arrays = {name: combined(table.column(name)).to_numpy() for name in table.column_names}
    values = arrays.pop(_VALUES, None)
    limbs = tuple(arrays[str(place)] for place in range(len(arrays)))
    return RunningSums(kind, limbs, int(table.schema.metadata[_LOWEST]), values)

"""The ids in the columns of a skeleton: those of a batch, and the distinct ones that a day needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from daeda.errors import DayError
from enrich.part.skeleton import is_list, open_skeleton, read_batches
from enrich.part.task import VectorColumn

# Distinct ids gathered from this many batches are merged, so that repeated ids do not pile up.
MERGE_BATCHES = 64
ID_BATCH_ROWS = 65_536
# Parts that are looked through at once.
ID_THREADS = 2


def needed_ids(parts: Iterable[str | Path], columns: Sequence[VectorColumn]) -> pa.Array:
    """The distinct ids, without NULL, that the columns of one store use in these skeleton parts, ascending.

    Integers come as int64, or as uint64 where one exceeds int64; text as `large_string`. DayError when both occur.
    """
    sources = sorted({column.source for column in columns})
    distinct: list[pa.Array] = []
    with ThreadPoolExecutor(ID_THREADS) as pool:
        for part_ids in pool.map(lambda part: _ids_of_part(part, sources), parts):
            distinct += part_ids
            if len(distinct) > MERGE_BATCHES:
                distinct = [_merge(distinct, sources)]
    merged = _merge(distinct, sources)
    return merged.take(pc.sort_indices(merged))


def _ids_of_part(part: str | Path, sources: list[str]) -> list[pa.Array]:
    """The distinct ids of a part, without NULL, in few arrays."""
    distinct: list[pa.Array] = []
    with open_skeleton(part) as skeleton:
        batches = skeleton.iter_batches(batch_size=ID_BATCH_ROWS, columns=sources, use_threads=False)
        for batch in read_batches(part, batches):
            for source in batch.columns:
                distinct.append(pc.unique(ids_in(source)).drop_null())
            if len(distinct) > MERGE_BATCHES:
                distinct = [_merge(distinct, sources)]
    return distinct if len(distinct) <= len(sources) else [_merge(distinct, sources)]


def ids_in(source: pa.Array) -> pa.Array:
    """The ids of a column, or the members of its lists from the first list's start to the last one's end."""
    if not is_list(source.type):
        return source
    start, end = source.offsets[0].as_py(), source.offsets[-1].as_py()
    return source.values.slice(start, end - start)


def _merge(distinct: list[pa.Array], sources: list[str]) -> pa.Array:
    """One array of distinct ids, in the widest type that they need."""
    distinct = [ids for ids in distinct if len(ids)]
    if not distinct:
        return pa.array([], pa.int64())
    numbers = [pa.types.is_integer(ids.type) for ids in distinct]
    wider = (pa.int64(), pa.uint64()) if all(numbers) else () if any(numbers) else (pa.large_string(),)
    for wide in wider:
        try:
            return pc.unique(pa.chunked_array([ids.cast(wide) for ids in distinct]))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
    raise DayError(
        f"columns {', '.join(sources)}: their ids are {', '.join(sorted({str(ids.type) for ids in distinct}))}, and no "
        "integer type and no text holds all of them; cast the columns to the type of the store's ids"
    )

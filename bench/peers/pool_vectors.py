"""The mean vectors of a day by other means than daeda's job, with its kernel and the settings that suit vectors best.

    python -m bench.peers.pool_vectors loop|ray_data|ray_data_tuned PROJECT OUT ROUNDS

`loop` is one process: read the day, take the vectors it needs in the order of the store, pool and write part by part.
`ray_data` is what its documentation leads to: read_parquet, map_batches with the vectors in the object store,
write_parquet as it comes; `ray_data_tuned` gives write_parquet the settings that suit vectors. Ray's start is apart.
None of them syncs, digests or checks what it wrote, or moves it into place whole.
"""

from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.peers.script import report
from bench.vectors_project import DAY, SERVICE, STORE
from enrich.arrays import Halves
from enrich.part.pooling import average

_BATCH_ROWS = 8_192
_SETTINGS: dict[str, Any] = {
    "compression": {"user_id": "zstd", "event_timestamp": "zstd", "likes.list.element": "zstd",
                    "likes_vec.list.element": "lz4"},
    "use_dictionary": ["user_id", "event_timestamp", "likes.list.element"],
    "write_statistics": ["user_id", "event_timestamp", "likes.list.element"],
}  # fmt: skip


def skeleton(project: Path) -> list[Path]:
    found = (project / "output" / SERVICE / "skeleton" / f"dt={DAY}").glob("*.parquet")
    return sorted(found, key=lambda path: int(path.name.split("-")[1]))


def vectors(project: Path) -> tuple[np.ndarray, Halves]:
    """The ids of the day, ascending, and their vectors."""
    store = lance.dataset(str(project / STORE))
    needed = np.unique(np.concatenate([_members(pq.read_table(path, columns=["likes"])) for path in skeleton(project)]))
    ids = store.to_table(columns=["id"]).column(0).to_numpy()
    rows = np.flatnonzero(np.isin(ids, needed))
    taken = store.take(pa.array(rows), columns=["vec"]).column(0).combine_chunks()
    matrix = taken.values.to_numpy(zero_copy_only=False).reshape(len(rows), -1)
    order = np.argsort(ids[rows])
    return ids[rows][order], np.ascontiguousarray(matrix[order])


def pooled(table: pa.Table, ids: np.ndarray, matrix: Halves) -> pa.Table:
    """The table with its mean vectors; every id is in the store."""
    lists = table.column("likes").combine_chunks()
    offsets = lists.offsets.to_numpy().astype(np.int64)
    found = average(offsets - offsets[0], np.searchsorted(ids, lists.flatten().to_numpy()), matrix, "none")
    kept = table.select(["user_id", "event_timestamp", "likes"])
    return kept.append_column(pa.field("likes_vec", pa.list_(pa.float16())), found)


def loop(project: Path, out: Path) -> None:
    ids, matrix = vectors(project)
    for path in skeleton(project):
        with pq.ParquetFile(path) as file:
            writer = None
            for batch in file.iter_batches(_BATCH_ROWS):
                table = pooled(pa.Table.from_batches([batch]), ids, matrix)
                writer = writer or pq.ParquetWriter(out / path.name, table.schema, **_SETTINGS)
                writer.write_table(table)
            assert writer is not None
            writer.close()


def ray_data(project: Path, out: Path, settings: dict[str, Any]) -> None:
    import ray

    shutil.rmtree(out)
    ids, matrix = vectors(project)
    shared = ray.put((ids, matrix))

    def pool(table: pa.Table) -> pa.Table:
        return pooled(table, *ray.get(shared))

    rows = ray.data.read_parquet([str(path) for path in skeleton(project)])
    rows.map_batches(pool, batch_size=_BATCH_ROWS, batch_format="pyarrow").write_parquet(str(out), **settings)


def main() -> None:
    way, project, out, rounds = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    out.mkdir()
    if way == "loop":
        report(lambda: loop(project, out), rounds)
        return
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.use_datasource_v2 = False
    try:
        # Of compressions write_parquet takes one for all columns.
        settings = {**_SETTINGS, "compression": "lz4"} if way == "ray_data_tuned" else {}
        report(lambda: ray_data(project, out, settings), rounds)
    finally:
        ray.shutdown()


def _members(table: pa.Table) -> np.ndarray:
    found: np.ndarray = table.column(0).combine_chunks().flatten().to_numpy()
    return found


if __name__ == "__main__":
    main()

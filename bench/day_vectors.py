"""The map of a store and the vectors of a day, as an enrichment reads them, in a process of their own.

    python -m bench.day_vectors PROJECT DIMENSION ROUNDS

Prints as JSON: lists of seconds, one for each round, the vectors of the day, and the bytes of the map.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from bench.peers.pool_vectors import skeleton
from bench.vectors_project import STORE
from enrich.part.skeleton import needed_ids
from enrich.part.task import VectorColumn
from enrich.store.store import open_store
from enrich.store.vectors import DayVectors


def main() -> None:
    project, dimension, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    column = VectorColumn("likes_vec", "avg_pool", "likes", "items", dimension, "none")
    seconds: dict[str, list[float]] = {"cold": [], "map": [], "map_cpu": [], "warm": []}
    for _ in range(rounds):
        _forget(project / STORE)
        started, busy = time.perf_counter(), time.process_time()
        store = open_store("items", str(project / STORE), "id", "vec", dimension, 1)
        row_map = store.row_map()
        mapped, mapped_busy = time.perf_counter(), time.process_time()
        ids = needed_ids(skeleton(project), [column])
        day = DayVectors.load(store, row_map, ids)
        ended = time.perf_counter()
        DayVectors.load(store, row_map, ids)
        seconds["warm"].append(time.perf_counter() - ended)
        seconds["cold"].append(ended - started)
        seconds["map"].append(mapped - started)
        seconds["map_cpu"].append(mapped_busy - busy)
        found = {"vectors": len(day.matrix), "map_bytes": row_map.nbytes}
        # One round after another, and not the maps of two at once.
        del row_map, day
    print(json.dumps({"seconds": seconds, **found}))


def _forget(store: Path) -> None:
    """Take the files of the store out of the page cache."""
    for path in store.rglob("*.lance"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main()

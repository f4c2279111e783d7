"""A feed of events with a fixed seed, in the layout that the reference scripts read.

ev/dt=2026-05-01/part-0-0.parquet ... ev/dt=2026-05-14/part-0-0.parquet
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FIRST_DAY = dt.date(2026, 5, 1)
DAYS = 14
_DAY_MS = 86_400_000


def write_feed(directory: Path, rows_per_day: int, users: int, artworks: int, seed: int = 42) -> None:
    """Write 14 days of events, each sorted by time.

    Few users and artworks have most of the events (a uniform number squared and cubed). One event in ten is a like.
    """
    generator = np.random.default_rng(seed)
    for number in range(DAYS):
        day = FIRST_DAY + dt.timedelta(days=number)
        start = int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()) * 1000
        kinds = generator.choice(["like", "click", "impression"], rows_per_day, p=[0.1, 0.45, 0.45])
        table = pa.table(
            {
                "user_id": (generator.random(rows_per_day) ** 2 * users).astype(np.int64),
                "artwork_id": (generator.random(rows_per_day) ** 3 * artworks).astype(np.int64),
                "event": kinds.tolist(),
                "event_timestamp": np.sort(start + generator.integers(0, _DAY_MS, rows_per_day)),
                "aes_score": generator.random(rows_per_day),
            }
        )
        partition = directory / f"dt={day}"
        partition.mkdir(parents=True)
        pq.write_table(table, partition / "part-0-0.parquet", compression="zstd")

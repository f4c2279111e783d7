"""A feed of events with a fixed seed, in the layout that the reference scripts read.

ev/dt=2026-05-07/part-0-0.parquet ... ev/dt=2026-05-14/part-0-0.parquet, each sorted by time. The rows of the last day
are the spine. levels.parquet is what a user's level was, for a point-in-time join.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

LAST_DAY = dt.date(2026, 5, 14)
DAY_MS = 86_400_000
Users = Literal["squared", "zipf", "impressions"]
# A Zipf law of this exponent over 50,000 users gives the first one 1 % of all events.
_ZIPF = 0.68
_SHOWN_AT_ONCE = 20


@dataclass(frozen=True)
class Feed:
    """Size and shape of a feed that ends on LAST_DAY.

    `squared`: few users have most of the events (a uniform number squared). `zipf`: the first user has 1 % of them.
    `impressions`: like `squared`, and 20 rows share user and time.
    """

    history_days: int
    rows_per_history_day: int
    spine_rows: int
    users: int = 50_000
    artworks: int = 100_000
    shape: Users = "squared"
    seed: int = 42

    @property
    def events(self) -> int:
        return self.history_days * self.rows_per_history_day + self.spine_rows

    @property
    def days(self) -> list[dt.date]:
        return [LAST_DAY - dt.timedelta(days=back) for back in range(self.history_days, -1, -1)]

    def parameters(self) -> dict[str, Any]:
        return {"feed": asdict(self), "version": 1}

    @property
    def nbytes(self) -> int:
        """About what the files take."""
        return self.events * 40


def write_feed(directory: Path, feed: Feed) -> None:
    """Write the events and the levels of a feed."""
    generator = np.random.default_rng(feed.seed)
    draw = _users(generator, feed)
    for day in feed.days:
        rows = feed.spine_rows if day == LAST_DAY else feed.rows_per_history_day
        _write_day(directory / "ev" / f"dt={day}", generator, feed, draw, day, rows)
    _write_levels(directory / "levels.parquet", generator, feed)


def midnight_ms(day: dt.date) -> int:
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()) * 1000


def _users(generator: np.random.Generator, feed: Feed) -> Callable[[int], npt.NDArray[np.int64]]:
    if feed.shape == "zipf":
        weights = np.arange(1, feed.users + 1, dtype=np.float64) ** -_ZIPF
        upto = np.cumsum(weights) / weights.sum()
        return lambda rows: np.searchsorted(upto, generator.random(rows)).astype(np.int64)
    return lambda rows: (generator.random(rows) ** 2 * feed.users).astype(np.int64)


def _write_day(
    partition: Path, generator: np.random.Generator, feed: Feed, draw: Callable[[int], npt.NDArray[np.int64]],
    day: dt.date, rows: int,
) -> None:  # fmt: skip
    together = _SHOWN_AT_ONCE if feed.shape == "impressions" else 1
    moments = -(-rows // together)
    times = np.sort(midnight_ms(day) + generator.integers(0, DAY_MS, moments))
    kinds = generator.choice(3, rows, p=[0.1, 0.45, 0.45]).astype(np.int32)
    table = pa.table(
        {
            "user_id": np.repeat(draw(moments), together)[:rows],
            "artwork_id": (generator.random(rows) ** 3 * feed.artworks).astype(np.int64),
            "event": pa.DictionaryArray.from_arrays(kinds, ["like", "click", "impression"]).cast(pa.string()),
            "event_timestamp": np.repeat(times, together)[:rows],
            "aes_score": generator.random(rows),
        }
    )
    partition.mkdir(parents=True)
    pq.write_table(table, partition / "part-0-0.parquet", compression="zstd")


def _write_levels(path: Path, generator: np.random.Generator, feed: Feed) -> None:
    """Four rows for each user on average, over 60 days, to the minute: there are ties."""
    rows = feed.users * 4
    minutes = generator.integers(0, 60 * 1440, rows) * 60_000
    table = pa.table(
        {
            "user_id": generator.integers(0, feed.users, rows),
            "updated_at": np.sort(midnight_ms(LAST_DAY + dt.timedelta(days=1)) - 60 * DAY_MS + minutes),
            "level": generator.integers(1, 100_000, rows),
        }
    )
    pq.write_table(table, path, compression="zstd")

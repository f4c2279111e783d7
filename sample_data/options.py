"""What a sample is made of: its size, its first day and its seed. The same options give the same rows."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass

import numpy as np

DAY_MS = 86_400_000
HISTORY_DAYS = 30
"""Artworks and profiles are this much older than the first day of the feed, at most."""


@dataclass(frozen=True)
class Options:
    """The size of a sample. `start` is the first day of the feed, in UTC."""

    days: int = 14
    users: int = 800
    artworks: int = 2_000
    dimensions: int = 32
    seed: int = 7
    start: dt.date = dt.date(2025, 3, 1)

    @property
    def start_ms(self) -> int:
        """The first instant of the feed, in milliseconds since 1970."""
        return (self.start - dt.date(1970, 1, 1)).days * DAY_MS

    @property
    def end_ms(self) -> int:
        """The first instant after the feed."""
        return self.start_ms + self.days * DAY_MS

    @property
    def last_day(self) -> dt.date:
        """The last day of the feed."""
        return self.start + dt.timedelta(days=self.days - 1)

    def random(self, *purpose: int) -> np.random.Generator:
        """Random numbers for one purpose: what is made for another purpose does not change them."""
        return np.random.default_rng([self.seed, *purpose])

    def described(self) -> dict[str, object]:
        """The options as JSON has them."""
        return {**asdict(self), "start": self.start.isoformat()}


def zipf(count: int, exponent: float) -> np.ndarray:
    """The cumulative distribution of ranks 0 .. count - 1, whose weights are 1 / (rank + 1) ** exponent."""
    weights = np.cumsum(1.0 / np.arange(1, count + 1) ** exponent)
    return weights / weights[-1]


def draw(random: np.random.Generator, cumulative: np.ndarray, count: int) -> np.ndarray:
    """`count` ranks of a distribution."""
    return np.searchsorted(cumulative, random.random(count), side="right")

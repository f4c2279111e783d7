"""Rows that become known late: which rows of a window a probe may see.

A row is visible strictly after `max(time, known)`. In the order of time, the visible rows of a window are mostly one
range: all of it, or, where rows become known after a fixed delay, its older part. Where a visible row stands behind a
hidden one, they are not: such a probe gets a copy of the rows that it sees, as a history of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from beam_pipeline.windows.numpy_engine.bounds import Bounds, Int64s
from beam_pipeline.windows.numpy_engine.lists import blocks_of, runs_up
from beam_pipeline.windows.numpy_engine.tree import maxima, previous

# Rows that are copied at a time: bounds the memory beside the history, unless a single window has more.
ROW_BUDGET = 1 << 18


@dataclass(frozen=True)
class Seen:
    """What the probes see of one window.

    `bounds` are the visible rows where they are one range, and empty elsewhere; `mixed` are the indices of the probes
    where they are not.
    """

    bounds: Bounds
    mixed: Int64s


@dataclass(frozen=True)
class Copies:
    """Histories of their own for some probes (indices): `rows` of the history, and the range of each probe in them."""

    probes: Int64s
    rows: Int64s
    bounds: Bounds

    def ranks(self) -> Int64s:
        """For each copied row the number of its probe."""
        return np.repeat(np.arange(len(self.probes), dtype=np.int64), self.bounds.hi - self.bounds.lo)


class Visibility:
    """The instants from which the rows of a history are visible; `time` and `known` are int64 in one unit."""

    def __init__(self, time: Int64s, known: Int64s) -> None:
        self._instant = np.maximum(time, known)
        self._at_once = bool((known <= time).all())

    def within(self, window: Bounds, time: Int64s) -> Seen:
        """What probes at `time` see of the rows in `window`, all of which have an earlier time."""
        if self._at_once:
            return Seen(window, np.zeros(0, dtype=np.int64))
        # Visible means instant < time, which is ~instant >= ~time + 1.
        last = previous(self._visible, window.hi, window.lo, ~time + 1)
        last = np.maximum(last, window.lo - 1)
        rows = len(self._instant)
        hidden = rows - 1 - previous(self._hidden, rows - window.lo, rows - window.hi, time)
        mixed = last > np.minimum(hidden, window.hi)
        return Seen(Bounds(window.lo, np.where(mixed, window.lo, last + 1)), np.flatnonzero(mixed))

    def copies(self, window: Bounds, time: Int64s, mixed: Int64s) -> Iterator[Copies]:
        """The visible rows of mixed probes, so many probes at a time that about ROW_BUDGET rows are looked at."""
        for probes in blocks_of(mixed, (window.hi - window.lo)[mixed], ROW_BUDGET):
            length = window.hi[probes] - window.lo[probes]
            rows = runs_up(window.lo[probes], length)
            owner = np.repeat(np.arange(len(probes), dtype=np.int64), length)
            visible = self._instant[rows] < time[probes][owner]
            ends = np.cumsum(np.bincount(owner[visible], minlength=len(probes)), dtype=np.int64)
            yield Copies(probes, rows[visible], Bounds(np.concatenate([[0], ends[:-1]]).astype(np.int64), ends))

    @cached_property
    def _visible(self) -> list[Int64s]:
        return maxima(~self._instant)

    @cached_property
    def _hidden(self) -> list[Int64s]:
        return maxima(self._instant[::-1].copy())

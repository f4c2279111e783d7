"""What a set of distinct probes looks back on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from beam_pipeline.windows.contract import Extent
from beam_pipeline.windows.numpy_engine.bounds import Bounds, Int64s

Windows = Mapping[Extent, Bounds]


@dataclass(frozen=True)
class Past:
    """What a set of distinct probes looks back on.

    Attributes:
        columns: of the history, all of one length.
        ranks: gives for each history row the rank of its entity among the entities of the history.
        times: gives the time of each history row.
        windows: by where they lie, the rows that each probe sees.
        entity: code of the entity of each probe, for messages.
        now: the time of each probe.
    """

    columns: Mapping[str, pa.Array]
    ranks: Callable[[], Int64s]
    times: Callable[[], Int64s]
    windows: Windows
    entity: Int64s
    now: Int64s

    def of_probes(self, indices: Int64s) -> Past:
        """What the probes of these indices, in this order, look back on."""
        windows = {extent: Bounds(bounds.lo[indices], bounds.hi[indices]) for extent, bounds in self.windows.items()}
        return replace(self, windows=windows, entity=self.entity[indices], now=self.now[indices])

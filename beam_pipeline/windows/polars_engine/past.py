"""What a set of distinct probes looks back on, and what of it has no answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from beam_pipeline.windows.contract import Extent, WindowedAggregate
from beam_pipeline.windows.polars_engine.windows import Windows
from daeda.errors import DayError


class Outside(DayError):
    """What an aggregate gives of the window of a probe does not fit its type."""

    def __init__(self, aggregate: WindowedAggregate, probe: int) -> None:
        super().__init__(f"'{aggregate.name}': a value does not fit its type")
        self.aggregate, self.probe = aggregate, probe


@dataclass(frozen=True)
class Past:
    """What a set of distinct probes looks back on: rows with entity, time and columns; and the probes.

    `windows` are those of the probes, by where they lie; `now` is the time of each.
    """

    entity: pl.Series
    time: pl.Series
    columns: Mapping[str, pl.Series]
    windows: Mapping[Extent, Windows]
    now: pl.Series

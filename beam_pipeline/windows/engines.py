"""The rolling engines: who computes the windows of a chunk. An engine is imported when a day needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

import pyarrow as pa

from beam_pipeline.windows.contract import History, Probes, WindowedAggregate
from daeda.errors import DayError
from daeda.installed import install_command

AggregateFunction = Callable[[History, Probes, Sequence[WindowedAggregate], str], list[pa.Array]]


@dataclass(frozen=True)
class Engine:
    """`working_copies` is the memory of its working arrays, in copies of a chunk; `libraries` made the bytes."""

    aggregate: AggregateFunction
    working_copies: int
    libraries: frozenset[str] = frozenset()


def engine_of(compute: Literal["duckdb", "polars"]) -> Engine:
    """The engine of a RollingAggregate; raises DayError when its library is not installed."""
    match compute:
        case "duckdb":
            from beam_pipeline.windows.numpy_engine.aggregate import aggregate

            return Engine(aggregate, 8)
        case "polars":
            try:
                from beam_pipeline.windows.polars_engine.aggregate import aggregate as by_polars
            except ModuleNotFoundError as error:
                raise DayError(
                    f"the rolling engine polars needs {error.name}, not installed here: install the extra with "
                    f"`{install_command('polars')}`"
                ) from error
            return Engine(by_polars, 16, frozenset({"polars"}))
        case _:
            assert_never(compute)

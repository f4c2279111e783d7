"""What both rolling engines take and raise: sorted history, the probes that look back, the aggregates wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from daeda.aggregates import AggregateKind
from daeda.errors import DayError

Int64s = npt.NDArray[np.int64]


class Extent(NamedTuple):
    """Where a window lies: it ends at its probe, rounded down to a whole `aligned_to`, then moved back by `offset`."""

    length: int | None
    aligned_to: int | None = None
    offset: int = 0


@dataclass(frozen=True)
class WindowedAggregate:
    """One aggregate over one window: what `Aggregate` says once it is checked, in the unit of the times.

    Attributes:
        name: column that it makes, for messages.
        kind: what is computed.
        column: column of the history; None counts rows, and so does a sequence, which has `columns`.
        window: length of the window in the unit of the times, None for unbounded.
        max_length: most values of a list kind.
        newest_first: otherwise each finished list is turned around.
        q: which quantile.
        half_life: in which a decayed row loses half of its weight, in the unit of the times.
        keeps_oldest: whether a list keeps the oldest values, each where it is oldest: the mirror image in time.
        per_spine_unit: how many units of the times make one of the spine's time, in which ages are told.
        columns: of a sequence: columns of the history.
        age: of a sequence: name of the field with the age of the row, which comes last.
        apart: whether it is a list of the one field that there is, and not of structs.
        aligned_to: what the end of the window is rounded down to, None for nothing.
        offset: how far the end of the window is moved back.
    """

    name: str
    kind: AggregateKind
    column: str | None = None
    window: int | None = None
    max_length: int | None = None
    newest_first: bool = True
    keeps_oldest: bool = False
    per_spine_unit: int = 1
    q: Decimal | None = None
    half_life: Fraction | None = None
    columns: tuple[str, ...] = ()
    age: str | None = None
    apart: bool = False
    aligned_to: int | None = None
    offset: int = 0

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns of the history that it is computed of."""
        return self.columns or (() if self.column is None else (self.column,))

    @property
    def extent(self) -> Extent:
        """Where its window lies; aggregates that share it share the search for its rows."""
        return Extent(self.window, self.aligned_to, self.offset)


@dataclass(frozen=True)
class History:
    """One chunk of history: whole entities, sorted by (entity, time, created, tie order), the newest last.

    Attributes:
        entity: int64 codes, non-decreasing.
        time: int64, in the unit of the windows.
        columns: Arrow arrays of the same length, of any type that DuckDB gives; NULLs are possible.
        known: int64, behind when each row counts, in the unit of the times: it is known, or can be used; None if that
            is at once.
    """

    entity: Int64s
    time: Int64s
    columns: Mapping[str, pa.Array]
    known: Int64s | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.entity), len(self.time), *(len(column) for column in self.columns.values())}
        if self.known is not None:
            lengths.add(len(self.known))
        if len(lengths) != 1:
            raise ValueError(f"the columns of a history have different lengths: {sorted(lengths)}")


@dataclass(frozen=True)
class Probes:
    """The instants that look back: int64 entity codes and times, sorted by (entity, time); any of them may repeat.

    `order` has the index of a probe for each value of a result; None for a value of each probe, as they come.
    """

    entity: Int64s
    time: Int64s
    order: Int64s | None = None

    def ordered(self, of_probes: Int64s) -> Int64s:
        """A number of each probe, in the order of a result."""
        return of_probes if self.order is None else of_probes[self.order]

    def __post_init__(self) -> None:
        if len(self.entity) != len(self.time):
            raise ValueError(f"{len(self.entity)} entities and {len(self.time)} times do not make probes")


class SumOverflow(DayError):
    """An exact sum does not fit the type of its column.

    Attributes:
        entity: code of the entity, for the caller to translate into its key.
        aggregate: name of the aggregate.
    """

    def __init__(self, where: str, aggregate: str, entity: int, column_type: pa.DataType) -> None:
        super().__init__(f"{where}: the sum '{aggregate}' of the entity with code {entity} does not fit {column_type}")
        self.aggregate = aggregate
        self.entity = entity


class AgeOverflow(DayError):
    """The age of the newest row of a window does not fit int64.

    Attributes:
        entity: code of the entity, for the caller to translate into its key.
        aggregate: name of the aggregate.
        time: of the row that looks back, in the unit of the times.
    """

    def __init__(self, where: str, aggregate: str, entity: int, time: int) -> None:
        super().__init__(
            f"{where}: the age '{aggregate}' of the entity with code {entity} at {time} does not fit int64"
        )
        self.aggregate = aggregate
        self.entity = entity
        self.time = time

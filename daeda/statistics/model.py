"""The statistics of a day as data, and as the JSON that is kept of them.

What is not exact names its error beside it: `Distinct.error`, `Top.error`, `Numbers.quantile_error`. Everything else is
exact, but for `mean` and `deviation`, which are doubles within MOMENTS_ERROR of the greatest absolute value.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from daeda.dataset.layout import Dataset
from daeda.storage.state import STRICT, Count, Digest

# Raised whenever the same day would have other statistics: those of another version are made anew.
STATISTICS_VERSION = 2
# By which part of the greatest absolute value mean and standard deviation may be off.
MOMENTS_ERROR = 1e-12
QUANTILES = ("0.01", "0.05", "0.25", "0.5", "0.75", "0.95", "0.99")
# Values that are kept of a column, the most frequent ones, and characters of each.
TOP_VALUES = 100
LONGEST_VALUE = 200

Share = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Histogram:
    """Numbers by bins that are the same in all columns on all days; see `daeda.statistics.bins`.

    `bins` are in order, and those that are empty are left out. A greater `shift` means wider bins, each of which is
    made of whole narrower ones: two days are compared by the greater shift of the two.
    """

    __pydantic_config__ = STRICT

    shift: Annotated[int, Field(ge=0, le=62)] = 0
    bins: tuple[int, ...] = ()
    counts: tuple[Count, ...] = ()


@dataclass(frozen=True)
class Numbers:
    """Numbers without NULLs. Times are numbers of their unit since 1970, in UTC.

    `minimum`, `maximum`, `mean`, `deviation` (the population's: divided by n) and `quantiles` are those of the finite
    values, which the histogram holds; None without any. The quantile q is the value at rank ceil(q * n), off by at most
    the share `quantile_error` of itself.
    """

    __pydantic_config__ = STRICT

    finite: Count = 0
    nan: Count = 0
    below: Count = 0
    above: Count = 0
    zeros: Count = 0
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    deviation: float | None = None
    quantiles: dict[str, float] = field(default_factory=dict)
    quantile_error: Share = 0.0
    histogram: Histogram = Histogram()


@dataclass(frozen=True)
class Distinct:
    """How many values there are. `error` is the relative standard error of an estimate, 0 for a count."""

    __pydantic_config__ = STRICT

    count: Count = 0
    error: Share = 0.0


@dataclass(frozen=True)
class Top:
    """The most frequent values as text, with their counts, each of which may be too low by `error` at most.

    `complete` says that these are all values there are.
    """

    __pydantic_config__ = STRICT

    values: tuple[tuple[str, Count], ...] = ()
    error: Count = 0
    complete: bool = True

    @property
    def counts(self) -> Counter[str]:
        """How often each value is there; long ones that are kept as the same text are counted together."""
        counts: Counter[str] = Counter()
        for value, count in self.values:
            counts[value] += count
        return counts


@dataclass(frozen=True)
class Summary:
    """What is in a column, in the items of its lists, or in a field of its structs.

    `values` counts those that are not NULL. `minimum` and `maximum` are text, in the order of values, in which NaN
    comes last; of lists they are None. `lengths` are those of lists, `norms` the Euclidean lengths of vectors, whose
    items are not looked at; `fields` are those of structs.
    """

    __pydantic_config__ = STRICT

    dtype: str
    values: Count
    nulls: Count
    minimum: str | None = None
    maximum: str | None = None
    numbers: Numbers | None = None
    distinct: Distinct | None = None
    top: Top | None = None
    lengths: Numbers | None = None
    norms: Numbers | None = None
    items: Summary | None = None
    fields: dict[str, Summary] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many places there are for a value."""
        return self.values + self.nulls

    @property
    def null_share(self) -> float:
        """The share of NULLs; 0 where there is no row."""
        return self.nulls / self.rows if self.rows else 0.0

    @property
    def coverage(self) -> float:
        """The share of rows that have a value; 1 where there is no row."""
        return self.values / self.rows if self.rows else 1.0


@dataclass(frozen=True)
class ColumnOfDay:
    """A column of a day. `kind` is that of the contract, as in the manifest; a placeholder is all NULL by design."""

    __pydantic_config__ = STRICT

    name: str
    summary: Summary
    kind: str | None = None
    placeholder: bool = False


@dataclass(frozen=True)
class DayStatistics:
    """The statistics of a day. `parts` is a digest of the digests of its parts: of other parts these are not."""

    __pydantic_config__ = STRICT

    service: str
    dataset: Dataset
    day: str
    rows: Count
    parts: Digest
    columns: tuple[ColumnOfDay, ...]
    seconds: Share = 0.0
    version: int = STATISTICS_VERSION

    def column(self, name: str) -> ColumnOfDay | None:
        """The column of a name, None where the day has none."""
        return next((column for column in self.columns if column.name == name), None)

    def to_json(self) -> str:
        """The text that is kept; what is not known does not stand in it."""
        return json.dumps(_told(asdict(self)), ensure_ascii=False, separators=(",", ":")) + "\n"


def parse_statistics(text: bytes | str) -> DayStatistics | None:
    """The statistics that a text tells; None where it is not one of this version, whatever it is."""
    try:
        statistics: DayStatistics = _model().validate_json(text)
    except ValidationError:
        return None
    return statistics if statistics.version == STATISTICS_VERSION else None


@lru_cache(maxsize=1)
def _model() -> TypeAdapter[DayStatistics]:
    return TypeAdapter(DayStatistics)


def _told(entry: Any) -> Any:
    """The same without the keys of None and of empty mappings."""
    if isinstance(entry, dict):
        return {key: _told(value) for key, value in entry.items() if value is not None and value != {}}
    return [_told(each) for each in entry] if isinstance(entry, list | tuple) else entry

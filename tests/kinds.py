"""Which kinds of aggregates a column of a type has, by the registry: what tests draw kinds from."""

from __future__ import annotations

from typing import Any, get_args

from daeda.aggregates import KINDS, AggregateKind, output_type
from daeda.dtypes import DType
from daeda.errors import ConfigurationError


def kinds_of(dtype: str) -> list[AggregateKind]:
    """All kinds that an aggregate of a column of this type can have."""
    return [kind for kind in get_args(AggregateKind) if has(kind, dtype)]


def kinds_of_rows() -> list[AggregateKind]:
    """All kinds that do without a column."""
    return [kind for kind in get_args(AggregateKind) if KINDS[kind].counts_rows]


def has(kind: AggregateKind, dtype: str) -> bool:
    try:
        output_type(kind, DType.parse(dtype), "x")
    except ConfigurationError:
        return False
    return True


def reading(kind: AggregateKind, column: str | None) -> dict[str, Any]:
    """What says in a description that an aggregate is one of a column; a sequence of that one alone."""
    return {"columns": (column,)} if kind == "sequence" else {"column": column}

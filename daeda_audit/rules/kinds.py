"""The kinds of rolling aggregates, over the rows of one window. Every sum is exact and rounded once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any, Literal, assert_never

from daeda.aggregates import AggregateKind, ListKind
from daeda.dtypes import DType
from daeda.settings.aggregations import AggregationSpec
from daeda_audit.expression.arithmetic import Unfit
from daeda_audit.rules.compare import Tolerance
from daeda_audit.values import order_key


def aggregate(spec: AggregationSpec, rows: Sequence[dict[str, Any]]) -> Any:
    """The value of an aggregate of rows, which are newest first; raises Unfit where an integer sum leaves 64 bits."""
    if spec.column is None:
        return len(rows)
    # No kind collects NULLs.
    values = [row[spec.column] for row in rows if row[spec.column] is not None]
    kind = spec.kind
    match kind:
        case "count":
            return len(values)
        case "count_distinct":
            return len(once(values))
        case "list" | "last_distinct" | "flatten_distinct" | "top_k":
            kept = _listed(kind, values)[: spec.max_length]
            return kept if spec.order == "newest_first" else kept[::-1]
        case "min" | "max" | "first" | "last" | "sum" | "mean" | "std":
            return _single(kind, values) if values else None
        case _:
            assert_never(kind)


def needs_order(kind: AggregateKind) -> bool:
    """Whether the value is another one where rows of one time are in another order."""
    match kind:
        case "count" | "count_distinct" | "sum" | "mean" | "std" | "min" | "max":
            return False
        case "first" | "last" | "list" | "last_distinct" | "flatten_distinct" | "top_k":
            return True
        case _:
            assert_never(kind)


def tolerance(kind: AggregateKind, dtype: DType) -> Tolerance:
    """How closely a column of this type has to agree."""
    match kind:
        case "sum" | "mean":
            return Tolerance.LAST_PLACE if dtype.is_float else Tolerance.EXACT
        case "std":
            return Tolerance.DEVIATION
        case "count" | "count_distinct" | "min" | "max" | "first" | "last":
            return Tolerance.EXACT
        case "list" | "last_distinct" | "flatten_distinct" | "top_k":
            return Tolerance.EXACT
        case _:
            assert_never(kind)


def _listed(kind: ListKind, values: list[Any]) -> list[Any]:
    """The list of a list kind before it is cut; the most frequent first, among equals the one seen last in time."""
    match kind:
        case "list":
            return values
        case "last_distinct":
            return once(values)
        case "flatten_distinct":
            return once([item for items in values for item in items if item is not None])
        case "top_k":
            times = Counter(order_key(value) for value in values)
            return sorted(once(values), key=lambda value: -times[order_key(value)])
        case _:
            assert_never(kind)


def _single(kind: Literal["min", "max", "first", "last", "sum", "mean", "std"], values: list[Any]) -> Any:
    """One value of at least one, which are newest first."""
    match kind:
        case "last":
            return values[0]
        case "first":
            return values[-1]
        case "min":
            return min(values, key=order_key)
        case "max":
            return max(values, key=order_key)
        case "sum":
            return _sum(values)
        case "mean":
            return _mean(values)
        case "std":
            return _deviation(values)
        case _:
            assert_never(kind)


def once(values: Sequence[Any]) -> list[Any]:
    """Each value once, where it comes first."""
    kept: dict[Any, Any] = {}
    for value in values:
        kept.setdefault(order_key(value), value)
    return list(kept.values())


def _special(values: Sequence[Any]) -> float | None:
    """The sum where NaN or an infinity decides it."""
    special = {value for value in values if isinstance(value, float) and not math.isfinite(value)}
    if not special:
        return None
    return special.pop() if len(special) == 1 else math.nan


def _sum(values: Sequence[Any]) -> Any:
    if isinstance(values[0], Decimal):
        with localcontext(prec=100):
            return sum(values, Decimal(0))
    if isinstance(values[0], int):
        total = sum(values)
        if not -(2**63) <= total < 2**63:
            raise Unfit(f"the sum {total} does not fit BIGINT")
        return total
    special = _special(values)
    return _nearest(sum(map(Fraction, values), Fraction())) if special is None else special


def _mean(values: Sequence[Any]) -> float:
    special = _special(values)
    return _nearest(sum(map(Fraction, values), Fraction()) / len(values)) if special is None else special


def _deviation(values: Sequence[Any]) -> float | None:
    """Of the sample: NULL below two values, NaN where one is NaN or infinite."""
    if len(values) < 2:
        return None
    if _special(values) is not None:
        return math.nan
    exact = [Fraction(value) for value in values]
    mean = sum(exact, Fraction()) / len(exact)
    variance = sum(((value - mean) ** 2 for value in exact), Fraction()) / (len(exact) - 1)
    with localcontext(prec=80):
        return float((Decimal(variance.numerator) / Decimal(variance.denominator)).sqrt())


def _nearest(exact: Fraction) -> float:
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf

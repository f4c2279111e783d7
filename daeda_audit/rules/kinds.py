"""What the audit knows of the kinds of rolling aggregates beside their values, which `running.py` computes."""

from __future__ import annotations

from typing import assert_never

from daeda.aggregates import LabelKind
from daeda.dtypes import DType
from daeda_audit.rules.compare import Tolerance


def needs_order(kind: LabelKind) -> bool:
    """Whether the value is another one where rows of one time are in another order."""
    match kind:
        case "any" | "count" | "count_distinct" | "sum" | "mean" | "std" | "min" | "max" | "since_last" | "quantile":
            return False
        case "decayed_count" | "decayed_sum" | "until_first":
            return False
        case "first" | "last" | "list" | "last_distinct" | "flatten_distinct" | "top_k" | "sequence":
            return True
        case _:
            assert_never(kind)


def tolerance(kind: LabelKind, dtype: DType) -> Tolerance:
    """How closely a column of this type has to agree."""
    match kind:
        case "sum" | "mean":
            return Tolerance.LAST_PLACE if dtype.is_float else Tolerance.EXACT
        case "decayed_count" | "decayed_sum":
            return Tolerance.FADED
        case "std":
            return Tolerance.DEVIATION
        case "any" | "count" | "count_distinct" | "min" | "max" | "first" | "last" | "since_last" | "quantile":
            return Tolerance.EXACT
        case "until_first":
            return Tolerance.EXACT
        case "list" | "last_distinct" | "flatten_distinct" | "top_k" | "sequence":
            return Tolerance.EXACT
        case _:
            assert_never(kind)

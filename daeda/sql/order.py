"""The order of values, stated in every query: NULL < -inf < numbers < +inf < NaN, text by bytes, lists by elements.

DuckDB orders doubles and text this way by itself; it puts NULLs last, and inside a list it takes NULL for the greatest.
"""

from __future__ import annotations

from sqlglot import exp, parse_one

from daeda.dtypes import DType
from daeda.sql.handle import column, item_name


def sort_key(value: exp.Expr, dtype: DType) -> exp.Expr:
    """An expression that DuckDB orders as the values are to be ordered, NULLs of the value itself apart.

    A list becomes a list of {known, value}: an element that is NULL comes before every other. A list in a list does so
    one level further down.
    """
    return _sort_key(value, dtype, 0)


def _sort_key(value: exp.Expr, dtype: DType, depth: int) -> exp.Expr:
    if dtype.item is None:
        return value
    item = item_name(depth)
    text = f"list_transform(v, lambda {item}: {{'known': {item} IS NOT NULL, 'value': w}})"
    parts = {"v": value, "w": _sort_key(exp.column(item), dtype.item, depth + 1)}
    template = parse_one(text, dialect="duckdb")
    return template.transform(lambda node: parts.get(node.name, node) if isinstance(node, exp.Column) else node)


def ordered(value: exp.Expr, dtype: DType, *, greatest_first: bool = False) -> exp.Ordered:
    """An ORDER BY term in which NULL is the smallest value."""
    return exp.Ordered(this=sort_key(value, dtype), desc=greatest_first, nulls_first=not greatest_first)


def ordered_column(name: str, dtype: DType, *, greatest_first: bool = False) -> exp.Ordered:
    """The same for a column."""
    return ordered(column(name), dtype, greatest_first=greatest_first)

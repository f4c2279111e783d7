"""Evaluation of an expression over one row, with SQL's three-valued logic: None is NULL, and "unknown" in a condition.

A condition keeps a row only where it is True: `amount > 0` drops a row whose amount is NULL, and so does its NOT.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, assert_never

from daeda.errors import ConfigurationError, InputError, NotBuiltYet, did_you_mean
from daeda_audit.expression.arithmetic import Unfit, arithmetic, cast, compare, known_type, ordering
from daeda_audit.expression.functions import FUNCTIONS, NULL_AWARE, like
from daeda_audit.expression.parse import parse
from daeda_audit.expression.syntax import Aggregate, Call, Case, Cast, Column, Constant, Node, children, columns_of
from daeda_audit.values import order_key, shown

Row = Mapping[str, Any]

_ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%", "^", "&", "|"})
_COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})
_SPECIAL = frozenset(
    {
        "and", "or", "not", "is null", "is true", "is false", "is distinct", "in", "in list", "like", "ilike",
        "array", "tuple", "negative", "coalesce", "ifnull", "nullif", "if",
    }
)  # fmt: skip


def read_expression(text: str, what: str, timezone: str | None = None) -> Node:
    """Parse, and see that every function can be evaluated; raises ConfigurationError or NotBuiltYet that say where.

    Calendar functions get the time zone as one more argument.
    """
    try:
        tree = parse(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{what}: {error}") from error
    known = _ARITHMETIC | _COMPARISONS | _SPECIAL | FUNCTIONS.keys() | NULL_AWARE.keys()
    for name in _names(tree):
        if name not in known and not known_type(name):
            raise NotBuiltYet(
                f"{what}: the audit cannot recompute '{name}' in {text!r} yet: {did_you_mean(name, known)}"
            )
    return tree if timezone is None else _in_zone(tree, Constant(timezone))


def _in_zone(node: Node, zone: Constant) -> Node:
    match node:
        case Call():
            arguments = tuple(_in_zone(child, zone) for child in node.arguments)
            more = (zone,) if node.name in ("hour_of", "day_of_week") else ()
            return replace(node, arguments=(*arguments, *more))
        case Case():
            branches = tuple((_in_zone(condition, zone), _in_zone(value, zone)) for condition, value in node.branches)
            return replace(node, branches=branches, otherwise=_in_zone(node.otherwise, zone))
        case Cast():
            return replace(node, value=_in_zone(node.value, zone))
        case Aggregate():
            return node
        case Column() | Constant():
            return node
        case _:
            assert_never(node)


def evaluate(node: Node, row: Row, rows: Sequence[Row] = ()) -> Any:
    """The value for a row; aggregates are those of `rows`. Raises Unfit for a value that has no result."""
    try:
        return _evaluate(node, row, rows)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        # DuckDB takes more than the audit knows of: that is no verdict, and it is said.
        raise Unfit(_without_result(error)) from error


def _without_result(error: Exception) -> str:
    """Why an expression has no result, by what Python says of its values."""
    match error:
        case RecursionError():
            return "it is nested too deeply"
        case ArithmeticError() | ValueError():
            return str(error) or "a number is out of range"
        case _:
            return "the audit does not know what it makes of values of these types"


def holds(node: Node | None, row: Row, rows: Sequence[Row] = ()) -> bool:
    """Whether a condition keeps the row; no condition keeps every row. Raises InputError where that has no result."""
    try:
        return node is None or evaluate(node, row, rows) is True
    except Unfit as error:
        assert node is not None
        values = ", ".join(f"{name} {shown(row[name])}" for name in columns_of(node) if name in row)
        raise InputError(f"a condition cannot be recomputed for a row with {values or 'no column'}: {error}") from error


def _evaluate(node: Node, row: Row, rows: Sequence[Row]) -> Any:
    match node:
        case Constant():
            return node.value
        case Column():
            return row[node.name]
        case Case():
            for condition, value in node.branches:
                if _evaluate(condition, row, rows) is True:
                    return _evaluate(value, row, rows)
            return _evaluate(node.otherwise, row, rows)
        case Cast():
            return _cast(node, row, rows)
        case Aggregate():
            return _aggregate(node, rows)
        case Call():
            return _call(node, row, rows)
        case _:
            assert_never(node)


def _names(node: Node) -> Iterator[str]:
    if isinstance(node, Call | Cast):
        yield node.name if isinstance(node, Call) else node.type
    for child in children(node):
        yield from _names(child)


def _call(node: Call, row: Row, rows: Sequence[Row]) -> Any:
    if node.name in ("and", "or"):
        return _both(node, row, rows)
    if node.name in ("coalesce", "ifnull"):
        known = (value for child in node.arguments if (value := _evaluate(child, row, rows)) is not None)
        return next(known, None)
    if node.name == "if":
        condition, yes, no = (*node.arguments, Constant(None))[:3]
        return _evaluate(yes if _evaluate(condition, row, rows) is True else no, row, rows)
    values = [_evaluate(child, row, rows) for child in node.arguments]
    if node.name in _SPECIAL:
        return _special(node.name, values)
    if node.name in _COMPARISONS:
        return compare(node.name, values[0], values[1])
    if node.name in _ARITHMETIC:
        return arithmetic(node.name, values[0], values[1])
    if node.name in NULL_AWARE:
        return NULL_AWARE[node.name](*values)
    return None if None in values else FUNCTIONS[node.name](*values)


def _both(node: Call, row: Row, rows: Sequence[Row]) -> bool | None:
    """AND is False where a side is False, OR is True where one is True; an unknown side makes the rest unknown."""
    decides = node.name == "or"
    values = [_evaluate(child, row, rows) for child in node.arguments]
    if any(value is decides for value in values):
        return decides
    return None if None in values else not decides


def _special(name: str, values: list[Any]) -> Any:
    first = values[0] if values else None
    match name:
        case "not":
            return None if first is None else not first
        case "is null":
            return first is None
        case "is true" | "is false":
            return first is (name == "is true")
        case "is distinct":
            other = values[1]
            return (first is None) != (other is None) or (first is not None and ordering(first, other) != 0)
        case "in":
            return _is_in(first, values[1:])
        case "in list":
            # A NULL in the list is no reason to doubt: DuckDB looks the value up.
            return None if first is None or values[1] is None else _is_in(first, values[1]) is True
        case "like" | "ilike":
            if first is None or values[1] is None:
                return None
            return like(first, values[1], values[2], any_case=name == "ilike")
        case "array":
            return values
        case "tuple":
            return tuple(values)
        case "negative":
            return arithmetic("*", first, -1)
        case _:
            return None if first is None or compare("=", first, values[1]) else first


def _is_in(value: Any, listed: Sequence[Any]) -> bool | None:
    found = [compare("=", value, item) for item in listed]
    return True if True in found else None if None in found else False


def _cast(node: Cast, row: Row, rows: Sequence[Row]) -> Any:
    value = _evaluate(node.value, row, rows)
    if not node.lenient:
        return cast(value, node.type)
    try:
        return cast(value, node.type)
    except Unfit:
        return None


def _aggregate(node: Aggregate, rows: Sequence[Row]) -> Any:
    if node.argument is None:
        return len(rows)
    values = [value for row in rows if (value := _evaluate(node.argument, row, ())) is not None]
    if node.distinct:
        kept: list[Any] = []
        for value in values:
            if all(ordering(value, earlier) for earlier in kept):
                kept.append(value)
        values = kept
    match node.name:
        case "count":
            return len(values)
        case "sum" | "avg" if not values:
            return None
        case "sum" | "avg":
            total = sum(sorted(values, key=order_key))
            return total if node.name == "sum" else float(total) / len(values)
        case "min":
            return NULL_AWARE["least"](*values)
        case _:
            return NULL_AWARE["greatest"](*values)

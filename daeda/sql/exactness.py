"""What DuckDB computes otherwise than it is written, put so that it computes what is written."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp, parse_one

# A clock with an offset behind it. A name of a zone is no value of these types, and Z and UTC change nothing.
_OFFSET = r":[0-9.]+\s*[+-]\s*[0-9:]+\s*$"
_MOST_NESTED = 3
_WITHOUT_ZONE = frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_US", "DATETIME"})


def exact_in_duckdb(tree: exp.Expr) -> exp.Expr:
    """The tree with rounding and casts that give what they say.

    - `round(x, -2)` of NaN and the infinities is 0.0 in DuckDB; it is x.
    - `CAST('2024-01-05 10:00:00+02' AS TIMESTAMP)` is 10:00 in DuckDB; it is 08:00, the time in UTC.

    Raises RecursionError where many of them are nested.
    """
    nodes: list[exp.Expr] = [node for node in tree.find_all(exp.Round, exp.Cast) if _needs_more(node)]
    # Each of them puts what it holds several times.
    if any(_within(node, nodes) > _MOST_NESTED for node in nodes):
        raise RecursionError
    for node in reversed(nodes):
        exact = _rounded(node) if isinstance(node, exp.Round) else _in_utc(node)
        if node is tree:
            tree = exact
        else:
            node.replace(exact)
    return tree


def _needs_more(node: exp.Expr) -> bool:
    if isinstance(node, exp.Round):
        return node.args.get("decimals") is not None and not isinstance(node.args["decimals"], exp.Literal)
    return node.args["to"].sql("duckdb") in _WITHOUT_ZONE and (
        not isinstance(node.this, exp.Literal) or re.search(_OFFSET, node.this.name) is not None
    )


def _within(node: exp.Expr, nodes: list[exp.Expr]) -> int:
    """How many of the nodes hold this one."""
    ids, count, above = set(map(id, nodes)), 0, node.parent
    while above is not None:
        count, above = count + (id(above) in ids), above.parent
    return count


def negated(tree: exp.Expr) -> Iterator[exp.Expr]:
    """What stands behind each sign, literals left out."""
    return (node.this for node in tree.find_all(exp.Neg) if not isinstance(node.this, exp.Literal))


def _rounded(node: exp.Round) -> exp.Expr:
    # The digits of the other branch give a decimal the scale that it has in this one.
    return _filled(
        "CASE WHEN isfinite(CAST(x AS DOUBLE)) THEN round(x, digits) "
        "ELSE round(x, CASE WHEN digits < 0 THEN 0 ELSE digits END) END",
        x=node.this,
        digits=node.args["decimals"],
    )


def _in_utc(node: exp.Expr) -> exp.Expr:
    kind, value = node.args["to"].sql("duckdb"), node.this
    cast = "TRY_CAST" if isinstance(node, exp.TryCast) else "CAST"
    zoned = f"{cast}({cast}({cast}(CAST(x AS TEXT) AS TIMESTAMPTZ) AS TIMESTAMP) AS {kind})"
    if isinstance(value, exp.Literal):
        return _filled(zoned, x=value)
    return _filled(
        f"CASE WHEN typeof(x) = 'VARCHAR' AND regexp_matches(CAST(x AS TEXT), '{_OFFSET}') "
        f"THEN {zoned} ELSE {cast}(x AS {kind}) END",
        x=value,
    )


def _filled(template: str, **values: exp.Expr) -> exp.Expr:
    """The template with a value for each of its columns, in parentheses."""
    tree = parse_one(template, dialect="duckdb")
    for column in list(tree.find_all(exp.Column)):
        column.replace(exp.Paren(this=values[column.name].copy()))
    return exp.Paren(this=tree)

"""Expressions that users write in YAML: parsed, limited to deterministic scalar SQL, and bound to columns.

An expression is a tree of sqlglot from here on; the user's text never reaches DuckDB.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

import duckdb
from sqlglot import errors, exp, parse_one

from daeda.dtypes import DType
from daeda.errors import ConfigurationError, closest, cut, did_you_mean, first_line
from daeda.operators.relation import Column, Relation
from daeda.sql.binding import type_of
from daeda.sql.calendar import UTC, calendar_call, calls_of, check_argument, in_zone

# Nodes that are scalar, deterministic and without access to anything but their arguments.
_ALLOWED: tuple[type[exp.Expression], ...] = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Array, exp.Tuple,
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In, exp.Between,
    exp.NullSafeEQ, exp.NullSafeNEQ, exp.Like, exp.ILike, exp.Escape,
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg, exp.DPipe, exp.BitwiseAnd, exp.BitwiseOr,
    exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least,
    exp.Cast, exp.TryCast, exp.DataType, exp.DataTypeParam, exp.Interval, exp.Var,
    exp.Abs, exp.Ceil, exp.Floor, exp.Round, exp.Sqrt, exp.Ln, exp.Log, exp.Exp, exp.Pow, exp.Sign,
    exp.Lower, exp.Upper, exp.Length, exp.Trim, exp.Substring, exp.StartsWith, exp.EndsWith, exp.Contains, exp.Concat,
    exp.Extract, exp.DateDiff, exp.DateTrunc, exp.TimestampTrunc, exp.ArraySize, exp.ArrayContains,
    exp.IsNan, exp.IsInf, exp.TimeToUnix, exp.ArrayMin, exp.ArrayMax,
)  # fmt: skip
# DuckDB functions that sqlglot has no node for.
_ALLOWED_FUNCTIONS = frozenset({"epoch_us", "epoch_ns", "hour_of", "isfinite", "prefix", "suffix", "list_sum"})
# What an expression may call, by the names that DuckDB has for it.
FUNCTIONS = (
    "abs", "array_length", "cast", "ceil", "coalesce", "concat", "contains", "date_diff", "date_trunc", "day_of_week",
    "ends_with", "epoch", "epoch_ms", "epoch_ns", "epoch_us", "exp", "extract", "floor", "greatest", "hour_of", "if",
    "isfinite", "isinf", "isnan", "least", "length", "list_contains", "list_max", "list_min", "list_sum", "ln", "log",
    "log10", "log2", "lower", "nullif", "pow", "prefix", "round", "sign", "sqrt", "starts_with", "substring", "suffix",
    "trim", "try_cast", "upper",
)  # fmt: skip
# Deeper trees are made by programs, and what walks them runs out of stack.
MOST_LEVELS = 100


# What the condition of a session may ask beside that: aggregates of its rows.
_AGGREGATES: tuple[type[exp.Expression], ...] = (
    exp.Count, exp.Sum, exp.Min, exp.Max, exp.Avg, exp.Star, exp.Distinct,
)  # fmt: skip
# A clock with an offset behind it. A name of a zone is no value of these types, and Z and UTC change nothing.
_OFFSET = r":[0-9.]+\s*[+-]\s*[0-9:]+\s*$"
_MOST_NESTED = 3
_WITHOUT_ZONE = frozenset({"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_US", "DATETIME"})


def parse_having(text: str) -> exp.Expr:
    """Parse the condition of a session filter: a scalar expression over aggregates of the session's rows."""
    return _parse(text, "having", (*_ALLOWED, *_AGGREGATES))


def parse_expression(text: str, what: str = "expression", timezone: str | None = None) -> exp.Expr:
    """Parse a scalar expression; raises ConfigurationError that shows the place of a mistake.

    `timezone` is that of its calendar functions, UTC without one.

    Worked example: `event = 'like' AND quantity > 0` is allowed; `(SELECT 1)`, `read_text('x')`, `random()` and
    `sum(x) OVER ()` are refused, with the offending part in the message.
    """
    return _parse(text, what, _ALLOWED, timezone)


def _parse(text: str, what: str, allowed: tuple[type[exp.Expression], ...], timezone: str | None = None) -> exp.Expr:
    if len(text) > 10_000:
        raise ConfigurationError(f"{what} has {len(text)} characters: at most 10000 are read")
    if "\0" in text:
        raise ConfigurationError(
            f"{what} has the character NUL at {text.index(chr(0)) + 1}, which SQL cannot hold: remove it"
        )
    try:
        tree = parse_one(text, dialect="duckdb")
    except errors.SqlglotError as error:
        raise ConfigurationError(f"{what} {_quoted(text)} is not SQL{_place(error)}") from error
    except RecursionError as error:
        raise ConfigurationError(f"{what} {_quoted(text)} is nested too deeply") from error
    if levels(tree) > MOST_LEVELS:
        raise ConfigurationError(f"{what} {_quoted(text)} is nested too deeply")
    for node in tree.walk():
        # A comment is the one piece of the text that the tree would carry along.
        node.comments = None
        _check_node(node, text, what, allowed)
    try:
        tree = in_zone(tree, text, timezone or UTC)
    except ConfigurationError as error:
        raise ConfigurationError(f"{what} {_quoted(text)}: {error}") from error
    try:
        return exact_in_duckdb(tree)
    except RecursionError as error:
        raise ConfigurationError(f"{what} {_quoted(text)} is nested too deeply") from error


def levels(tree: exp.Expr) -> int:
    """How deep the tree is; `a OR b OR c`, which is a chain of one operator, counts once."""
    deepest, waiting = 0, [(tree, 1)]
    while waiting:
        node, level = waiting.pop()
        deepest = max(deepest, level)
        chained = isinstance(node, exp.Binary)
        waiting += [
            (child, level if chained and type(child) is type(node) else level + 1) for child in node.iter_expressions()
        ]
    return deepest


def columns_of(tree: exp.Expr) -> tuple[str, ...]:
    """Names of the columns that an expression reads, each once, in order of appearance."""
    return tuple(dict.fromkeys(column.name for column in tree.find_all(exp.Column)))


def check_columns(tree: exp.Expr, known: Iterable[str], what: str) -> None:
    """Raise ConfigurationError when the expression reads a column that is not in `known`."""
    names = list(known)
    for column in columns_of(tree):
        if column not in names:
            quoted = "" if not _like_text(tree, column, names) else f"; text stands in single quotes, like '{column}'"
            raise ConfigurationError(
                f"{what} reads '{column}', which is not a column here: {did_you_mean(column, names)}{quoted}"
            )


def _like_text(tree: exp.Expr, name: str, known: Sequence[str]) -> bool:
    """Whether a column of the tree is compared with the name, which is like that of no column: `action = escalated`."""
    if closest(name, known) is not None:
        return False
    column = next(column for column in tree.find_all(exp.Column) if column.name == name)
    compared = column.parent
    if not isinstance(compared, exp.EQ | exp.NEQ | exp.In | exp.Like) or column.arg_key == "this":
        return False
    return isinstance(compared.this, exp.Column) and compared.this.name in known


def expression_type(text: str, relation: Relation, what: str = "expression", timezone: str | None = None) -> str:
    """DuckDB's name for the type of an expression over a relation; ConfigurationError when DuckDB cannot bind it."""
    tree = parse_expression(text, what, timezone)
    check_columns(tree, relation.names, what)
    for name, argument in calls_of(tree):
        kind = _bound_type(_over_nulls(argument, relation).sql("duckdb", copy=False), text, what)
        check_argument(name, argument.sql("duckdb"), kind, f"{what} {_quoted(text)}")
    dtype = _bound_type(_over_nulls(tree, relation).sql("duckdb", copy=False), text, what)
    _check_negations(tree, lambda value: _over_nulls(value, relation), text, what)
    return dtype


def _check_negations(tree: exp.Expr, query: Callable[[exp.Expr], exp.Select], text: str, what: str) -> None:
    """Raise ConfigurationError where a sign is put before an unsigned integer: DuckDB takes -3 of UTINYINT for 253."""
    for value in negated(tree):
        kind = _bound_type(query(value).sql("duckdb"), text, what)
        if kind in _SIGNED:
            shown = _quoted(value.sql("duckdb"))
            raise ConfigurationError(
                f"{what} {_quoted(text)} negates {shown}, which is {kind} and has no negative values: "
                f"write -CAST({value.sql('duckdb')} AS {_SIGNED[kind]})"
            )


def _over_nulls(tree: exp.Expr, relation: Relation) -> exp.Select:
    """The expression over one row of typed NULLs, which is enough to bind it."""
    nulls = [
        exp.alias_(
            exp.Cast(this=exp.null(), to=exp.DataType.build(column.dtype.sql, dialect="duckdb")),
            column.name,
            quoted=True,
            copy=False,
        )
        for column in relation.columns
    ]
    # sqlglot copies by default whatever it is given, a long expression several times over.
    value = exp.alias_(quoted_columns(tree), "value", copy=False)
    given = exp.select(*nulls, copy=False).subquery("given", copy=False)
    return exp.select(value, copy=False).from_(given, copy=False)


# Integers of DuckDB, and those that hold every value of them: the output is cast, and loses nothing.
_WIDER: dict[str, frozenset[str]] = {
    "TINYINT": frozenset({"SMALLINT", "INTEGER", "BIGINT"}),
    "SMALLINT": frozenset({"INTEGER", "BIGINT"}),
    "INTEGER": frozenset({"BIGINT"}),
    "UTINYINT": frozenset({"USMALLINT", "UINTEGER", "UBIGINT", "SMALLINT", "INTEGER", "BIGINT"}),
    "USMALLINT": frozenset({"UINTEGER", "UBIGINT", "INTEGER", "BIGINT"}),
    "UINTEGER": frozenset({"UBIGINT", "BIGINT"}),
}
# The signed integer that holds the negative of every value; of the widest one, most.
_SIGNED = {
    "UTINYINT": "SMALLINT", "USMALLINT": "INTEGER", "UINTEGER": "BIGINT", "UBIGINT": "HUGEINT", "UHUGEINT": "HUGEINT",
}  # fmt: skip


def check_expression_type(text: str, column: Column, relation: Relation, timezone: str | None = None) -> None:
    """Raise ConfigurationError unless the expression has the column's type, or one whose values that type holds."""
    dtype = expression_type(text, relation, f"the expression of '{column.name}'", timezone)
    wanted = _bound_type(f"SELECT CAST(NULL AS {column.dtype.sql}) AS value", column.dtype.name, "type")
    if dtype != wanted and wanted not in _WIDER.get(dtype, ()):
        raise ConfigurationError(
            f"the expression of '{column.name}' gives {dtype}, and the contract says {column.dtype} "
            f"({wanted}): change the type, or write CAST(... AS {wanted})"
        )


def check_predicate(text: str, relation: Relation, what: str) -> None:
    """Raise ConfigurationError unless the expression is a condition."""
    dtype = expression_type(text, relation, what)
    if dtype != "BOOLEAN":
        raise ConfigurationError(f"{what} {_quoted(text)} gives {dtype}: a condition is true or false")


def check_having(text: str, keys: Sequence[str], relation: Relation) -> None:
    """Raise ConfigurationError unless the text is a condition over the rows of a session with these keys."""
    tree = parse_having(text)
    check_columns(tree, relation.names, "having")

    def query(value: exp.Expr) -> exp.Select:
        if value.find_ancestor(*_AGGREGATES):
            return _over_nulls(value, relation)
        return _over_nulls(value, relation).group_by(*(exp.column(key, quoted=True) for key in keys))

    dtype = _bound_type(query(tree).sql("duckdb"), text, "having")
    if dtype != "BOOLEAN":
        raise ConfigurationError(f"having {_quoted(text)} gives {dtype}: a condition is true or false")
    _check_negations(tree, query, text, "having")


def quoted_columns(tree: exp.Expr) -> exp.Expr:
    """A copy in which every column name is quoted, so that keywords and mixed case stay columns."""
    copy = tree.copy()
    for column in copy.find_all(exp.Column):
        column.this.set("quoted", True)
    return copy


def _bound_type(query: str, text: str, what: str) -> str:
    try:
        return type_of(query)
    except duckdb.Error as error:
        raise ConfigurationError(f"{what} {_quoted(text)} does not fit the columns: {first_line(error)}") from error


def _check_node(node: exp.Expr, text: str, what: str, allowed: tuple[type[exp.Expression], ...]) -> None:
    if isinstance(node, exp.Anonymous):
        if str(node.this).lower() not in _ALLOWED_FUNCTIONS:
            raise ConfigurationError(
                f"{what} {_quoted(text)} calls '{node.this}', which is not among the functions of an "
                f"expression: {did_you_mean(str(node.this).lower(), FUNCTIONS, len(FUNCTIONS))}"
            )
        return
    if isinstance(node, exp.UnixToTime) and node.sql("duckdb").upper().startswith("EPOCH_MS("):
        # sqlglot's one node for several functions; of these, DuckDB's epoch_ms takes a timestamp too.
        return
    if calendar_call(node, text) is not None:
        return
    if isinstance(node, exp.Column) and (node.table or isinstance(node.this, exp.Star)):
        raise ConfigurationError(f"{what} {_quoted(text)} names '{node.sql('duckdb')}': write the column's name alone")
    if not isinstance(node, allowed):
        shown = node.sql("duckdb")
        part = "" if shown == text else f", found {_quoted(shown)}"
        raise ConfigurationError(f"{what} {_quoted(text)} is limited to scalar SQL over columns{part}")


def _place(error: errors.SqlglotError) -> str:
    details = getattr(error, "errors", None)
    if not details:
        return ""
    first = details[0]
    mark = f", near {_quoted(first['highlight'])}" if first.get("highlight") else ""
    return f" (line {first.get('line')}, column {first.get('col')}{mark})"


def _quoted(text: str) -> str:
    """The text on one line, since a message is one line."""
    return f"'{cut(' '.join(text.split()), 200)}'"


def type_in_duckdb(dtype: DType) -> exp.DataType:
    """The type as a node of the SQL tree."""
    return _built(dtype.sql).copy()


@lru_cache(maxsize=256)
def type_text(dtype: DType) -> str:
    """The type as the SQL tree writes it."""
    return _built(dtype.sql).sql("duckdb")


@lru_cache(maxsize=256)
def _built(kind: str) -> exp.DataType:
    return exp.DataType.build(kind, dialect="duckdb")


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

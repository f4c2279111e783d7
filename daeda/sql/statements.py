"""SQL of the major operators: each is one query whose result becomes a table of its own.

The results hold only the operator's new columns, in row order: the n-th row belongs to row n of the left side.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from sqlglot import exp

from daeda.dtypes import DType, TimeUnit
from daeda.durations import UNBOUNDED, Duration, finest
from daeda.operators.operator import Instant
from daeda.operators.relation import Relation
from daeda.operators.relational import Join
from daeda.operators.temporal import LabelAggregate, PointInTimeJoin, RollingAggregate, WindowOperator
from daeda.operators.udf import ArrowUdfTransform
from daeda.sql.availability import usable_from
from daeda.sql.expression import type_in_duckdb, type_text
from daeda.sql.handle import (
    ROW,
    ColumnTable,
    Deferred,
    Materialised,
    column,
    named,
    quoted,
    stored_name,
    table,
)
from daeda.sql.literal import literal
from daeda.sql.order import ordered_column, sort_key
from daeda.sql.scan import instant_of
from daeda.sql.template import once_per_template

# Columns that daeda makes while it works; names of users cannot begin like this.
TIME = "__time"
CREATED = "__created"
# When a row can be used, where that is not when it is known.
USABLE = "__usable"
VISIBLE = "__visible"
RANK = "__rank"
ENTITY = "__entity"

ProbingOperator = PointInTimeJoin | WindowOperator


@once_per_template
def numbering(relation: Relation, given: Deferred) -> str:
    """The rows in their total order: what becomes row 0, 1, 2 ... of the day."""
    query = exp.select(*(_stored(column(name)) for name in relation.names)).from_(given.tree().subquery("l"))
    if given.renumbers:
        return query.order_by(*ascending(column(ROW))).sql("duckdb")
    order = relation.order or relation.names
    return query.order_by(*(ordered_column(name, relation.column(name).dtype) for name in order)).sql("duckdb")


def _stored(value: exp.Column) -> exp.Expr:
    """A column under the name that it gets in a table of the day."""
    name = stored_name(value.name)
    return value if name == value.name else named(value, name)


@once_per_template
def static_join(operator: Join, left: Materialised, right: Deferred) -> str:
    """Left equi-join; the caller compares the number of rows, since duplicate right keys would make more."""
    rows = right.tree() if operator.latest_by is None else _newest_rows(operator, operator.latest_by, right)
    query = exp.select(*(_stored(column(name, "r")) for name in operator.columns))
    query = query.from_(left.select(operator.keys).subquery("l"))
    query = query.join(rows.subquery("r"), on=_equal_keys(operator.keys), join_type="left")
    return query.order_by(exp.Ordered(this=column(ROW, "l"), nulls_first=True)).sql("duckdb")


def _newest_rows(operator: Join, latest_by: Instant, right: Deferred) -> exp.Select:
    """The newest right row of each key: by time, then when it became known, then the ties; the greatest of each."""
    relation = right.relation
    instants = [latest_by.column, *([operator.created.column] if operator.created else [])]
    order = [*instants, *operator.tie_order]
    names = dict.fromkeys((*operator.keys, *operator.columns, *order))
    rows = exp.select(*(column(name) for name in names)).from_(right.tree().subquery("h"))
    rows = rows.where(exp.and_(*(is_known(column(name)) for name in (*operator.keys, *instants))))
    newest = [ordered_column(name, relation.column(name).dtype, greatest_first=True) for name in order]
    return _first_per(rows, [column(key) for key in operator.keys], newest)


@once_per_template
def duplicate_keys(keys: tuple[str, ...], right: Deferred) -> str:
    """One example of right keys that stand more than once, with their number."""
    named = [column(key) for key in keys]
    query = exp.select(*named, exp.alias_(exp.Count(this=exp.Star()), "rows")).from_(right.tree().subquery("r"))
    query = query.where(exp.and_(*(is_known(key.copy()) for key in named)))
    query = query.group_by(*(key.copy() for key in named)).having(
        exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(1))
    )
    return query.order_by(*(key.copy() for key in named)).limit(1).sql("duckdb")


@once_per_template
def point_in_time_join(operator: PointInTimeJoin, left: Materialised, right: Deferred) -> str:
    """As-of join against right rows that were reduced to one per key and instant.

    A right row is visible from `__visible` on: its time, or when it became known, if that is later. Reduction keeps the
    row that wins among all rows visible at that instant, so the ASOF join meets no tie (DuckDB would pick any):

        time  created  visible  rank        visible  winner
        10    10       10       1      ->   10       rank 1
        20    40       40       2           30       rank 3
        30    30       30       3           40       rank 3 again: dropped, the row at 30 still wins
    """
    unit = unit_of(operator)
    lefts = left.select([*operator.keys, operator.left_time.column]).subquery("s")
    left_rows = exp.select(
        column(ROW), *(column(key) for key in operator.keys),
        exp.alias_(instant_of(left.relation, operator.left_time, unit), TIME, quoted=True),
    ).from_(lefts)  # fmt: skip
    visible = _visible_rows(operator, right, unit)
    on = exp.and_(_equal_keys(operator.keys), _seen(operator, column(TIME, "l"), column(VISIBLE, "r")))
    query = exp.select(*(_unless_too_old(operator, name, unit) for name in operator.columns)).from_(
        left_rows.subquery("l")
    )
    join = exp.Join(this=visible.subquery("r"), method="ASOF", side="LEFT", on=on)
    query.append("joins", join)
    return query.order_by(exp.Ordered(this=column(ROW, "l"), nulls_first=True)).sql("duckdb")


def _visible_rows(operator: PointInTimeJoin, right: Deferred, unit: TimeUnit) -> exp.Select:
    """Right rows with known keys and times, one per key and instant of visibility."""
    relation = right.relation
    known = [*operator.keys, *(instant.column for instant in times_of(operator))]
    names = dict.fromkeys((*operator.keys, *operator.columns, *held_instants(operator), *operator.tie_order))
    moment = instant_of(relation, operator.right_time, unit, endless=True)
    time = exp.alias_(moment, TIME, quoted=True)
    rows = exp.select(*(column(name) for name in names), time).from_(right.tree().subquery("h"))
    rows = rows.where(exp.and_(*(is_known(column(name)) for name in known)))
    known_from = instants_known(operator, relation, unit)
    if not known_from:
        rows = rows.select(exp.alias_(moment.copy(), VISIBLE, quoted=True))
        partition = [column(key) for key in (*operator.keys, TIME)]
        ties = [(name, relation.column(name).dtype) for name in (*held_instants(operator), *operator.tie_order)]
        newest = [ordered_column(name, dtype, greatest_first=True) for name, dtype in ties]
        return _first_per(rows, partition, newest)
    rows = rows.select(*(exp.alias_(instant, name, quoted=True) for name, instant in known_from.items()))
    last = list(known_from)[-1]
    rows = exp.select(
        "*", exp.alias_(exp.Greatest(this=column(TIME), expressions=[column(last)]), VISIBLE, quoted=True)
    ).from_(rows.subquery("h1"))
    order = [(name, _order_type(name, relation)) for name in (TIME, *tie_names(operator))]
    return _winners(rows, [column(key) for key in operator.keys], order)


def instants_known(
    operator: ProbingOperator, relation: Relation, unit: TimeUnit, table: str | None = None
) -> dict[str, exp.Expr]:
    """When a right row became known, CREATED, and when it can be used, USABLE: what is declared. The last one counts.

    A row that is known by its time alone has neither.
    """
    instants = {}
    if operator.created is not None:
        instants[CREATED] = instant_of(relation, operator.created, unit, table, endless=True)
    if operator.available is not None:
        known = instant_of(relation, times_of(operator)[-1], unit, table, endless=True)
        instants[USABLE] = usable_from(known, operator.available, unit)
    return instants


def known_name(operator: ProbingOperator) -> str | None:
    """The column of `rows_with_instants` that says from when on a row counts; None where its time does."""
    if operator.available is not None:
        return USABLE
    return None if operator.created is None else CREATED


def _first_per(rows: exp.Select, partition: list[exp.Column], newest: list[exp.Ordered]) -> exp.Select:
    """One row per partition: the first in `newest` order."""
    window = exp.Window(
        this=exp.RowNumber(), partition_by=partition, order=exp.Order(expressions=newest) if newest else None
    )
    return exp.select("*").from_(rows.subquery("h2")).qualify(exp.EQ(this=window, expression=exp.Literal.number(1)))


def _winners(rows: exp.Select, keys: list[exp.Column], by: list[tuple[str, DType]]) -> exp.Select:
    """Rows that win at the instant at which they become visible: a new greatest rank in the order of visibility."""
    order = [ordered_column(name, dtype) for name, dtype in by]
    rank = exp.Window(
        this=exp.RowNumber(), partition_by=[key.copy() for key in keys], order=exp.Order(expressions=order)
    )
    ranked = exp.select("*", exp.alias_(rank, RANK, quoted=True)).from_(rows.subquery("h3"))
    by_visibility = exp.Order(expressions=[exp.Ordered(this=column(VISIBLE), nulls_first=True)])
    greatest = exp.Window(
        this=exp.Max(this=column(RANK)), partition_by=[key.copy() for key in keys], order=by_visibility
    )
    return exp.select("*").from_(ranked.subquery("h4")).qualify(exp.EQ(this=column(RANK), expression=greatest))


def held_instants(operator: ProbingOperator) -> tuple[str, ...]:
    """Time and created where values may lie outside of what the unit of comparison holds (see `sql.scan`).

    Such values are clamped and compare as equal, so that what is stored decides between them.
    """
    unit = unit_of(operator)
    return tuple(instant.column for instant in times_of(operator) if instant.resolution is not unit)


def tie_names(operator: ProbingOperator) -> tuple[str, ...]:
    """What orders rows of one TIME: the stored time where it is clamped, CREATED, what is stored of it, then the ties.

    A column that is named twice counts where it stands first.
    """
    stored = held_instants(operator)
    created = () if operator.created is None else (CREATED,)
    late = tuple(name for name in stored if operator.created is not None and name == operator.created.column)
    early = tuple(name for name in stored if name not in late)
    return (*early, *created, *late, *operator.tie_order)


def _order_type(name: str, relation: Relation) -> DType:
    return DType("int64") if name in (TIME, CREATED) else relation.column(name).dtype


def _seen(operator: PointInTimeJoin, left: exp.Expr, right: exp.Expr) -> exp.Expr:
    return exp.GTE(this=left, expression=right) if operator.allow_exact else exp.GT(this=left, expression=right)


def _unless_too_old(operator: PointInTimeJoin, name: str, unit: TimeUnit) -> exp.Expr:
    ttl = operator.ttl.in_unit(unit) if operator.ttl is not None else None
    if ttl is None:
        return _stored(column(name, "r"))
    age = exp.Sub(this=column(TIME, "l"), expression=column(TIME, "r"))
    young = exp.LTE(this=age, expression=exp.Literal.number(ttl))
    return exp.alias_(exp.Case(ifs=[exp.If(this=young, true=column(name, "r"))]), stored_name(name), quoted=True)


def unit_of(operator: ProbingOperator) -> TimeUnit:
    """The resolution in which times and windows are compared."""
    times = (operator.left_time, *times_of(operator))
    available = None if operator.available is None else operator.available.unit
    lengths = (length.unit for length in _lengths_of(operator))
    return finest(*(time.resolution for time in times), *lengths, available)


def times_of(operator: ProbingOperator) -> tuple[Instant, ...]:
    """The time of a row that is looked back at, and when it became known, where that is declared."""
    time = operator.history_time if isinstance(operator, WindowOperator) else operator.right_time
    return (time, operator.created) if operator.created else (time,)


def spans_of(operator: ProbingOperator) -> tuple[Duration, ...]:
    """How far it looks, back or ahead, for each of its columns or for all."""
    if isinstance(operator, LabelAggregate):
        spans = ((label.gap, label.window, label.matures_after) for label in operator.aggregates)
        return tuple(itertools.chain.from_iterable(spans))
    if isinstance(operator, RollingAggregate):
        return tuple(aggregate.reach for aggregate in operator.aggregates)
    return (operator.ttl or UNBOUNDED,)


def _lengths_of(operator: ProbingOperator) -> tuple[Duration, ...]:
    """Everything that its times are compared by, as it is written."""
    if isinstance(operator, RollingAggregate):
        lengths = ((one.window, one.aligned_to, one.offset) for one in operator.aggregates)
        return tuple(length for several in lengths for length in several if length is not None)
    return spans_of(operator)


@dataclass(frozen=True)
class ProbeTableKey:
    """Who looks back, and from when: operators that agree in this share their entities and probes."""

    keys: tuple[str, ...]
    time: str
    tables: tuple[ColumnTable, ...]


@once_per_template
def probe_table_key(operator: ProbingOperator, left: Materialised) -> ProbeTableKey:
    """What the statements for entities and probes are made from."""
    time = instant_of(left.relation, operator.left_time, unit_of(operator)).sql("duckdb")
    names = [*operator.keys, operator.left_time.column]
    return ProbeTableKey(tuple(left.expressions[key] for key in names), time, left.holding(names))


@once_per_template
def rolling_entities(operator: ProbingOperator, left: Materialised) -> str:
    """The distinct entities of the day, numbered from 0 in the order of their keys."""
    distinct = exp.select(*(column(key) for key in operator.keys)).from_(left.select(operator.keys).subquery("s"))
    distinct = distinct.where(exp.and_(*(is_known(column(key)) for key in operator.keys))).distinct()
    order = exp.Order(expressions=[exp.Ordered(this=column(key), nulls_first=True) for key in operator.keys])
    number = exp.Sub(this=exp.Window(this=exp.RowNumber(), order=order), expression=exp.Literal.number(1))
    code = exp.Cast(this=number, to=exp.DataType.build("BIGINT", dialect="duckdb"))
    return (
        exp.select(*(column(key) for key in operator.keys), exp.alias_(code, ENTITY, quoted=True))
        .from_(distinct.subquery("k"))
        .sql("duckdb")
    )


@once_per_template
def rolling_probes(operator: ProbingOperator, left: Materialised, entities: str) -> str:
    """Row, entity and time of the left rows that have an entity, by entity and time."""
    rows = left.select([*operator.keys, operator.left_time.column]).subquery("l")
    time = instant_of(left.relation, operator.left_time, unit_of(operator), "l")
    query = exp.select(column(ROW, "l"), column(ENTITY, "e"), exp.alias_(time, TIME, quoted=True)).from_(rows)
    query = query.join(table(entities).as_("e"), on=_equal_keys(operator.keys, "l", "e"), join_type="inner")
    return query.order_by(*ascending(column(ENTITY, "e"), column(TIME), column(ROW, "l"))).sql("duckdb")


def without_probe(probes: str, rows: int) -> str:
    """Numbers of the rows of the day, of 0 .. rows - 1, that are not among the probes, in no order."""
    alias = exp.TableAlias(this=exp.to_identifier("r"), columns=[exp.to_identifier(ROW, quoted=True)])
    numbers = exp.Table(this=exp.func("range", exp.Literal.number(rows)), alias=alias)
    on = exp.EQ(this=column(ROW, "r"), expression=column(ROW, "p"))
    query = exp.select(column(ROW, "r")).from_(numbers)
    return query.join(table(probes).as_("p"), on=on, join_type="anti").sql("duckdb")


@once_per_template
def rolling_history(operator: WindowOperator, right: Deferred, entities: str) -> str:
    """History rows of the day's entities by entity, time, `created` and ties (greater last): one scan and one sort.

    Rows that never become known are left out.
    """
    ties = [_rolling_tie(name, right.relation) for name in tie_names(operator)]
    query = history_rows(operator, right, entities, history_values(operator))
    return query.order_by(*ascending(column(ENTITY, "e"), column(TIME), *ties)).sql("duckdb")


def _rolling_tie(name: str, relation: Relation) -> exp.Expr:
    return column(CREATED) if name == CREATED else sort_key(column(name, "h"), relation.column(name).dtype)


def history_values(operator: WindowOperator) -> tuple[str, ...]:
    """Columns of the history that are aggregated, each once."""
    return tuple(dict.fromkeys(name for aggregate in operator.aggregates for name in aggregate.reads))


def history_rows(
    operator: ProbingOperator, right: Deferred, entities: str, names: tuple[str, ...], telling: str | None = None
) -> exp.Select:
    """Entity, time, `created` and the columns `names` of the history rows of the day's entities, in no order.

    With a key `telling`, which no two entities share, rows are joined by it alone, and what they find is compared by
    the other keys. The comparison is hidden from the optimizer, which would join by all keys again.
    """
    query = rows_with_instants(operator, right, (column(ENTITY, "e"),), names)
    joined = operator.keys if telling is None else (telling,)
    compared = tuple(key for key in operator.keys if key not in joined)
    if compared:
        alike = exp.If(this=_equal_keys(compared, "h", "e"), true=exp.true())
        query = query.where(exp.Case(ifs=[alike], default=exp.false()))
    return query.join(table(entities).as_("e"), on=_equal_keys(joined, "h", "e"), join_type="inner")


def rows_with_instants(
    operator: ProbingOperator, right: Deferred, first: tuple[exp.Column, ...], names: tuple[str, ...]
) -> exp.Select:
    """The columns `first`, time, `created`, when it can be used, and the columns `names` of the history rows.

    Rows that lack a time, or were never known, are left out.
    """
    relation, unit, times = right.relation, unit_of(operator), times_of(operator)
    instants = {TIME: instant_of(relation, times[0], unit, "h", endless=True)}
    instants |= instants_known(operator, relation, unit, "h")
    query = exp.select(
        *first,
        *(exp.alias_(instant, name, quoted=True) for name, instant in instants.items()),
        *(column(name, "h") for name in names),
    )
    query = query.from_(right.tree().subquery("h"))
    return query.where(exp.and_(*(is_known(column(time.column, "h")) for time in times)))


@once_per_template
def function_input(operator: ArrowUdfTransform, left: Materialised) -> str:
    """The columns that a function reads, each once, in row order, in their declared types and with their defaults."""
    names = tuple(dict.fromkeys(operator.columns))
    typed = (exp.alias_(_argument(operator, name, left.relation), name, quoted=True) for name in names)
    query = exp.select(*typed).from_(left.select(names).subquery("a"))
    return query.order_by(*ascending(column(ROW))).sql("duckdb")


def _argument(operator: ArrowUdfTransform, name: str, given: Relation) -> exp.Expr:
    dtype, value = given.column(name).dtype, column(name)
    default = operator.defaults.get(name)
    filled = value if default is None else exp.Coalesce(this=value, expressions=[literal(default, dtype)])
    return exp.Cast(this=filled, to=type_in_duckdb(dtype))


@once_per_template
def assembly(relation: Relation, given: Materialised, first: int, last: int | None) -> str:
    """The output columns of rows first .. last - 1 (of all from `first` on without it), with the contract's types."""
    names = {declared: quoted(declared.name) for declared in relation.columns}
    typed = ", ".join(f"CAST({name} AS {type_text(declared.dtype)}) AS {name}" for declared, name in names.items())
    return f"SELECT {typed} FROM ({given.select_text(relation.names, first, last)}) AS a"


@once_per_template
def column_statistics(relation: Relation, given: Materialised) -> str:
    """One row: how many rows there are, then per column its values, and unless it is a list, the least and greatest."""
    terms = ["COUNT(*)"]
    for declared in relation.columns:
        name = quoted(declared.name)
        terms.append(f"COUNT({name})")
        if declared.dtype.item is None:
            terms += [f"CAST({value}({name}) AS TEXT)" for value in ("MIN", "MAX")]
    return f"SELECT {', '.join(terms)} FROM ({assembly(relation, given, 0, None)}) AS o"


@once_per_template
def all_columns(given: Materialised) -> str:
    """Row number and columns of a materialised relation."""
    return given.select(given.relation.names).sql("duckdb")


def _equal_keys(keys: tuple[str, ...], left: str = "l", right: str = "r") -> exp.Expr:
    return exp.and_(*(exp.EQ(this=column(key, left), expression=column(key, right)) for key in keys))


def is_known(value: exp.Expr) -> exp.Expr:
    """That a value is not NULL."""
    return exp.Not(this=exp.Is(this=value, expression=exp.null()))


def ascending(*values: exp.Expr) -> list[exp.Ordered]:
    """Terms of an ORDER BY: the least first, NULLs before it."""
    return [exp.Ordered(this=value, nulls_first=True) for value in values]

"""SQL of Scan and Filter: deferred, never run on its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sqlglot import exp

from daeda.dtypes import DType, TimeUnit
from daeda.durations import finest
from daeda.operators.operator import Instant
from daeda.operators.relation import Relation
from daeda.operators.relational import Filter, Scan
from daeda.sql.expression import parse_expression, parse_having, quoted_columns, type_in_duckdb
from daeda.sql.files import file_list
from daeda.sql.handle import Deferred, column, fill, item_name, named, option, read_parquet, stored_name, table
from daeda.sql.literal import literal
from daeda.sql.order import ordered_column
from daeda.sql.sampling import has_no_key, is_kept, weight
from daeda.sql.template import once_per_template, parameter, parameter_text, without_conflicts

_EPOCH = dt.date(1970, 1, 1)
_EPOCH_TIME = dt.datetime(1970, 1, 1)
# Of each row the file that it is read from; names of users cannot begin like this.
FILE = "__file"
# The ends of int64, which are infinities in DuckDB, whatever the unit.
_FIRST, _LAST = -(2**63) + 1, 2**63 - 1


def scan(operator: Scan, relation: Relation, paths: Sequence[str], day: dt.date) -> Deferred:
    """SELECT of the declared columns from the day's files, clipped to the time that the day can see."""
    bounds = _bounds(operator, day)
    parameters = [(parameter_text(operator.name, f"bound {index}"), bound) for index, bound in enumerate(bounds)]
    if paths:
        files = file_list(paths)
        parameters.append((parameter_text(operator.name, "files"), files.sql("duckdb")))
    template = _template(operator, bool(paths), len(bounds))
    return Deferred(relation, template, parameters=tuple(parameters))


def reads(given: Deferred, scan: str) -> bool:
    """Whether the files of the Scan of that name are a parameter of the query."""
    literal = parameter_text(scan, "files")
    return any(parameter == literal for parameter, _ in given.parameters)


def only_scan(given: Deferred, scan: str) -> bool:
    """Whether the query reads the Scan of that name, and no other."""
    own = {parameter_text(scan, what) for what in ("files", "bound 0", "bound 1")}
    return reads(given, scan) and all(literal in own for literal, _ in given.parameters)


def with_paths(given: Deferred, scan: Scan, paths: Sequence[str]) -> Deferred:
    """The same query over other files."""
    return _with_parameters(given, {parameter_text(scan.name, "files"): file_list(paths).sql("duckdb")})


def of_any_time(given: Deferred, scan: Scan, paths: Sequence[str]) -> Deferred:
    """The same query over other files, with their rows of the years 1 to 9999, or as far as nanoseconds reach."""
    dtype, unit = scan.time_column.dtype, _time_unit(scan)
    texts = {}
    for index, day in enumerate((dt.date.max, dt.date.min)):
        number = max(_FIRST, min(day_bounds(day, unit)[0], _LAST))
        texts[parameter_text(scan.name, f"bound {index}")] = _bound(number, dtype, _as_stored(scan)).sql("duckdb")
    return _with_parameters(with_paths(given, scan, paths), texts)


def told_by_file(given: Deferred, scan: Scan, paths: Sequence[str]) -> Deferred | None:
    """`of_any_time`, and beside the columns FILE: the place of each row's file among the paths, from 0.

    None where a row is not chosen by itself, as by its session: the rows of one file depend on the other files then.

        SELECT a, __file FROM (SELECT ..., ENUM_CODE(CAST(__file AS ENUM('f', 'g'))) AS __file
                               FROM READ_PARQUET(['f', 'g'], filename = '__file')) WHERE ...
    """
    template = _told_by_file(scan.name, given.for_any_day())
    if template is None:
        return None
    # DuckDB casts the name of a file once for all rows of it; a place in a list it would look up for each row.
    names = ", ".join(exp.Literal.string(path).sql("duckdb") for path in paths)
    of_files = of_any_time(given, scan, paths)
    parameters = (*of_files.parameters, (parameter_text(scan.name, "names"), names))
    return replace(of_files, template=template, parameters=parameters)


@once_per_template
def _told_by_file(scan: str, given: Deferred) -> str | None:
    tree = query = given.tree()
    while True:
        if any(value for part, value in query.args.items() if part not in ("expressions", "from_", "where")):
            return None
        source = query.args["from_"].this
        if not isinstance(source, exp.Subquery):
            break
        if not any(isinstance(value, exp.Star) for value in query.expressions):
            query.select(column(FILE), copy=False)
        query = source.this
    files = exp.DataType.build(f"ENUM({parameter_text(scan, 'names')})", dialect="duckdb")
    place = exp.Anonymous(this="enum_code", expressions=[exp.Cast(this=column(FILE), to=files)])
    query.select(named(place, FILE), copy=False)
    source.this.append("expressions", option("filename", exp.Literal.string(FILE)))
    return tree.sql("duckdb")


def _with_parameters(given: Deferred, texts: Mapping[str, str]) -> Deferred:
    parameters = ((parameter, texts.get(parameter, text)) for parameter, text in given.parameters)
    return replace(given, parameters=tuple(parameters))


@once_per_template
def _template(operator: Scan, has_files: bool, bounds: int) -> str:
    read = exp.select(*_columns_read(operator))
    read = read.from_(read_parquet(parameter(operator.name, "files")) if has_files else no_rows(operator))
    query = exp.select(*(column(scanned.name) for scanned in operator.columns)).from_(read.subquery("s"))
    for condition in _time_range(operator, bounds):
        query = query.where(condition)
    if operator.predicate is not None:
        query = query.where(quoted_columns(parse_expression(operator.predicate)))
    return query.sql("duckdb")


def rows_of_table(operator: Scan, relation: Relation, name: str, position: str) -> str:
    """Rows of a table of one's own, whose columns are named as the Scan names them, in the total order of the spine.

    They are read as the Scan reads files; `position` is a column of the table that stays, and orders equal rows.
    """
    by_name = tuple(scanned.model_copy(update={"source": scanned.name}) for scanned in operator.columns)
    read = exp.select(*_columns_read(operator.model_copy(update={"columns": by_name})), column(position))
    query = exp.select(
        *(
            named(column(field), stored_name(field)) if stored_name(field) != field else column(field)
            for field in relation.names
        ),
        column(position),
    ).from_(read.from_(table(name)).subquery("s"))
    order = [ordered_column(field, relation.column(field).dtype) for field in relation.order or relation.names]
    return query.order_by(*order, column(position)).sql("duckdb")


def narrowing(operator: Scan, path: str) -> str:
    """One file as any day's Scan takes it: the columns as they are stored, of the rows that the predicate keeps."""
    files = file_list([path])
    return fill(_narrowing(operator), ((parameter_text(operator.name, "files"), files.sql("duckdb")),))


@once_per_template
def _narrowing(operator: Scan) -> str:
    stored = {source: f"__stored_{index}" for index, source in enumerate(_sources(operator))}
    also = (exp.alias_(column(source), name, quoted=True) for source, name in stored.items())
    read = exp.select(*_columns_read(operator), *also)
    read = read.from_(read_parquet(parameter(operator.name, "files")))
    query = exp.select(*(exp.alias_(column(name), source, quoted=True) for source, name in stored.items()))
    query = query.from_(read.subquery("s"))
    if operator.predicate is not None:
        query = query.where(quoted_columns(parse_expression(operator.predicate)))
    return query.sql("duckdb")


def _sources(operator: Scan) -> tuple[str, ...]:
    return tuple(dict.fromkeys(column.source for column in operator.columns))


def no_rows(operator: Scan) -> exp.Subquery:
    """A relation with the source's columns and without rows: what an empty set of partitions holds."""
    nulls = [
        exp.alias_(exp.Cast(this=exp.null(), to=type_in_duckdb(column.dtype)), column.source, quoted=True)
        for column in operator.columns
    ]
    return exp.select(*nulls).where(exp.false()).subquery("nothing")


def day_bounds(day: dt.date, unit: TimeUnit) -> tuple[int, int]:
    """First instant of the day and of the next one, in units since the epoch."""
    start = (day - _EPOCH).days * unit.per_day
    return start, start + unit.per_day


def instant(name: exp.Expr, dtype: DType, source: TimeUnit, unit: TimeUnit, *, endless: bool = False) -> exp.Expr:
    """The column as a whole number of `unit`, which is at least as fine as `source`.

    What nanoseconds do not reach is held at the ends of int64, and so are, where they are asked for, the infinities of
    DuckDB and Postgres: they compare as they should with every time that the unit has.
    """
    factor = unit.value // source.value
    if dtype.is_integer:
        number: exp.Expr = exp.Cast(this=name, to=exp.DataType.build("BIGINT", dialect="duckdb"))
        most = _LAST // factor
        return number if factor == 1 else _held(number, _number(-most), _number(most), _times(number, factor))
    function = {TimeUnit.MILLI: "epoch_ms", TimeUnit.MICRO: "epoch_us", TimeUnit.NANO: "epoch_ns"}[source]
    stamped = (
        exp.Cast(this=name, to=exp.DataType.build("TIMESTAMP", dialect="duckdb")) if dtype.name == "date" else name
    )
    value = _times(exp.Anonymous(this=function, expressions=[stamped]), factor)
    if factor != 1 and unit is TimeUnit.NANO:
        reach = _LAST // 1000
        return _held(name, _bound(-reach, dtype, stored=True), _bound(reach, dtype, stored=True), value)
    if not endless or source is TimeUnit.NANO:
        return value
    epoch = _bound(0, dtype, stored=True)
    return exp.Coalesce(this=value, expressions=[_held(name.copy(), epoch, epoch.copy(), None)])


def _held(value: exp.Expr, least: exp.Expr, most: exp.Expr, inside: exp.Expr | None) -> exp.Expr:
    """The ends of int64 for what is below `least` or above `most`; NULL for NULL."""
    late, early = exp.GT(this=value.copy(), expression=most), exp.LT(this=value.copy(), expression=least)
    return exp.Case(
        ifs=[exp.If(this=late, true=_number(_LAST)), exp.If(this=early, true=_number(_FIRST))], default=inside
    )


def _times(value: exp.Expr, factor: int) -> exp.Expr:
    if factor == 1:
        return value
    return exp.Mul(this=exp.Paren(this=value.copy()), expression=_number(factor))


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def instant_of(
    relation: Relation, given: Instant, unit: TimeUnit, table: str | None = None, *, endless: bool = False
) -> exp.Expr:
    """A time column of a relation as a whole number of `unit`."""
    dtype = relation.column(given.column).dtype
    return instant(column(given.column, table), dtype, given.resolution, unit, endless=endless)


def filter_rows(operator: Filter, left: Deferred, right: Deferred | None) -> Deferred:
    """The left rows that the filter keeps, in any order."""
    if right is not None:
        left, right = without_conflicts([left, right])
    parameters = (*left.parameters, *(right.parameters if right is not None else ()))
    template = _filtered(operator, left.for_any_day(), None if right is None else right.for_any_day())
    relation = left.relation if operator.sample is None else operator.derive((left.relation,))
    return replace(left, relation=relation, template=template, parameters=tuple(dict.fromkeys(parameters)))


@once_per_template
def _filtered(operator: Filter, left: Deferred, right: Deferred | None) -> str:
    query = exp.select("*").from_(left.tree().subquery("l"))
    if operator.predicate is not None:
        return query.where(quoted_columns(parse_expression(operator.predicate))).sql("duckdb")
    if operator.having is not None:
        return _rows_of_sessions(operator.session, operator.having, left).sql("duckdb")
    if operator.sample is not None:
        if operator.sample.weight is not None:
            query = query.select(weight(operator.sample, operator.sample.weight))
        return query.where(is_kept(operator.sample)).sql("duckdb")
    assert right is not None
    return query.join(right.tree().subquery("r"), on=_same(operator.semi_join), join_type="semi").sql("duckdb")


@once_per_template
def without_key(operator: Filter, left: Deferred) -> str:
    """How many rows a sample drops because they have a NULL in its keys."""
    assert operator.sample is not None
    query = exp.select(exp.Count(this=exp.Star())).from_(left.tree().subquery("l"))
    return query.where(has_no_key(operator.sample)).sql("duckdb")


def _rows_of_sessions(keys: Sequence[str], having: str, left: Deferred) -> exp.Select:
    """Rows of the sessions for which `having` is true. A row with a NULL in its key is of no session.

    The rows of `left` are those of the day, so a session that began the day before is judged by what is left of it.
    """
    kept = exp.select(*(column(key) for key in keys)).from_("rows_of_day")
    kept = kept.group_by(*(column(key) for key in keys)).having(_in_one_order(parse_having(having)))
    query = exp.select("*").with_("rows_of_day", as_=left.tree()).from_(exp.to_table("rows_of_day").as_("l"))
    return query.join(kept.subquery("r"), on=_same(keys), join_type="semi")


def _in_one_order(tree: exp.Expr) -> exp.Expr:
    """Sums add up in the order of their values: doubles in the order of arrival would depend on the threads."""
    copy = quoted_columns(tree)
    for total in list(copy.find_all(exp.Sum, exp.Avg)):
        value = total.this.expressions[0] if isinstance(total.this, exp.Distinct) else total.this
        ascending = exp.Ordered(this=value.copy(), nulls_first=True)
        total.set("this", exp.Order(this=total.this, expressions=[ascending]))
    return copy


def _same(keys: Sequence[str]) -> exp.Expr:
    return exp.and_(*(exp.EQ(this=column(key, "l"), expression=column(key, "r")) for key in keys))


def _columns_read(operator: Scan) -> Iterator[exp.Expr]:
    """The columns as declared, with -0.0 made 0.0 (x + 0.0 does that, and keeps NaN and NULL)."""
    for scanned in operator.columns:
        value = _without_negative_zero(column(scanned.source), scanned.dtype)
        yield exp.alias_(exp.Cast(this=value, to=type_in_duckdb(scanned.dtype)), scanned.name, quoted=True)


def _without_negative_zero(value: exp.Expr, dtype: DType, depth: int = 0) -> exp.Expr:
    if not dtype.holds_float:
        return value
    if dtype.item is None:
        return exp.Add(this=value, expression=literal(0.0, dtype))
    item = item_name(depth)
    body = _without_negative_zero(exp.column(item), dtype.item, depth + 1)
    each = exp.Lambda(this=body, expressions=[exp.to_identifier(item)])
    return exp.Anonymous(this="list_transform", expressions=[value, each])


def _time_range(operator: Scan, bounds: int) -> list[exp.Expr]:
    """Rows of the day for a spine; rows that a row of the day can look at; for static reads all that have a time."""
    if operator.time is None:
        return []
    if operator.reads == "static":
        return [exp.Not(this=exp.Is(this=column(operator.time.column), expression=exp.null()))]
    dtype, unit = operator.time_column.dtype, _time_unit(operator)
    value = instant(column(operator.time.column), dtype, operator.time.resolution, unit, endless=True)
    if _as_stored(operator):
        # Compared as it is stored, so that statistics rule out row groups.
        value = column(operator.time.column)
    ends = [parameter(operator.name, f"bound {index}") for index in range(bounds)]
    conditions: list[exp.Expr] = [exp.LT(this=value, expression=ends[0])]
    if bounds == 2:
        conditions.append(exp.GTE(this=value.copy(), expression=ends[1]))
    return conditions


def _bounds(operator: Scan, day: dt.date) -> list[str]:
    """The end of what the day can see, and unless that reaches back without end, its beginning; as SQL."""
    if operator.time is None or operator.reads == "static":
        return []
    unit = _time_unit(operator)
    start, end = day_bounds(day, unit)
    bounds = [end, start]
    if operator.lookback is not None:
        length = operator.lookback.in_unit(unit)
        endless = length is None or start - length < (dt.date.min - _EPOCH).days * unit.per_day
        bounds = [end] if length is None or endless else [end, start - length]
    # Beyond the last day there are no rows.
    last = (dt.date.max - _EPOCH).days * unit.per_day
    if operator.gap is not None:
        bounds[1] = min(start + (operator.gap.in_unit(unit) or 0), last)
    if operator.lookahead is not None:
        bounds[0] = min(end + (operator.lookahead.in_unit(unit) or 0), last)
    return [_bound(number, operator.time_column.dtype, _as_stored(operator)).sql("duckdb") for number in bounds]


def _time_unit(operator: Scan) -> TimeUnit:
    assert operator.time is not None
    spans = (operator.lookback, operator.lookahead, operator.gap)
    return finest(operator.time.resolution, *(span.unit for span in spans if span is not None))


def _as_stored(operator: Scan) -> bool:
    """Whether bounds are compared with the column itself."""
    return _time_unit(operator) is TimeUnit.MICRO and operator.time_column.dtype.unit is TimeUnit.MICRO


def _bound(number: int, dtype: DType, stored: bool) -> exp.Expr:
    if not stored:
        return exp.Literal.number(number)
    # A date compares with a timestamp at its midnight.
    text = f"{_EPOCH_TIME + dt.timedelta(microseconds=number)}" + ("+00" if dtype.name.endswith("UTC]") else "")
    kind = "TIMESTAMPTZ" if dtype.name.endswith("UTC]") else "TIMESTAMP"
    return exp.Cast(this=exp.Literal.string(text), to=exp.DataType.build(kind, dialect="duckdb"))

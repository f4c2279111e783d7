"""Relations of one day at work: SQL that is deferred, and rows that are materialised in tables of the day.

Both are small and picklable: they cross from one operator to the next, and rows never do.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sqlglot import exp, parse_one

from daeda.operators.relation import Relation

ROW = "__row"
PLACE = "file_row_number"
# DuckDB's number of a row in a table.
_PSEUDO_COLUMN = "rowid"
# Expressions that most columns are: one column, and that with a default that reads none.
_PLAIN = re.compile(r'"((?:[^"]|"")+)"')
_WITH_DEFAULT = re.compile(r'COALESCE\("((?:[^"]|"")+)", [^"\']*\)')


@dataclass(frozen=True)
class Deferred:
    """SQL over source files: Scan and Filter compose it, nothing has run yet.

    `parameters` pairs literals of the template with their values on the day (see daeda.sql.template). With
    `renumbers` the query chooses among rows that are numbered already: its column ROW has their numbers and order.
    """

    relation: Relation
    template: str
    renumbers: bool = False
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def query(self) -> str:
        """The query of the day."""
        return fill(self.template, self.parameters)

    def tree(self) -> exp.Select:
        """The template as a tree."""
        return parse_select(self.template)

    def for_any_day(self) -> Deferred:
        """The same for any day."""
        return replace(self, parameters=()) if self.parameters else self


@dataclass(frozen=True)
class ColumnTable:
    """A temporary table of the day with some columns of a materialised relation; its n-th row belongs to row n.

    `columns` are its columns as the relation names them, `stored` as the table does.
    One that is not `numbered` has no rowid: whoever reads a range of rows lets DuckDB see no others of it.
    """

    name: str
    columns: tuple[str, ...]
    numbered: bool = True

    @property
    def stored(self) -> tuple[str, ...]:
        """The names of the columns in the table."""
        return tuple(map(stored_name, self.columns))


@dataclass(frozen=True)
class Materialised:
    """Rows 0 .. rows - 1 in the order of the spine, their columns spread over tables.

    `expressions` gives the SQL of each column over the columns of the tables.
    """

    relation: Relation
    rows: int
    tables: tuple[ColumnTable, ...]
    expressions: Mapping[str, str]

    def __hash__(self) -> int:
        return hash((self.rows, self.tables, tuple(self.expressions)))

    def for_any_day(self) -> Materialised:
        """The same for any day."""
        return replace(self, rows=0)

    def expression(self, name: str) -> exp.Expr:
        """The tree of a column over the tables' columns."""
        return _parsed(self.expressions[name]).copy()

    def holding(self, columns: Collection[str]) -> tuple[ColumnTable, ...]:
        """The tables that have what `columns` are computed from; the first table of all where they need none."""
        needed = self.needed(columns)
        return tuple(table for table in self.tables if needed & set(table.stored)) or self.tables[:1]

    def select(self, columns: Collection[str], first: int = 0, last: int | None = None) -> exp.Select:
        """SELECT of the row number and of `columns` in row order, reading only the tables that they need.

        `first` and `last` (exclusive) cut a range of rows; row groups outside of it are not read. All tables are in row
        order, so they are put side by side, and nothing is looked up:

            SELECT f0.__row, a, b FROM (SELECT rowid AS __row, a FROM t) AS f0 POSITIONAL JOIN (SELECT b FROM u) AS f1
        """
        needed = self.needed(columns)
        tables = self.holding(columns)
        if not tables[0].numbered and tables[0] is not self.tables[0]:
            # The rows of the spine are the first table, and have numbers.
            tables = (self.tables[0], *tables)
        row = [exp.column(ROW, table="f0", quoted=True)] if tables[0].numbered else []
        head, *others = [
            _rows_of(stored, sorted(needed & set(stored.stored)), first, last, head=index == 0).subquery(
                f"f{index}", copy=False
            )
            for index, stored in enumerate(tables)
        ]
        query = selected(*row).from_(head, copy=False)
        for other in others:
            query.append("joins", exp.Join(this=other, method="POSITIONAL"))
        return query.select(*(named(self.expression(name), name) for name in columns), copy=False)

    def select_text(self, columns: Sequence[str], first: int = 0, last: int | None = None) -> str:
        """The text of `select`; trees of a thousand columns take longer than to read them."""
        needed = self.needed(columns)
        tables = self.holding(columns)
        if not tables[0].numbered and tables[0] is not self.tables[0]:
            tables = (self.tables[0], *tables)
        terms = [f'"f0".{quoted(ROW)}'] if tables[0].numbered else []
        terms += [f"{self.expressions[name]} AS {quoted(name)}" for name in columns]
        rows = " POSITIONAL JOIN ".join(
            f"({_text_of_rows(stored, sorted(needed & set(stored.stored)), first, last, head=index == 0)}) AS f{index}"
            for index, stored in enumerate(tables)
        )
        return f"SELECT {', '.join(terms)} FROM {rows}"

    def needed(self, columns: Collection[str]) -> set[str]:
        """The columns of the tables that `columns` are computed from."""
        return {needed for name in columns for needed in _columns_in(self.expressions[name])}


def selected(*columns: exp.Expr) -> exp.Select:
    """SELECT of columns that stand nowhere else: sqlglot copies what it is given, and a thousand columns take long."""
    return exp.Select().select(*columns, copy=False)


def named(value: exp.Expr, name: str) -> exp.Expr:
    """A value that stands nowhere else, under a quoted name."""
    return exp.alias_(value, name, quoted=True, copy=False)


@lru_cache(maxsize=8192)
def _parsed(text: str) -> exp.Expr:
    """The tree of an expression that this package made; to be copied before it is put anywhere."""
    return parse_one(text, dialect="duckdb")


@lru_cache(maxsize=8192)
def _columns_in(text: str) -> frozenset[str]:
    plain = _PLAIN.fullmatch(text) or _WITH_DEFAULT.fullmatch(text)
    if plain is not None:
        return frozenset([plain[1].replace('""', '"')])
    return frozenset(node.name for node in _parsed(text).find_all(exp.Column))


def stored_name(name: str) -> str:
    """The name of a column in a table of the day, where `rowid` in any case would hide DuckDB's numbers of the rows.

    >>> stored_name("price"), stored_name("RowId")
    ('price', '__RowId')
    """
    return f"__{name}" if name.lower() == _PSEUDO_COLUMN else name


def quoted(name: str) -> str:
    """A name as SQL, as trees write it.

    >>> quoted('a "b')
    '"a ""b"'
    """
    return '"' + name.replace('"', '""') + '"'


@lru_cache(maxsize=1024)
def quoted_name(name: str) -> str:
    """A name as SQL."""
    return table(name).sql("duckdb")


def quoted_text(text: str) -> str:
    """A text as SQL.

    >>> quoted_text("it's")
    "'it''s'"
    """
    return exp.Literal.string(text).sql("duckdb")


def fill(statement: str, parameters: tuple[tuple[str, str], ...]) -> str:
    """The statement with the value of each parameter."""
    for literal, text in parameters:
        statement = statement.replace(literal, text)
    return statement


def parse_select(query: str) -> exp.Select:
    """The tree of a SELECT that this package made."""
    tree = parse_one(query, dialect="duckdb")
    assert isinstance(tree, exp.Select), query
    return tree


def read_parquet(files: exp.Expr, *, numbered: bool = False) -> exp.Expr:
    """`read_parquet(...)` as a table, of an expression for the list of files.

    With `numbered` it has the number of each row in its file beside its columns, as PLACE.
    """
    options = [option("hive_partitioning", exp.false()), *([option(PLACE, exp.true())] if numbered else [])]
    return exp.Anonymous(this="read_parquet", expressions=[files, *options])


def option(name: str, value: exp.Expr) -> exp.Expr:
    """A named argument of a function such as `read_parquet`."""
    return exp.PropertyEQ(this=exp.to_identifier(name), expression=value)


def column(name: str, table: str | None = None) -> exp.Column:
    """A quoted column."""
    return exp.column(name, table=table, quoted=True)


def item_name(depth: int) -> str:
    """The parameter of a lambda, in lists of lists by their depth; DuckDB reads a column of that name in its place."""
    return f"__item{depth}"


def table(name: str) -> exp.Table:
    """A quoted table."""
    return exp.Table(this=exp.to_identifier(name, quoted=True))


def _rows_of(stored: ColumnTable, columns: list[str], first: int, last: int | None, *, head: bool) -> exp.Select:
    number = exp.column(_PSEUDO_COLUMN)
    row = [named(number.copy(), ROW)] if head and stored.numbered else []
    query = selected(*row, *(column(name) for name in columns)).from_(table(stored.name), copy=False)
    if not stored.numbered:
        return query
    if first > 0:
        query = query.where(exp.GTE(this=number.copy(), expression=exp.Literal.number(first)))
    if last is not None:
        query = query.where(exp.LT(this=number.copy(), expression=exp.Literal.number(last)))
    return query


def _text_of_rows(stored: ColumnTable, columns: list[str], first: int, last: int | None, *, head: bool) -> str:
    row = [f"{_PSEUDO_COLUMN} AS {quoted(ROW)}"] if head and stored.numbered else []
    text = f"SELECT {', '.join([*row, *map(quoted, columns)])} FROM {quoted(stored.name)}"
    bounds = [f"{_PSEUDO_COLUMN} >= {first}"] if first > 0 else []
    bounds += [f"{_PSEUDO_COLUMN} < {last}"] if last is not None else []
    return f"{text} WHERE {' AND '.join(bounds)}" if bounds and stored.numbered else text

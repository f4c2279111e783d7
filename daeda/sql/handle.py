"""Relations of one day at work: composed SQL that has not run, and numbered rows that lie in files.

Both are small and picklable: they cross from one operator to the next, and rows never do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlglot import exp, parse_one

from daeda.operators.relation import Relation

ROW = "__row"


@dataclass(frozen=True)
class Composed:
    """SQL over source files: Scan and Filter compose it, nothing has run yet.

    `renumbers` marks a choice among rows that had numbers: the query has the column ROW, and it is their order.
    """

    relation: Relation
    query: str
    renumbers: bool = False

    def tree(self) -> exp.Select:
        """The query as a tree."""
        return parse_select(self.query)


@dataclass(frozen=True)
class ColumnFile:
    """A Parquet file with some columns of a numbered relation; its n-th row belongs to row n."""

    path: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Numbered:
    """Rows 0 .. rows - 1 in the order of the spine, their columns spread over files.

    `expressions` gives the SQL of each column over the columns of the files.
    """

    relation: Relation
    rows: int
    files: tuple[ColumnFile, ...]
    expressions: Mapping[str, str]

    def expression(self, name: str) -> exp.Expr:
        """The tree of a column over the files' columns."""
        return parse_one(self.expressions[name], dialect="duckdb")

    def select(self, columns: Collection[str], first: int = 0, last: int | None = None) -> exp.Select:
        """SELECT of the row number and of `columns`, reading only the files that they need.

        `first` and `last` (exclusive) cut a range of rows; row groups outside of it are not read.
        """
        trees = {name: self.expression(name) for name in columns}
        needed = {column.name for tree in trees.values() for column in tree.find_all(exp.Column)}
        files = [file for file in self.files if needed & set(file.columns)] or [self.files[0]]
        head, *others = [
            _file_rows(file, sorted(needed & set(file.columns)), first, last).subquery(f"f{index}")
            for index, file in enumerate(files)
        ]
        query = exp.select(exp.column(ROW, table="f0", quoted=True)).from_(head)
        for index, other in enumerate(others, start=1):
            on = exp.EQ(
                this=exp.column(ROW, table=f"f{index}", quoted=True),
                expression=exp.column(ROW, table="f0", quoted=True),
            )
            query = query.join(other, on=on, join_type="left")
        return query.select(*(exp.alias_(tree, name, quoted=True) for name, tree in trees.items()))


def parse_select(query: str) -> exp.Select:
    """The tree of a SELECT that this package made."""
    tree = parse_one(query, dialect="duckdb")
    assert isinstance(tree, exp.Select), query
    return tree


def read_parquet(paths: Collection[str], *, numbered: bool = False) -> exp.Expr:
    """`read_parquet([...])` as a table; `numbered` adds the column file_row_number."""
    options = [_option("hive_partitioning", False)]
    if numbered:
        options.append(_option("file_row_number", True))
    files = exp.Array(expressions=[exp.Literal.string(path) for path in paths])
    return exp.Anonymous(this="read_parquet", expressions=[files, *options])


def column(name: str, table: str | None = None) -> exp.Column:
    """A quoted column."""
    return exp.column(name, table=table, quoted=True)


def _option(name: str, value: bool) -> exp.Expr:
    return exp.PropertyEQ(this=exp.to_identifier(name), expression=exp.Boolean(this=value))


def _file_rows(file: ColumnFile, columns: list[str], first: int, last: int | None) -> exp.Select:
    number = exp.column("file_row_number")
    query = exp.select(exp.alias_(number, ROW, quoted=True), *(column(name) for name in columns))
    query = query.from_(read_parquet([file.path], numbered=True))
    if first > 0:
        query = query.where(exp.GTE(this=number.copy(), expression=exp.Literal.number(first)))
    if last is not None:
        query = query.where(exp.LT(this=number.copy(), expression=exp.Literal.number(last)))
    return query

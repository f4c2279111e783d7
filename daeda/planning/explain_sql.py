"""The SQL of each operator for one day, as a script: the statements that the skeleton runs, with names for its files.

Source files stand as the path of their view, intermediate results as tables named after their relations. What a Scan or
a Filter composes stands inside the statements that read it; here it is written once, as a view.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from functools import cache
from glob import has_magic
from pathlib import PurePosixPath
from textwrap import indent

from sqlglot import exp, parse_one

from daeda.dataset.layout import part_name
from daeda.operators.dag import Dag
from daeda.operators.relational import Filter, Join, Project, Scan, Sink
from daeda.operators.temporal import PointInTimeJoin, WindowOperator
from daeda.operators.udf import ArrowUdfTransform, RayUdfTransform
from daeda.process.printable import harmless, is_harmless, split_harmful
from daeda.sql import statements
from daeda.sql.files import Glob
from daeda.sql.handle import ColumnTable, Deferred, Materialised
from daeda.sql.locked import connect
from daeda.sql.lower import Handle, SourceOperator, inputs_of, lower

_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")


def explain_sql(dag: Dag, day: dt.date, rows_per_part: int) -> str:
    """A commented block per operator, in the order in which they run. `dag` is the skeleton's."""
    written = _written(dag, day, rows_per_part)
    head = [
        f"-- {dag.service} on {day}. Paths of views are relative to data_root; only the partitions that the day needs",
        "-- are read. Rows are numbered once; each operator then makes a table of its new columns, in that order.",
    ]
    sources = [column.source for scan in dag.scans for column in scan.columns]
    if not all(is_harmless(name) for name in sources):
        head.append("-- Names that hold a character that is not seen have its escape here, and not the character.")
    return "\n\n".join(["\n".join(head), *written.blocks])


def sql_of_operators(dag: Dag, day: dt.date, rows_per_part: int) -> dict[str, str]:
    """The blocks of `explain_sql` by the name of their operator."""
    written = _written(dag, day, rows_per_part)
    by_operator: dict[str, list[str]] = {}
    for operator, block in zip(written.of, written.blocks, strict=True):
        by_operator.setdefault(operator, []).append(block)
    return {operator: "\n\n".join(blocks) for operator, blocks in by_operator.items()}


def _written(dag: Dag, day: dt.date, rows_per_part: int) -> _Writing:
    written = _Writing(day, rows_per_part)
    handles: dict[str, Handle] = {}
    for operator in dag.operators:
        if isinstance(operator, RayUdfTransform):
            continue
        relation = dag.relations[operator.output]
        handle = lower(written, operator, relation, inputs_of(operator, handles))
        if isinstance(operator, Scan | Filter) and isinstance(handle, Deferred):
            handle = written.view(operator, handle)
        if isinstance(operator, Project):
            written.say(operator, "no statement of its own: its columns are computed where they are read")
        handles[operator.output] = handle
    return written


@dataclass
class _Writing:
    """Writes statements down instead of running them; each of `blocks` belongs to the operator in `of`."""

    day: dt.date
    rows_per_part: int
    blocks: list[str] = field(default_factory=list)
    of: list[str] = field(default_factory=list)
    moments: dict[statements.ProbeTableKey, tuple[str, str]] = field(default_factory=dict)

    def say(self, operator: SourceOperator, what: str, statement: str = "") -> None:
        comment = f"-- {operator.name} ({operator.op_kind}): {what}"
        self.blocks.append(f"{comment}\n{statement}" if statement else comment)
        self.of.append(operator.name)

    def view(self, operator: SourceOperator, handle: Deferred) -> Deferred:
        """Give a deferred query its relation's name; returns what reads it by that name."""
        name = exp.to_identifier(operator.output, quoted=True)
        shown = _shown(name).sql("duckdb")
        self.say(operator, "part of the statements that read it", f"CREATE VIEW {shown} AS\n{_pretty(handle.query)};")
        return Deferred(handle.relation, exp.select("*").from_(exp.Table(this=name)).sql("duckdb"))

    def source_files(self, operator: Scan) -> tuple[str, ...]:
        files = PurePosixPath(operator.path).suffix or has_magic(operator.path)
        return (Glob(operator.path if files else f"{operator.path}/**/*.parquet"),)

    def projected(self, given: Deferred) -> Deferred:
        return given

    def note_without_key(self, operator: Filter, query: str) -> None:
        """Nothing: it is counted for the manifest, and changes no row."""

    def number(self, operator: SourceOperator, query: str, name: str) -> int:
        self.say(operator, "rows of its left side get their numbers", _table(query, name))
        return self.rows_per_part

    def materialise(self, operator: SourceOperator, query: str, name: str, left_rows: int) -> int:
        self.say(operator, "its new columns, one row for each row of its left side", _table(query, name))
        return left_rows

    def search(self, operator: PointInTimeJoin, left: Materialised, right: Deferred) -> None:
        self.say(operator, "the statement below where its right side does not fit in memory; else its rows are read")
        self.blocks[-1] += "\n-- in any order, put in order and searched by the day's probes, for the same rows"

    def duplicate_key(self, operator: Join, right: Deferred) -> str:
        return "the right side has duplicate keys"

    def roll(self, operator: WindowOperator, left: Materialised, right: Deferred) -> ColumnTable:
        moments = statements.probe_table_key(operator, left)
        name = self.moments.get(moments)
        if name is None:
            number = len(self.moments)
            name = self.moments[moments] = (f"daeda_entities_{number}", f"daeda_probes_{number}")
            self.say(operator, "the day's entities", _table(statements.rolling_entities(operator, left), name[0]))
            probes = statements.rolling_probes(operator, left, name[0])
            self.say(operator, "their rows, read by the kernel", _table(probes, name[1], shared=True))
        history = _pretty(statements.rolling_history(operator, right, name[0]))
        made = f"their history, read by the kernel, which makes {operator.output}"
        self.say(operator, made, f"{history};")
        return ColumnTable(operator.output, tuple(aggregate.name for aggregate in operator.aggregates))

    def transform(self, operator: ArrowUdfTransform, left: Materialised) -> ColumnTable:
        query = _pretty(statements.function_input(operator, left))
        self.say(operator, f"read by {operator.function}, whose values become {operator.output}", f"{query};")
        return ColumnTable(operator.output, (operator.result,))

    def write(self, operator: Sink, given: Materialised) -> None:
        query = statements.assembly(given.relation, given, 0, self.rows_per_part)
        self.say(operator, "one COPY for each part, this is the first", _copy(query, part_name(0)))


def _table(query: str, name: str, shared: bool = False) -> str:
    shown = _shown(exp.to_identifier(name, quoted=True)).sql("duckdb")
    create = "CREATE TABLE" if shared else "CREATE TEMP TABLE"
    return f"{create} {shown} AS\n{_pretty(query)};"


def _copy(query: str, path: str) -> str:
    return f"COPY (\n{indent(_pretty(query), '  ')}\n) TO '{path}' (FORMAT parquet);"


def _pretty(query: str) -> str:
    return _shown(parse_one(query, dialect="duckdb")).sql("duckdb", pretty=True, normalize_functions=False)


def _shown(tree: exp.Expr) -> exp.Expr:
    """The tree in fewer words: no quotes, aliases and subqueries that say nothing."""
    return tree.transform(_renamed).transform(_plain_source).transform(_unquoted).transform(_visible)


def _unquoted(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Identifier) and not is_harmless(node.name):
        return exp.to_identifier(harmless(node.name), quoted=True)
    if isinstance(node, exp.Identifier) and _PLAIN_NAME.fullmatch(node.name) and node.name not in _keywords():
        node.set("quoted", False)
    return node


def _renamed(node: exp.Expr) -> exp.Expr:
    """`a AS a` is `a`."""
    if isinstance(node, exp.Alias) and isinstance(node.this, exp.Column) and node.alias == node.this.name:
        return node.this
    return node


def _visible(node: exp.Expr) -> exp.Expr:
    """`'a<newline>b'` is `'a' || CHR(10) || 'b'`: the script is harmless to look at, and stays the same statement."""
    if not isinstance(node, exp.Literal) or not node.is_string or is_harmless(node.this):
        return node
    pieces = [piece for piece in split_harmful(node.this) if piece]
    parts = [
        exp.Literal.string(piece) if is_harmless(piece) else exp.func("chr", exp.Literal.number(ord(piece)))
        for piece in pieces
    ]
    joined: exp.Expr = parts[0]
    for part in parts[1:]:
        joined = exp.DPipe(this=joined, expression=part, safe=True)
    return exp.Paren(this=joined)


def _plain_source(node: exp.Expr) -> exp.Expr:
    """`(SELECT * FROM a) AS b` is `a AS b`."""
    if not isinstance(node, exp.Subquery) or not isinstance(node.this, exp.Select):
        return node
    select = node.this
    clauses = {name for name, value in select.args.items() if value}
    source = select.find(exp.Table)
    if not select.is_star or source is None or not clauses <= {"expressions", "from", "from_", "kind"}:
        return node
    return exp.alias_(source.copy(), node.alias, table=True, quoted=True)


@cache
def _keywords() -> frozenset[str]:
    """Words that DuckDB takes for a name only in quotes, in some place at least."""
    with connect() as connection:
        rows = connection.execute(
            "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
        ).fetchall()
    return frozenset(name for (name,) in rows)

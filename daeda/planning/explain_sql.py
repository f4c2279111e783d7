"""The SQL of each operator for one day: the statements that the skeleton runs, with names in place of files.

Source files stand as `<path of the view>/dt=*/*.parquet`, intermediate results as `<relation>.parquet`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from sqlglot import parse_one

from daeda.operators.dag import Dag
from daeda.operators.relational import Filter, Join, Project, Scan, Sink
from daeda.operators.temporal import RollingAggregate
from daeda.operators.udf import RayUdfTransform
from daeda.sql import statements
from daeda.sql.handle import ColumnFile, Composed, Numbered
from daeda.sql.lower import Handle, SourceOperator, inputs_of, lower


def explain_sql(dag: Dag, day: dt.date, rows_per_part: int) -> str:
    """One block per statement, in the order in which they run. `dag` is the skeleton's."""
    written = _Writing(day, rows_per_part)
    handles: dict[str, Handle] = {}
    for operator in dag.operators:
        if isinstance(operator, RayUdfTransform):
            continue
        relation = dag.relations[operator.output]
        handle = lower(written, operator, relation, inputs_of(operator, handles))
        handles[operator.output] = handle
        if isinstance(operator, Scan | Filter) and isinstance(handle, Composed):
            written.add(operator, "composed, not run by itself", handle.query)
        if isinstance(operator, Project) and isinstance(handle, Numbered):
            written.add(operator, "composed, not run by itself", handle.select(relation.names).sql("duckdb"))
    return "\n\n".join(written.blocks)


@dataclass
class _Writing:
    """Writes statements down instead of running them."""

    day: dt.date
    rows_per_part: int
    blocks: list[str] = field(default_factory=list)

    def add(self, operator: SourceOperator, what: str, query: str) -> None:
        pretty = parse_one(query, dialect="duckdb").sql("duckdb", pretty=True)
        self.blocks.append(f"-- {operator.name} ({operator.op_kind}): {what}\n{pretty};")

    def source_files(self, operator: Scan) -> tuple[str, ...]:
        return (operator.path if operator.path.endswith(".parquet") else f"{operator.path}/dt=*/*.parquet",)

    def number(self, operator: SourceOperator, query: str, name: str) -> tuple[str, int]:
        self.add(operator, f"rows get their numbers, COPY to {name}.parquet", query)
        return f"{name}.parquet", self.rows_per_part

    def materialise(self, operator: SourceOperator, query: str, name: str, left_rows: int) -> tuple[str, int]:
        self.add(operator, f"COPY to {name}.parquet", query)
        return f"{name}.parquet", left_rows

    def duplicate_key(self, operator: Join, right: Composed) -> str:
        return "the right side has duplicate keys"

    def roll(self, operator: RollingAggregate, left: Numbered, right: Composed) -> ColumnFile:
        entities = "daeda_entities"
        self.add(operator, f"the day's entities, kept as {entities}", statements.rolling_entities(operator, left))
        self.add(operator, "their rows, to the kernel", statements.rolling_probes(operator, left, entities))
        self.add(operator, "their history, to the kernel", statements.rolling_history(operator, right, entities))
        return ColumnFile(f"{operator.output}.parquet", tuple(one.name for one in operator.aggregates))

    def write(self, operator: Sink, given: Numbered) -> None:
        query = statements.assembly(given.relation, given, 0, self.rows_per_part)
        self.add(operator, "one COPY per part, this is part 0", query)

"""One day in memory: its operators run as in a run, on the rows of the day or on those of one's own."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from beam_pipeline.day.execution import finish_started, run_operator
from beam_pipeline.day.kept_columns import labels_of_row
from beam_pipeline.history.projected_partitions import projected
from beam_pipeline.session.session import DaySession
from beam_pipeline.session.timed import timed
from beam_pipeline.workers.context import DayHandle, RunContext
from beam_pipeline.workers.day_slots import ThreadDaySlots
from daeda.dtypes import DType
from daeda.errors import DayError
from daeda.operators.dag import Dag, Operator
from daeda.operators.relation import Relation
from daeda.operators.relational import Filter, Scan, Sink
from daeda.sources.files import SourceFiles
from daeda.sql import scan as scan_sql
from daeda.sql import statements
from daeda.sql.handle import ColumnTable, Materialised, column, quoted_name, stored_name
from daeda.sql.lower import Handle, SourceOperator

_OWN = "daeda_own_rows"
# The place of a row among those that were given; names of users cannot begin like this.
POSITION = "__position"


@dataclass(frozen=True)
class DayRows:
    """The output of a day in the order of its rows. Row i of one's own was given as row `positions[i]`."""

    table: pa.Table
    positions: pa.Array | None = None


def run_day(
    context: RunContext,
    dag: Dag,
    day: dt.date,
    files: Iterable[SourceFiles],
    *,
    own_rows: pa.Table | None = None,
    first_rows: int | None = None,
) -> DayRows:
    """Run the source-side operators of a day: over its rows, the `first_rows` of them, or over rows of one's own.

    `files` are those of its views, none of a database among them. `own_rows` has the columns of the spine's Scan in its
    types, and POSITION. Raises DayError when the day fails.
    """
    slots = ThreadDaySlots(1)
    session = DaySession(context, day, uuid.uuid4().hex[:12], slots, lambda _: None)
    session.inputs.use_listing(files)
    try:
        return _Day(session, dag, own_rows, first_rows).run()
    finally:
        session.close()


class _Day:
    def __init__(self, session: DaySession, dag: Dag, own_rows: pa.Table | None, first_rows: int | None) -> None:
        self._session, self._dag = session, dag
        self._own_rows, self._first_rows = own_rows, first_rows
        self._chosen, self._may_cut = _output_of_filters(dag)

    def run(self) -> DayRows:
        handle = DayHandle(self._session.day)
        context, day = self._session.context, self._session.day
        of_day = (one for operator in self._dag.operators for one in self._of_day(context, day, operator))
        for operator in of_day:
            handle = finish_started(self._session, _source_side(operator), handle)
            with timed(self._session, operator.name):
                if isinstance(operator, Sink):
                    return self._collected(operator, handle.relations[operator.inputs[0]])
                output = self._output(operator, handle)
                if operator.output == self._chosen:
                    output = self._numbered(operator, output)
                handle = handle.with_relation(operator.output, output)
        raise DayError("the chain of operators has no Sink")

    def _of_day(self, context: RunContext, day: dt.date, operator: Operator) -> tuple[Operator, ...]:
        """What runs in place of an operator on a day that has immature labels."""
        if self._own_rows is not None and operator is self._dag.spine:
            return (operator,)
        return context.operators_of(day, operator)

    def _output(self, operator: Operator, handle: DayHandle) -> Handle:
        if self._own_rows is not None and operator is self._dag.spine:
            return self._own_spine(self._dag.spine)
        return run_operator(self._session, _source_side(operator), handle).relations[operator.output]

    def _own_spine(self, spine: Scan) -> Materialised:
        relation = spine.derive(())
        resources = self._session.resources
        resources.connection.register(_OWN, self._own_rows)
        name = f"rows_of_{spine.output}"
        rows = resources.table(name, scan_sql.rows_of_table(spine, relation, _OWN, POSITION))
        resources.connection.unregister(_OWN)
        return _materialised(relation, rows, name)

    def _numbered(self, operator: Operator, given: Handle) -> Materialised:
        """The rows that all filters keep, in their order: what a day of a run would have as its first rows."""
        if isinstance(given, Materialised):
            return given
        name = f"rows_of_{operator.output}"
        query = statements.numbering(given.relation, projected(self._session, given))
        limit = f" LIMIT {self._first_rows}" if self._first_rows is not None and self._may_cut else ""
        return _materialised(given.relation, self._session.resources.table(name, f"{query}{limit}"), name)

    def _collected(self, sink: Sink, given: Handle) -> DayRows:
        """The finished columns, in the types that a reader of the published day finds."""
        assert isinstance(given, Materialised)
        resources = self._session.resources
        positions = None
        if self._own_rows is not None:
            query = f"SELECT {column(POSITION).sql('duckdb')} FROM {quoted_name(given.tables[0].name)} ORDER BY rowid"
            positions = resources.connection.execute(query).to_arrow_table().column(0).combine_chunks()
        whole = resources.arrow_columns.side_by_side(given)
        resources.arrow_columns.show()
        query = statements.assembly(given.relation, whole, 0, None)
        # The columns of the day lie in memory that goes with it.
        found = resources.connection.execute(query).to_arrow_table()
        table = found.cast(_schema(given.relation))
        if table.num_rows != given.rows:
            raise DayError(f"there are {table.num_rows} rows where the day has {given.rows}")
        if self._first_rows is not None:
            table = table.slice(0, self._first_rows)
        for name in sink.not_null:
            _check_not_null(table, name, self._session.context.label_columns)
        self._session.inputs.check_unchanged()
        return DayRows(table, positions)


def _output_of_filters(dag: Dag) -> tuple[str, bool]:
    """The relation behind the first filters of the spine, and whether nothing but its first rows is ever needed of it.

    All of its rows are needed where a filter stands further behind, or a pipeline edited by hand looks its rows up.
    """
    readers = {operator.inputs[0]: operator for operator in dag.operators if operator.inputs}
    chain: list[Operator] = [dag.spine]
    while chain[-1].output in readers:
        chain.append(readers[chain[-1].output])
    filters = list(itertools.takewhile(lambda one: isinstance(one, Filter), chain[1:]))
    chosen = [dag.spine, *filters][-1].output
    later = any(isinstance(one, Filter) for one in chain[1 + len(filters) :])
    looked_up = any(chosen in one.inputs[1:] for one in dag.operators)
    return chosen, not later and not looked_up


def _source_side(operator: Operator) -> SourceOperator:
    return operator  # type: ignore[return-value]


def _materialised(relation: Relation, rows: int, name: str) -> Materialised:
    own = {field: column(stored_name(field)).sql("duckdb") for field in relation.names}
    return Materialised(relation, rows, (ColumnTable(name, relation.names),), own)


def _schema(relation: Relation) -> pa.Schema:
    """The types of a published skeleton day, where a vector is a list of floats that is still NULL."""
    floats = DType.list_of(DType.parse("float"))
    return pa.schema([(one.name, (floats if one.dtype.holds_half else one.dtype).arrow()) for one in relation.columns])


def _check_not_null(table: pa.Table, name: str, labels: Sequence[str]) -> None:
    column_read = table.column(name)
    if not column_read.null_count:
        return
    row = pc.index(column_read.is_null(), True).as_py()
    raise DayError(
        f"column '{name}' must not be NULL, and {column_read.null_count} rows have none, the first of them row {row} "
        f"({labels_of_row(table, row, labels)}): give the column a default in the service, or say nullable: true"
    )

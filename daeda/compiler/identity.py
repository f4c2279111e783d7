"""What each column of a skeleton is made of, without the names that it and its operators bear.

A column is described by the operator that makes it, in which descriptions of what it reads stand in place of names:

    price / mean_7d   ->   ["project", {"dtype": …}, "c0 / c1", [what price is made of, what mean_7d is made of]]

An entry of an operator that this module does not know stands in the description as it is: in doubt a column counts as
another one, and is computed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlglot import exp

from daeda.compiler.labels import labels_of
from daeda.compiler.restrict import restricted
from daeda.dataset.fingerprint import description
from daeda.dataset.identity import Recipe, Recipes, node
from daeda.operators.dag import Dag, Operator
from daeda.operators.operator import Instant
from daeda.operators.relational import Filter, Join, Project, ProjectColumn, Scan, ScanColumn
from daeda.operators.temporal import Aggregate, Label, LabelAggregate, PointInTimeJoin, RollingAggregate, WindowOperator
from daeda.operators.udf import ArrowUdfTransform, RayUdfTransform
from daeda.sql.expression import columns_of, parse_expression, parse_having


def recipes_of(skeleton: Dag, codes: Mapping[str, str]) -> Recipes:
    """The recipes of a skeleton's DAG; `codes` holds the digest of the code behind each function, by import path."""
    columns = {name: _Recipes(restricted(skeleton, [name]), codes).of_column(name) for name in skeleton.output.names}
    one = _Recipes(restricted(skeleton, skeleton.output.names[:1]), codes)
    sources = {column.name: column for column in skeleton.spine.columns}
    order = tuple(_ordering(sources[name]) for name in skeleton.spine.order_by)
    return Recipes(one.of_rows(), order, columns)


def recipes_without_labels(recipes: Recipes, skeleton: Dag, immature: Collection[str]) -> Recipes:
    """The recipes of a day on which these labels are not mature: what is NULL then is made of nothing, and all other
    columns are made as on any day.
    """
    null = labels_of(skeleton.operators, lambda label: label.name in immature)[skeleton.sink.output]
    of_null = {
        column.name: Recipe(node("not mature", column.dtype.name), (), frozenset())
        for column in skeleton.output.columns
        if column.name in null
    }
    return replace(recipes, columns={name: of_null.get(name, recipe) for name, recipe in recipes.columns.items()})


class _Recipes:
    """The recipes of one restricted DAG; Scans are numbered in the order in which a recipe first comes to them."""

    def __init__(self, dag: Dag, codes: Mapping[str, str]) -> None:
        self._output = dag.sink.inputs[0]
        self._makers: dict[str, Operator] = {operator.output: operator for operator in dag.operators}
        self._codes = codes
        self._scans: list[Scan] = []
        self._read: set[ScanColumn] = set()
        self._rows: dict[str, str] = {}
        self._values: dict[tuple[str, str], str] = {}

    def of_rows(self) -> Recipe:
        digest = self._rows_of(self._output)
        return Recipe(node("rows", digest), tuple(self._scans))

    def of_column(self, name: str) -> Recipe:
        rows = self._rows_of(self._output)
        # What filters read says which rows there are, and not what they hold.
        self._values.clear()
        self._read.clear()
        digest = node("column", rows, self._value(self._output, name))
        return Recipe(digest, tuple(self._scans), self._agreeing())

    def _agreeing(self) -> frozenset[str] | None:
        """The columns of the spine that were read; None where equal ones may differ, as NaN does in its bits."""
        if any(column.dtype.holds_float for column in self._read):
            return None
        return frozenset(map(_ordering, self._read))

    def _rows_of(self, relation: str) -> str:
        if relation not in self._rows:
            self._rows[relation] = self._make_rows(self._makers[relation])
        return self._rows[relation]

    def _make_rows(self, operator: Operator) -> str:
        if isinstance(operator, Scan):
            return self._scanned(operator)
        if not isinstance(operator, Filter):
            # A row of the left side each.
            return self._rows_of(operator.inputs[0])
        left = operator.inputs[0]
        rest = _rest(operator)
        if operator.sample is not None:
            del rest["sample"]["weight"]
        having = () if operator.having is None else columns_of(parse_having(operator.having))
        sample = () if operator.sample is None else (*operator.sample.by, *_read_by(operator.sample.where))
        names = {*_read_by(operator.predicate), *operator.semi_join, *operator.session, *having, *sample}
        values = {name: self._value(left, name) for name in sorted(names)}
        found_in = [[self._rows_of(name), self._values_of(name, operator.semi_join)] for name in operator.inputs[1:]]
        return node("filter", rest, self._rows_of(left), values, found_in)

    def _scanned(self, operator: Scan) -> str:
        if operator not in self._scans:
            self._scans.append(operator)
        rest = _rest(operator, "columns", "order_by", "time", "created")
        read = {column.name: [column.source, column.dtype.name] for column in operator.columns}
        times = [instant and [read[instant.column], instant.unit] for instant in (operator.time, operator.created)]
        named = {name: read[name] for name in sorted(_read_by(operator.predicate))}
        return node("scan", self._scans.index(operator), rest, times, named)

    def _values_of(self, relation: str, names: Iterable[str]) -> list[str]:
        return [self._value(relation, name) for name in names]

    def _time(self, relation: str, instant: Instant | None) -> list[str] | None:
        return None if instant is None else [self._value(relation, instant.column), instant.unit]

    def _value(self, relation: str, name: str) -> str:
        if (relation, name) not in self._values:
            self._values[relation, name] = self._make_value(self._makers[relation], name)
        return self._values[relation, name]

    def _make_value(self, operator: Operator, name: str) -> str:
        """What a column of an operator's output is made of."""
        match operator:
            case Scan():
                column = next(column for column in operator.columns if column.name == name)
                if operator.order_by:
                    self._read.add(column)
                return node("field", self._rows_of(operator.output), column.source, column.dtype.name)
            case Filter() if operator.sample is not None and operator.sample.weight == name:
                return node("weight", self._rows_of(operator.output))
            case Join() | PointInTimeJoin() if name in operator.columns:
                return self._looked_up(operator, name)
            case RollingAggregate() | LabelAggregate() if name in {one.name for one in operator.aggregates}:
                return self._aggregated(operator, name)
            case ArrowUdfTransform() if name == operator.result:
                return self._returned(operator)
            case Project():
                return self._projected(operator, operator.column(name))
            case RayUdfTransform():
                raise ValueError(f"operator '{operator.name}' ({operator.op_kind}) is none of a skeleton")
            case _:
                return self._value(operator.inputs[0], name)

    def _looked_up(self, operator: Join | PointInTimeJoin, name: str) -> str:
        left, right = operator.inputs
        rest = _rest(operator, "keys", "columns", "tie_order", "created", "latest_by", "left_time", "right_time")
        if isinstance(operator, PointInTimeJoin):
            times = [self._time(left, operator.left_time), self._time(right, operator.right_time)]
        else:
            times = [self._time(right, operator.latest_by)]
        return node(
            operator.op_kind, rest, times, self._time(right, operator.created), self._rows_of(right),
            self._values_of(left, operator.keys), self._values_of(right, operator.keys), self._value(right, name),
            self._values_of(right, operator.tie_order),
        )  # fmt: skip

    def _aggregated(self, operator: WindowOperator, name: str) -> str:
        left, right = operator.inputs
        rest = _rest(operator, "keys", "left_time", "history_time", "created", "tie_order", "aggregates")
        return node(
            operator.op_kind, rest, self._time(left, operator.left_time), self._time(right, operator.history_time),
            self._time(right, operator.created), self._rows_of(right), self._values_of(left, operator.keys),
            self._values_of(right, operator.keys), self._values_of(right, operator.tie_order),
            self._aggregate(right, next(one for one in operator.aggregates if one.name == name)),
        )  # fmt: skip

    def _aggregate(self, history: str, aggregate: Aggregate | Label) -> list[object]:
        # What a label does while it is not mature decides no value of a day on which it is.
        described = aggregate.model_dump(mode="json", exclude={"name", "column", "columns", "immature"})
        # The fields of a sequence bear the names of its columns.
        named = aggregate.columns if isinstance(aggregate, Aggregate) and aggregate.layout is None else ()
        return [described, list(named), self._values_of(history, aggregate.reads)]

    def _returned(self, operator: ArrowUdfTransform) -> str:
        given = operator.inputs[0]
        rest = _rest(operator, "columns", "result", "defaults")
        defaults = description(operator).get("defaults", {})
        arguments = [[self._value(given, name), name in defaults, defaults.get(name)] for name in operator.columns]
        return node("function", rest, self._codes.get(operator.function), arguments)

    def _projected(self, operator: Project, column: ProjectColumn) -> str:
        position = operator.columns.index(column)
        rest: dict[str, Any] = dict(description(operator)["columns"][position])
        # A label holds the same values as what is none.
        for name in ("name", "source", "expression", "reads_output", "label"):
            rest.pop(name, None)
        if column.expression is not None:
            text, names = _without_names(column.expression)
            values = [
                self._value(operator.output if name in column.reads_output else operator.inputs[0], name)
                for name in names
            ]
            return node("project", rest, text, values)
        source = None if column.source is None else self._value(operator.inputs[0], column.source)
        return node("project", rest, source)


def _ordering(column: ScanColumn) -> str:
    """What tells a column of the order of the rows from others."""
    return node(column.source, column.dtype.name)


def _rest(operator: Operator, *told: str) -> dict[str, Any]:
    """The description of an operator without names, and without what is described otherwise."""
    left_out = {"name", "inputs", "output", *told}
    return {name: value for name, value in description(operator).items() if name not in left_out}


def _read_by(expression: str | None) -> tuple[str, ...]:
    return () if expression is None else columns_of(parse_expression(expression))


def _without_names(expression: str) -> tuple[str, Sequence[str]]:
    """An expression with numbers in place of its columns, and the columns."""
    tree = parse_expression(expression).copy()
    names = columns_of(tree)
    read = list(tree.find_all(exp.Column))
    if any(column.table for column in read):
        # Not one that the compiler lets pass; whatever it means, it is another when it is written otherwise.
        return expression, names
    for column in read:
        column.set("this", exp.to_identifier(f"c{names.index(column.name)}", quoted=True))
    return tree.sql("duckdb"), names

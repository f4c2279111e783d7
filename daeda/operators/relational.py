"""Scan, Filter, Project, Join and Sink: the operators without a notion of history."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from daeda.errors import ConfigError
from daeda.operators.operator import Instant, OperatorModel, Target, nullable, same_keys
from daeda.operators.relation import Column, Relation
from daeda.settings.kinds import Name, Span, Strict, Type

_BEAM_SQL = frozenset({Target("beam", "sql")})


class ScanColumn(Strict):
    """A column to read: `source` is its name in the files."""

    name: Name
    source: str
    dtype: Type


class Scan(OperatorModel):
    """Read a view's files: all of them (`static`), those of the day, or those from `lookback` before it.

    `order_by` puts the rows in a total order; only a spine has one, and what is derived from it keeps it.
    """

    targets: ClassVar[frozenset[Target]] = _BEAM_SQL

    op_kind: Literal["scan"] = "scan"
    view: Name
    path: str
    reads: Literal["static", "day", "lookback"]
    lookback: Span | None = None
    time: Instant | None = None
    created: Instant | None = None
    columns: tuple[ScanColumn, ...] = Field(min_length=1)
    predicate: str | None = None
    order_by: tuple[Name, ...] = ()
    partition_slack: int = Field(default=0, ge=0)
    null_timestamps: Literal["error", "drop"] = "error"
    missing_partitions: Literal["error", "empty"] = "error"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.inputs:
            raise ValueError("a Scan reads files and has no inputs")
        if (self.lookback is not None) != (self.reads == "lookback"):
            raise ValueError("'lookback' and reads: lookback belong together")
        if (self.time is None) != (self.reads == "static"):
            raise ValueError("a static Scan has no time, and every other one needs it")
        return self

    def derive(self, inputs: tuple[Relation, ...]) -> Relation:
        """The declared columns."""
        self.expect_inputs(inputs, 0)
        time = self.time.column if self.time else None
        relation = Relation(
            tuple(Column(column.name, column.dtype, nullable=column.name != time) for column in self.columns),
            self.order_by,
        )
        for name in self.order_by:
            relation.column(name)
        for instant in (self.time, self.created):
            if instant is not None:
                instant.check(relation)
        return relation


class Filter(OperatorModel):
    """Keep rows: by a predicate, by a semi-join with a second relation of ids, or by their session."""

    targets: ClassVar[frozenset[Target]] = _BEAM_SQL

    op_kind: Literal["filter"] = "filter"
    predicate: str | None = None
    semi_join: tuple[Name, ...] = ()
    session: tuple[Name, ...] = ()
    having: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum((self.predicate is not None, bool(self.semi_join), bool(self.session))) != 1:
            raise ValueError("a Filter has exactly one of 'predicate', 'semi_join' and 'session'")
        if bool(self.session) != (self.having is not None):
            raise ValueError("'session' and 'having' belong together")
        return self

    def not_built(self) -> str | None:
        """Session filters are described and not executed yet."""
        return "a session filter is described and not built yet: use 'where' or 'covered_by'" if self.session else None

    def derive(self, inputs: tuple[Relation, ...]) -> Relation:
        """The rows' columns are those of the first input."""
        self.expect_inputs(inputs, 2 if self.semi_join else 1)
        if self.semi_join:
            same_keys(inputs[0], inputs[1], self.semi_join)
        for name in self.session:
            inputs[0].column(name)
        return inputs[0]


class ProjectColumn(Strict):
    """One output column: a column of the input (`source`), an `expression`, or, with neither, the literal `default`.

    A `default` beside a source or an expression replaces every NULL of it.
    """

    name: Name
    dtype: Type
    source: Name | None = None
    expression: str | None = None
    default: Any = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.source is not None and self.expression is not None:
            raise ValueError("a column has a 'source' or an 'expression', and not both")
        return self


class Project(OperatorModel):
    """Select, rename, compute, fill defaults, and put the columns in their order."""

    targets: ClassVar[frozenset[Target]] = _BEAM_SQL

    op_kind: Literal["project"] = "project"
    columns: tuple[ProjectColumn, ...] = Field(min_length=1)

    def derive(self, inputs: tuple[Relation, ...]) -> Relation:
        """The listed columns; the rows keep their order."""
        self.expect_inputs(inputs, 1)
        found = []
        for column in self.columns:
            if column.source is not None:
                source = inputs[0].column(column.source)
                if source.dtype != column.dtype:
                    raise ConfigError(f"column '{column.name}' is declared {column.dtype} and made as {source.dtype}")
            found.append(Column(column.name, column.dtype, nullable=column.default is None))
        return Relation(tuple(found), inputs[0].order)


class Join(OperatorModel):
    """Left equi-join with a relation that has no time. Duplicate right keys are an error unless `latest`.

    `latest: true` takes the newest right row per key by `latest_by`, and so sees the future.
    """

    targets: ClassVar[frozenset[Target]] = _BEAM_SQL

    op_kind: Literal["join"] = "join"
    keys: tuple[Name, ...]
    columns: tuple[Name, ...] = Field(min_length=1)
    latest: bool = False
    latest_by: Instant | None = None

    def not_built(self) -> str | None:
        """`latest` is described and not executed yet."""
        return "latest is described and not built yet: keep one row per key" if self.latest else None

    def derive(self, inputs: tuple[Relation, ...]) -> Relation:
        """The left columns, then the chosen right columns."""
        self.expect_inputs(inputs, 2)
        left, right = inputs
        same_keys(left, right, self.keys)
        return left.with_columns(nullable(right.column(name)) for name in self.columns)


class Sink(OperatorModel):
    """Write one day in the order of the spine, and publish it whole.

    `not_null` columns are checked; a NULL fails the day with the row that has it.
    """

    targets: ClassVar[frozenset[Target]] = frozenset({Target("beam", "sql"), Target("ray", "sql")})

    op_kind: Literal["sink"] = "sink"
    dataset: Literal["skeleton", "enriched"]
    not_null: tuple[Name, ...] = ()

    def derive(self, inputs: tuple[Relation, ...]) -> Relation:
        """What is written is what comes in."""
        self.expect_inputs(inputs, 1)
        if not inputs[0].order:
            raise ConfigError("its input has no total order of rows: a Sink writes what is derived from a spine")
        for name in self.not_null:
            inputs[0].column(name)
        return inputs[0]

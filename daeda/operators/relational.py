"""Scan, Filter, Project, Join and Sink: the operators without a notion of history."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from daeda.dtypes import DType
from daeda.errors import ConfigurationError, did_you_mean
from daeda.operators.circles import first_circle
from daeda.operators.operator import Instant, OperatorModel, Target, is_absent, is_off, nullable, same_keys
from daeda.operators.relation import Column, Relation
from daeda.settings.kinds import Delay, Name, Once, ReadType, Span, Strict, Switch, Type, Zone
from daeda.settings.sampling import Sample, check_sampled_by

_BEAM_SQL = frozenset({Target("beam", "sql")})
_DOUBLE = DType.parse("double")


class ScanColumn(Strict):
    """A column to read: `source` is its name in the files."""

    name: Name = Field(description="Name from here on.")
    source: str = Field(description="Name in the files.")
    dtype: ReadType = Field(description="Type of the column.")
    label: Switch = Field(
        default=False, exclude_if=is_off, description="Of a spine: whether it is a label, which only expressions read."
    )


class Scan(OperatorModel):
    """Read a view's files: all of them (`static`), those of the day, those from `lookback` before it, or after it.

    What labels look ahead at ends `lookahead` after the day; with `reads: lookahead` it begins `gap` behind its start.

    `order_by` puts the rows in a total order; only a spine has one, and what is derived from it keeps it.
    """

    targets: ClassVar[frozenset[Target]] = _BEAM_SQL

    op_kind: Literal["scan"] = "scan"
    view: Name = Field(description="View that is read.")
    path: str = Field(description="Path of the view, relative to data_root.")
    reads: Literal["static", "day", "lookback", "lookahead"] = Field(
        description="All rows, those of the day, those from lookback before it to its end, or those after gap."
    )
    lookback: Span | None = Field(
        default=None, description="How far before the day it reads; at least as far as its readers look back."
    )
    gap: Delay | None = Field(
        default=None, exclude_if=is_absent, description="How far after the begin of the day reads: lookahead begins."
    )
    lookahead: Span | None = Field(
        default=None,
        exclude_if=is_absent,
        description="How far after the end of the day it reads: for labels, and the attributes of their histories.",
    )
    time: Instant | None = Field(default=None, description="Timestamp of a row; a static Scan has none.")
    created: Instant | None = Field(default=None, description="When a row became known.")
    columns: tuple[ScanColumn, ...] = Field(min_length=1, description="Columns to read.")
    predicate: str | None = Field(default=None, description="Condition on the row, as SQL.")
    order_by: Once = Field(
        default=(), description="Total order of the rows; a spine has one, and what is derived from it keeps it."
    )
    partition_slack: int = Field(
        default=0, ge=0, description="Days to look around: how far a row may lie from the day of its partition."
    )
    null_timestamps: Literal["error", "drop"] = Field(
        default="error", description="What to do with rows without a timestamp."
    )
    missing_partitions: Literal["error", "empty"] = Field(
        default="error", description="Whether a partition that a day needs may be absent."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.inputs:
            raise ValueError("a Scan reads files and has no inputs")
        if (self.lookback is not None) != (self.reads == "lookback"):
            raise ValueError("'lookback' and reads: lookback belong together")
        if (self.gap is not None) != (self.reads == "lookahead") or (self.reads == "lookahead" and not self.lookahead):
            raise ValueError("'gap', 'lookahead' and reads: lookahead belong together")
        if self.lookahead is not None and (self.lookahead.nanoseconds is None or self.reads in ("static", "day")):
            raise ValueError("'lookahead' has an end, and belongs to reads: lookahead and reads: lookback")
        if not self.order_by and any(column.label for column in self.columns):
            raise ValueError("'label' belongs to columns of a spine, the Scan with an 'order_by': remove it")
        if self.time is None and self.reads != "static":
            raise ValueError(f"reads: {self.reads} chooses rows by time, and needs a 'time'")
        return self

    @property
    def time_column(self) -> ScanColumn:
        """The column of its time, of a Scan that has one."""
        assert self.time is not None
        return next(column for column in self.columns if column.name == self.time.column)

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
    """Keep rows: by a predicate, by a semi-join with a second relation of ids, by their session, or by a sample.

    A session is all input rows that share the columns `session`; it stays when `having`, over its rows, is true. Its
    earlier rows are judged by its later ones, so a session filter sees the rest of the day. A sample keeps rows of the
    spine by a hash of their keys, and adds its weight.
    """

    targets: ClassVar[frozenset[Target]] = _BEAM_SQL

    op_kind: Literal["filter"] = "filter"
    predicate: str | None = Field(default=None, description="Condition on the row, as SQL.")
    semi_join: Once = Field(default=(), description="Columns that must be found in the second input.")
    session: Once = Field(default=(), description="Columns that name a session.")
    having: str | None = Field(
        default=None, description="Condition over aggregates of the session's rows of the day, as SQL."
    )
    sample: Sample | None = Field(
        default=None,
        exclude_if=is_absent,
        description="Share of the rows of a spine, chosen by a hash of keys; behind every session.",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        kinds = (self.predicate is not None, bool(self.semi_join), bool(self.session), self.sample is not None)
        if sum(kinds) != 1:
            raise ValueError("a Filter has exactly one of 'predicate', 'semi_join', 'session' and 'sample'")
        if bool(self.session) != (self.having is not None):
            raise ValueError("'session' and 'having' belong together")
        return self

    def derive(self, inputs: tuple[Relation, ...]) -> Relation:
        """The rows' columns are those of the first input, and the weight of a sample."""
        self.expect_inputs(inputs, 2 if self.semi_join else 1)
        if self.sample is not None:
            return _sampled(self.sample, inputs[0])
        if self.semi_join:
            same_keys(inputs[0], inputs[1], self.semi_join)
        for name in self.session:
            inputs[0].column(name)
        return inputs[0]


def _sampled(sample: Sample, given: Relation) -> Relation:
    if not given.order:
        raise ConfigurationError("its input has no total order of rows: a sample is of a spine, and not of a history")
    for name in sample.by:
        check_sampled_by(name, given.column(name).dtype)
    if sample.weight is None:
        return given
    return given.with_columns([Column(sample.weight, _DOUBLE, nullable=False)], "give the weight another name")


class ProjectColumn(Strict):
    """One output column: a column of the input (`source`), an `expression`, or, with neither, the literal `default`.

    A `default` beside a source or an expression replaces every NULL of it.
    """

    name: Name = Field(description="Name of the output column.")
    dtype: Type = Field(description="Type of the output column.")
    source: Name | None = Field(default=None, description="Column of the input.")
    expression: str | None = Field(default=None, description="SQL over columns of the input.")
    default: Any = Field(
        default=None, description="Replaces NULL; without a source and an expression, the literal of the whole column."
    )
    reads_output: Once = Field(
        default=(),
        exclude_if=is_absent,
        description="Columns of this output that the expression reads as they are shown here, in their types and with "
        "their defaults; the others it reads from the input.",
    )
    timezone: Zone | None = Field(
        default=None, exclude_if=is_absent, description="Time zone of hour_of and day_of_week; UTC without one."
    )
    label: Switch = Field(
        default=False, exclude_if=is_off, description="Whether it is a label, whatever it is made of."
    )

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.source is not None and self.expression is not None:
            raise ValueError("a column has a 'source' or an 'expression', and not both")
        if self.reads_output and self.expression is None:
            raise ValueError("'reads_output' says what an 'expression' reads: give both or neither")
        if self.timezone is not None and self.expression is None:
            raise ValueError("'timezone' belongs to an 'expression': give both or neither")
        return self


class Project(OperatorModel):
    """Select, rename, compute, fill defaults, and put the columns in their order."""

    targets: ClassVar[frozenset[Target]] = _BEAM_SQL

    op_kind: Literal["project"] = "project"
    columns: tuple[ProjectColumn, ...] = Field(min_length=1, description="The output columns, in order.")

    @model_validator(mode="after")
    def _reads_what_is_there(self) -> Self:
        names = {column.name for column in self.columns}
        for column in self.columns:
            for name in column.reads_output:
                if name not in names:
                    raise ValueError(
                        f"'{column.name}' reads '{name}' of the output, which has no such column: "
                        f"{did_you_mean(name, names)}"
                    )
        circle = first_circle({column.name: column.reads_output for column in self.columns})
        if circle:
            raise ValueError(f"the columns {' -> '.join(circle)} read each other, so none can be computed first")
        return self

    def column(self, name: str) -> ProjectColumn:
        """A column of the output by its name."""
        return next(column for column in self.columns if column.name == name)

    def in_order(self) -> tuple[ProjectColumn, ...]:
        """The columns, each behind those of the output that it reads."""
        done: dict[str, ProjectColumn] = {}

        def visit(column: ProjectColumn) -> None:
            for name in column.reads_output:
                if name not in done:
                    visit(self.column(name))
            done.setdefault(column.name, column)

        for column in self.columns:
            visit(column)
        return tuple(done.values())

    def seen_by(self, column: ProjectColumn, given: Relation) -> Relation:
        """What an expression reads: columns of the input, and those of the output that it names."""
        shown = [Column(one.name, one.dtype) for one in self.columns if one.name in column.reads_output]
        kept = (one for one in given.columns if one.name not in column.reads_output)
        return Relation((*kept, *shown), given.order)

    def derive(self, inputs: tuple[Relation, ...]) -> Relation:
        """The listed columns; the rows keep their order."""
        self.expect_inputs(inputs, 1)
        columns = []
        for column in self.columns:
            if column.source is not None:
                source = inputs[0].column(column.source)
                if source.dtype != column.dtype:
                    raise ConfigurationError(
                        f"column '{column.name}' is declared {column.dtype} and made as {source.dtype}"
                    )
            columns.append(Column(column.name, column.dtype, nullable=column.default is None))
        return Relation(tuple(columns), inputs[0].order)


class Join(OperatorModel):
    """Left equi-join with a relation that has no time. Duplicate right keys are an error unless `latest`.

    `latest: true` takes the newest right row per key, whatever the time of the left row, and so sees the future.
    "Newest" is the greatest `latest_by`, then the greatest `created` (a NULL there counts as no row), then the greatest
    of `tie_order`.
    """

    targets: ClassVar[frozenset[Target]] = _BEAM_SQL

    op_kind: Literal["join"] = "join"
    keys: Once = Field(description="Columns that are equal on both sides.")
    columns: Once = Field(min_length=1, description="Columns that are taken from the right side.")
    latest: Switch = Field(
        default=False, description="Take the newest right row of a key, whatever its time: it sees the future."
    )
    latest_by: Instant | None = Field(default=None, description="Time by which the newest is known.")
    created: Instant | None = Field(
        default=None, description="When a right row became known; it decides between rows of one time."
    )
    tie_order: Once = Field(default=(), description="Columns whose greatest value wins among rows of one time.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.latest != (self.latest_by is not None):
            raise ValueError("'latest' and 'latest_by' belong together: give both or neither")
        if not self.latest and (self.created is not None or self.tie_order):
            raise ValueError("'created' and 'tie_order' say which row is the latest: they need latest: true")
        return self

    def derive(self, inputs: tuple[Relation, ...]) -> Relation:
        """The left columns, then the chosen right columns."""
        self.expect_inputs(inputs, 2)
        left, right = inputs
        same_keys(left, right, self.keys)
        for instant in (self.latest_by, self.created):
            if instant is not None:
                instant.check(right)
        for name in self.tie_order:
            right.column(name)
        return left.with_columns(nullable(right.column(name)) for name in self.columns)


class Sink(OperatorModel):
    """Write one day in the order of the spine, and publish it whole.

    `not_null` columns are checked; a NULL fails the day with the row that has it.
    """

    targets: ClassVar[frozenset[Target]] = frozenset({Target("beam", "sql"), Target("ray", "sql")})

    op_kind: Literal["sink"] = "sink"
    dataset: Literal["skeleton", "enriched"] = Field(description="Dataset that is written.")
    not_null: Once = Field(default=(), description="Columns that must hold no NULL.")
    vectors: Once = Field(
        default=(),
        exclude_if=is_absent,
        description="Columns of type list<float> that the enrichment fills; those of list<halffloat> need no mention.",
    )

    def derive(self, inputs: tuple[Relation, ...]) -> Relation:
        """What is written is what comes in."""
        self.expect_inputs(inputs, 1)
        if not inputs[0].order:
            raise ConfigurationError("its input has no total order of rows: a Sink writes what is derived from a spine")
        for name in (*self.not_null, *self.vectors):
            inputs[0].column(name)
        for name in self.vectors:
            if not inputs[0].column(name).dtype.is_vector:
                raise ConfigurationError(f"'{name}' of 'vectors' is {inputs[0].column(name).dtype}, not list<float>")
        return inputs[0]

    def is_placeholder(self, column: Column) -> bool:
        """Whether a column of a skeleton is NULL in all rows until the enrichment fills it."""
        return column.dtype.holds_half or column.name in self.vectors

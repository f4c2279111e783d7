"""PointInTimeJoin and RollingAggregate look back in time, and never forward; LabelAggregate alone looks forward."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from daeda.aggregates import (
    KINDS,
    AggregateKind,
    LabelKind,
    check_label_kind,
    check_parameters,
    check_sequence,
    item_of_sequence,
    output_type,
    told_of,
)
from daeda.dtypes import DType
from daeda.durations import NO_DELAY, Duration, reach_of, together
from daeda.errors import ConfigurationError
from daeda.operators.operator import Instant, OperatorModel, Target, is_absent, nullable, same_keys
from daeda.operators.relation import Column, Relation
from daeda.settings.availability import Available
from daeda.settings.kinds import (
    WAIT,
    Delay,
    Grid,
    HalfLife,
    Immature,
    Name,
    Once,
    Quantile,
    Span,
    Strict,
    Switch,
    Whole,
)

_ANOTHER_NAME = "give the aggregate another name"


class PointInTimeJoin(OperatorModel):
    """As-of join: for each left row, the newest right row of its keys that was known before it.

    "Newest" is the greatest right time strictly before the left time (`allow_exact` admits equality), then the greatest
    `created`, then the greatest of `tie_order`. A row older than `ttl` counts as none, and one that is not `available`.
    """

    targets: ClassVar[frozenset[Target]] = frozenset({Target("beam", "sql")})

    op_kind: Literal["pit_join"] = "pit_join"
    keys: Once = Field(description="Columns that are equal on both sides.")
    left_time: Instant = Field(description="Time of the left row.")
    right_time: Instant = Field(description="Time of the right row, before the left one.")
    created: Instant | None = Field(
        default=None, description="When a right row became known, before the left time too."
    )
    available: Available | None = Field(
        default=None,
        exclude_if=is_absent,
        description="When a right row that is known can be used, before the left time too.",
    )
    ttl: Span | None = Field(default=None, description="Greatest age of a right row.")
    allow_exact: Switch = Field(default=False, description="Whether a right row of exactly the left time counts.")
    columns: Once = Field(min_length=1, description="Columns that are taken from the right side.")
    tie_order: Once = Field(default=(), description="Columns whose greatest value wins among rows of one time.")

    def derive(self, inputs: tuple[Relation, ...]) -> Relation:
        """The left columns, then the chosen right columns."""
        self.expect_inputs(inputs, 2)
        left, right = inputs
        same_keys(left, right, self.keys)
        self.left_time.check(left)
        self.right_time.check(right)
        if self.created is not None:
            self.created.check(right)
        for name in self.tie_order:
            right.column(name)
        return left.with_columns(nullable(right.column(name)) for name in self.columns)


class Aggregate(Strict):
    """One output column of a RollingAggregate over the window `[e - window, e)`.

    Its end `e` is t, rounded down to a whole number of `aligned_to` and then moved back by `offset`.
    A sequence is a list of structs of `columns`, with `age` as the last field. With the layout `columns` it is the list
    of one of them, either of one column or of the age.
    """

    name: Name = Field(description="Name of the output column.")
    kind: AggregateKind = Field(description="What is computed.")
    column: Name | None = Field(
        default=None, description="Column of the history; only any, count, decayed_count and since_last can do without."
    )
    columns: tuple[Name, ...] = Field(
        default=(), exclude_if=is_absent, description="Of a sequence: the columns of the history that it holds."
    )
    age: Name | None = Field(
        default=None, exclude_if=is_absent, description="Of a sequence: the field with the age of the row."
    )
    layout: Literal["columns"] | None = Field(
        default=None, exclude_if=is_absent, description="Of a sequence: columns for the list of its one field."
    )
    window: Span = Field(description="How far it looks back.")
    aligned_to: Grid | None = Field(
        default=None, exclude_if=is_absent, description="What its end is rounded down to, in UTC from 1970 on."
    )
    offset: Delay | None = Field(
        default=None, exclude_if=is_absent, description="How far its end is moved back, behind any rounding."
    )
    q: Quantile | None = Field(
        default=None,
        exclude_if=is_absent,
        description="Of a quantile: above 0 and at most 1.",
    )
    half_life: HalfLife | None = Field(
        default=None, exclude_if=is_absent, description="Of a decayed kind: after so long a row counts half."
    )
    max_length: Whole | None = Field(default=None, ge=1, description="Most items of a list, the newest.")
    order: Literal["newest_first", "oldest_first"] = Field(
        default="newest_first", description="Order of the finished list."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        _check_sequence(self)
        check_parameters(self.kind, self.column, self.max_length, self.q, self.half_life)
        return self

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns of the history that are aggregated."""
        return self.columns or (() if self.column is None else (self.column,))

    @property
    def reach(self) -> Duration:
        """How far before a day its windows begin at most."""
        return reach_of(self.window, self.aligned_to, self.offset)

    def output(self, history: Relation) -> Column:
        """The column that it makes; raises ConfigurationError when the history's column has no such aggregate."""
        source = _sequence(self, history) if self.kind == "sequence" else None
        if self.column is not None:
            source = history.column(self.column).dtype
        return Column(self.name, output_type(self.kind, source, self.name), KINDS[self.kind].empty == "NULL")


def _check_sequence(aggregate: Aggregate | Label) -> None:
    if aggregate.layout == "columns" and aggregate.kind == "sequence":
        if len(aggregate.columns) + (aggregate.age is not None) != 1:
            raise ValueError("with layout 'columns' a sequence has one column or an age: write one aggregate each")
        return
    check_sequence(aggregate.kind, aggregate.column, aggregate.columns or None, aggregate.age, aggregate.layout)


def _sequence(aggregate: Aggregate | Label, history: Relation) -> DType:
    """The type of an item of a sequence; raises ConfigurationError with each column that the history lacks."""
    columns, missing = [], []
    for name in aggregate.columns:
        try:
            columns.append((name, history.column(name).dtype))
        except ConfigurationError as error:
            missing.append(str(error))
    if missing:
        raise ConfigurationError("; ".join(missing))
    return item_of_sequence(columns, aggregate.age, aggregate.layout)


class RollingAggregate(OperatorModel):
    """Aggregates of the history of an entity, one column each, all over one scan and one sort of the history.

    A window `[e - W, e)`, which mostly ends at e = t, is one of `history_time`; with `created`, a row of it counts only
    if it was known before t, and with `available`, if it could be used by then.
    Of rows at one time the newest is the one with the greatest `created`, then with the greatest of `tie_order`.
    """

    targets: ClassVar[frozenset[Target]] = frozenset({Target("beam", "sql_arrow_udf")})

    op_kind: Literal["rolling_aggregate"] = "rolling_aggregate"
    keys: Once = Field(description="Columns that name the entity on both sides.")
    left_time: Instant = Field(description="Time of the left row.")
    history_time: Instant = Field(description="Time of a row of the history, before the left one.")
    created: Instant | None = Field(
        default=None, description="When a row of the history became known, before the left time too."
    )
    available: Available | None = Field(
        default=None,
        exclude_if=is_absent,
        description="When a row of the history that is known can be used, before the left time too.",
    )
    tie_order: Once = Field(default=(), description="Columns that order rows of one time, the greatest first.")
    aggregates: tuple[Aggregate, ...] = Field(min_length=1, description="The output columns.")
    compute: Literal["duckdb", "polars"] = Field(default="duckdb", description="Engine that computes the windows.")

    def derive(self, inputs: tuple[Relation, ...]) -> Relation:
        """The left columns, then a column per aggregate."""
        self.expect_inputs(inputs, 2)
        left, history = inputs
        same_keys(left, history, self.keys)
        self.left_time.check(left)
        self.history_time.check(history)
        if self.created is not None:
            self.created.check(history)
        for name in self.tie_order:
            history.column(name)
        return left.with_columns((aggregate.output(history) for aggregate in self.aggregates), _ANOTHER_NAME)


def _waits(immature: object) -> bool:
    return immature == WAIT


class Label(Strict):
    """One output column of a LabelAggregate over the window `(t + gap, t + gap + window]`."""

    name: Name = Field(description="Name of the output column.")
    kind: LabelKind = Field(description="What is computed.")
    column: Name | None = Field(
        default=None, description="Column of the history; only any, count and until_first can do without."
    )
    columns: tuple[Name, ...] = Field(
        default=(), exclude_if=is_absent, description="Of a sequence: the columns of the history that it holds."
    )
    age: Name | None = Field(
        default=None, exclude_if=is_absent, description="Of a sequence: the field with the age of the row, below 0."
    )
    layout: Literal["columns"] | None = Field(
        default=None, exclude_if=is_absent, description="Of a sequence: columns for the list of its one field."
    )
    q: Quantile | None = Field(default=None, exclude_if=is_absent, description="Of a quantile: above 0 and at most 1.")
    gap: Delay = Field(default=NO_DELAY, description="How far after the row the window begins.")
    window: Span = Field(description="How long the window is.")
    matures_after: Delay = Field(
        default=NO_DELAY, description="How long after its window a row may still become known."
    )
    immature: Immature = Field(
        default=WAIT,
        exclude_if=_waits,
        description="What becomes of a day whose data does not reach so far: wait, it is not built; null, the label is "
        "NULL in all of its rows, and what is derived from it.",
    )
    max_length: Whole | None = Field(default=None, ge=1, description="Most items of a list, the nearest to the row.")
    order: Literal["oldest_first", "newest_first"] = Field(
        default="oldest_first", description="Order of the finished list; the oldest is the nearest to the row."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.window.nanoseconds is None:
            raise ValueError("a label has no unbounded window: it would never be known; write a duration like 28d")
        check_label_kind(self.kind)
        _check_sequence(self)
        check_parameters(self.kind, self.column, self.max_length, self.q)
        return self

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns of the history that are aggregated."""
        return self.columns or (() if self.column is None else (self.column,))

    @property
    def reach(self) -> Duration:
        """From the row to the end of the window."""
        return together(self.gap, self.window)

    @property
    def horizon(self) -> Duration:
        """From the row to the moment at which the label is known."""
        return together(self.gap, self.window, self.matures_after)

    def output(self, history: Relation) -> Column:
        """The column that it makes; raises ConfigurationError when the history's column has no such aggregate."""
        source = _sequence(self, history) if self.kind == "sequence" else None
        if self.column is not None:
            source = history.column(self.column).dtype
        may_be_null = told_of(self.kind).empty == "NULL" or self.immature is None
        return Column(self.name, output_type(self.kind, source, self.name), may_be_null)


class LabelAggregate(OperatorModel):
    """Aggregates of what comes after the row, one column each, all over one scan and one sort of the history.

    A window `(t + gap, t + gap + W]` is one of `history_time`; with `created`, a row of it counts only if it was known
    at or before `t + gap + W + matures_after`. Nothing but a derived column may read what it makes.
    """

    targets: ClassVar[frozenset[Target]] = frozenset({Target("beam", "sql_arrow_udf")})

    op_kind: Literal["label_aggregate"] = "label_aggregate"
    keys: Once = Field(description="Columns that name the entity on both sides.")
    left_time: Instant = Field(description="Time of the left row.")
    history_time: Instant = Field(description="Time of a row of the history, after the left one.")
    created: Instant | None = Field(default=None, description="When a row of the history became known.")
    tie_order: Once = Field(
        default=(), description="Columns that order rows of one time; of those the least is the nearest to the row."
    )
    aggregates: tuple[Label, ...] = Field(min_length=1, description="The output columns.")
    compute: Literal["duckdb", "polars"] = Field(default="duckdb", description="Engine that computes the windows.")

    @property
    def available(self) -> Available | None:
        """When a serving system has a row is nothing to a label."""
        return None

    def derive(self, inputs: tuple[Relation, ...]) -> Relation:
        """The left columns, then a column per label."""
        self.expect_inputs(inputs, 2)
        left, history = inputs
        same_keys(left, history, self.keys)
        self.left_time.check(left)
        self.history_time.check(history)
        if self.created is not None:
            self.created.check(history)
        for name in self.tie_order:
            history.column(name)
        return left.with_columns((label.output(history) for label in self.aggregates), _ANOTHER_NAME)


WindowOperator = RollingAggregate | LabelAggregate

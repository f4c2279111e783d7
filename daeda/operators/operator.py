"""What all operators share: name, inputs, output, engine, and the executors that can run them."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from daeda.dtypes import TIMESTAMP_UNITS, DType, TimeUnit, UnitSymbol
from daeda.errors import ConfigurationError
from daeda.operators.relation import Column, Relation
from daeda.settings.kinds import Name, Strict

Engine = Literal["sql", "sql_arrow_udf", "pythonic"]
Executor = Literal["beam", "ray"]


class Target(NamedTuple):
    """An executor together with the engine that an operator declares."""

    executor: Executor
    engine: Engine


class OperatorModel(Strict):
    """A node of the DAG: reads the relations `inputs`, makes the relation `output`."""

    targets: ClassVar[frozenset[Target]] = frozenset()

    name: Name = Field(description="Name of the operator: label of its PTransform, and name in messages.")
    inputs: tuple[Name, ...] = Field(default=(), description="Relations that it reads; the left side first.")
    output: Name = Field(description="Relation that it makes.")
    engine: Engine = Field(default="sql", description="Engine that runs it.")

    def can_run_on(self) -> frozenset[Target]:
        """The pairs of executor and engine that run this operator."""
        return self.targets

    def derive(self, inputs: tuple[Relation, ...]) -> Relation:
        """The output's columns and order; raises ConfigurationError when the inputs do not fit."""
        raise NotImplementedError

    def expect_inputs(self, inputs: tuple[Relation, ...], count: int) -> None:
        """Raise ConfigurationError unless there are `count` inputs."""
        if len(inputs) != count:
            raise ConfigurationError(f"takes {count} input{'s' if count != 1 else ''}, found {len(inputs)}")


class Instant(Strict):
    """A column of points in time, with its resolution: a whole number of `unit` since 1970-01-01 UTC."""

    column: Name = Field(description="Column of the time.")
    unit: UnitSymbol = Field(default="us", description="Resolution in which it is compared.")

    @property
    def resolution(self) -> TimeUnit:
        """The unit as a TimeUnit."""
        return TIMESTAMP_UNITS[self.unit]

    def check(self, relation: Relation) -> None:
        """Raise ConfigurationError unless the column exists and has this resolution."""
        dtype = relation.column(self.column).dtype
        if not dtype.is_integer and (dtype.unit is None or dtype.unit is not self.resolution):
            raise ConfigurationError(f"column '{self.column}' is {dtype}, which is not a timestamp in {self.unit}")


def is_absent(value: object) -> bool:
    """Whether an entry is left out of a description, so that those without it are what they always were."""
    return value is None or value in ((), {})


def is_off(value: object) -> bool:
    """The same of a switch."""
    return value is False


def same_keys(left: Relation, right: Relation, keys: tuple[str, ...]) -> None:
    """Raise ConfigurationError unless both sides have the keys, with equal types."""
    if not keys:
        raise ConfigurationError("needs at least one key")
    for key in keys:
        ours, theirs = left.column(key).dtype, right.column(key).dtype
        if ours != theirs:
            raise ConfigurationError(
                f"key '{key}' is {ours} on the left side and {theirs} on the right: declare the same type"
            )


def nullable(column: Column, dtype: DType | None = None) -> Column:
    """The column as an outer join gives it."""
    return Column(column.name, dtype or column.dtype, nullable=True)

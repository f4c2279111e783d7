"""A feature service: the contract of one training set."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from daeda.errors import did_you_mean
from daeda.settings.kinds import Name, Names, Strict, Type

ColumnKind = Literal["key", "timestamp", "spine", "static", "point_in_time", "rolling", "derived", "embedding"]


class ContractColumn(Strict):
    """One column that the training set has. `default` replaces every NULL of it."""

    name: Name
    kind: ColumnKind
    dtype: Type
    description: str = ""
    default: Any = None
    nullable: bool = True
    expression: str | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.kind == "derived") != (self.expression is not None):
            raise ValueError("kind 'derived' and an 'expression' belong together: give both or neither")
        if (self.kind == "embedding") != self.dtype.is_embedding:
            raise ValueError(
                f"kind 'embedding' and the type list<halffloat> belong together, found {self.kind} and {self.dtype}"
            )
        return self


class SemiJoin(Strict):
    """Keep rows whose column is among the ids of a view (for example the ids that a store covers)."""

    view: Name
    column: Name


class Session(Strict):
    """Keep rows of the sessions for which `having`, an aggregate over the session's rows of the day, is true."""

    key: Names
    having: str


class SpineFilter(Strict):
    """One filter of the spine: a predicate, a coverage filter or a session filter."""

    where: str | None = None
    covered_by: SemiJoin | None = None
    session: Session | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.where, self.covered_by, self.session)) != 1:
            raise ValueError("a filter has exactly one of 'where', 'covered_by' and 'session'")
        return self


class Spine(Strict):
    """The rows of a day: one output row each, after the filters."""

    view: Name
    filters: tuple[SpineFilter, ...] = ()


class FeatureService(Strict):
    """The contract: grain, spine and columns."""

    name: Name
    version: int = Field(ge=1)
    owner: str = ""
    description: str = ""
    grain: Names = Field(min_length=1)
    spine: Spine
    columns: tuple[ContractColumn, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _columns_once(self) -> Self:
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"columns names {', '.join(twice)} twice: each column stands once")
        return self

    def column(self, name: str) -> ContractColumn:
        """A column by name; raises KeyError with what exists."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(did_you_mean(name, [column.name for column in self.columns]))

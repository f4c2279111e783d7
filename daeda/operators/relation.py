"""What an operator's output is: columns with types, and the total order of its rows where one is defined."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from daeda.aggregates import repeated_in_any_case
from daeda.dtypes import DType
from daeda.errors import ConfigurationError, did_you_mean
from daeda.settings.kinds import repeated


@dataclass(frozen=True, slots=True)
class Column:
    """A column: name, type, and whether NULL can be in it."""

    name: str
    dtype: DType
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Relation:
    """The columns of a relation.

    `order` names the columns that put its rows in one total order, the spine's; it is empty for a relation without one.
    """

    columns: tuple[Column, ...]
    order: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise ConfigurationError where a name stands twice for SQL: nobody would know which one is meant."""
        alike = repeated_in_any_case(self.names)
        if len(alike) > len(set(alike)):
            raise ConfigurationError(f"the column {', '.join(repeated(alike))} is there twice: each stands once")
        if alike:
            raise ConfigurationError(
                f"the columns {' and '.join(alike)} differ only in case, and SQL does not tell them apart: rename one"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """A column by name; raises ConfigurationError with what exists."""
        for column in self.columns:
            if column.name == name:
                return column
        raise ConfigurationError(f"no column '{name}': {did_you_mean(name, self.names)}")

    def with_columns(self, added: Iterable[Column], instead: str = "rename it with field_mapping") -> Relation:
        """The same rows with more columns; ConfigurationError when a name is taken, with what to do `instead`."""
        new = tuple(added)
        clashing = sorted({column.name for column in new} & set(self.names))
        if clashing:
            raise ConfigurationError(f"the column {', '.join(clashing)} exists already on the left side: {instead}")
        return Relation((*self.columns, *new), self.order)

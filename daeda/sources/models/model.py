"""The keys that a source of every kind has, and what is asked of a kind."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field

from daeda.dtypes import UnitSymbol
from daeda.settings.availability import Available
from daeda.settings.kinds import Day, Dimensions, Name, Strict, Whole


class SourceModel(Strict):
    """Where the rows are: in files, or in a table of a database, which is read once per run."""

    # The key that says which kind a source is: the one of its kind, and no other, is given.
    key: ClassVar[str]

    timestamp_field: Name | None = Field(
        default=None, description="When a row came to be; without it the view is static: one row per key, for all time."
    )
    timestamp_unit: UnitSymbol | None = Field(default=None, description="Unit of integer timestamps.")
    created_field: Name | None = Field(default=None, description="When a row became known; earlier rows do not see it.")
    available: Available | None = Field(
        default=None, description="When the serving system can use a row; without it, as soon as it is known."
    )
    null_timestamps: Literal["error", "drop"] = Field(
        default="error", description="What to do with rows without a timestamp, which belong to no day."
    )
    missing_partitions: Literal["error", "empty"] = Field(
        default="error", description="Whether a partition that a day needs may be absent."
    )
    partition_slack: Whole = Field(
        default=0, ge=0, le=366, description="Days to look around: how far a row may lie from the day of its partition."
    )
    first_day: Day | None = Field(
        default=None, description="First partition that must be there; an earlier loss is an error."
    )

    @property
    def reference(self) -> str:
        """What stands for the source in a pipeline: a path, or database and table."""
        raise NotImplementedError

    def rooted(self, dimensions: Dimensions) -> Self:
        """The same with a root of base.yaml in place of its name."""
        return self


class DatabaseModel(SourceModel):
    """Keys of every kind of database: it is read once per run, into Parquet."""

    table: str | None = Field(
        default=None, min_length=1, description="Table of the database, with its schema like public.prices."
    )

    @property
    def database(self) -> str:
        """The database, as it is shown; views of one are exported together."""
        return f"{self.key}://{getattr(self, self.key)}"

    @property
    def reference(self) -> str:
        """Database and table."""
        return f"{self.database}/{self.table or 'query'}"

    @property
    def pinned(self) -> bool:
        """Whether the state of the database that is read is declared."""
        return False

    def at(self, snapshot: int) -> Self | None:
        """The same at another snapshot; None for a kind that has none."""
        return None


def check_one_relation(*relations: str | None) -> None:
    """Raise ValueError unless one of the ways to name rows of a database is given."""
    if sum(relation is not None for relation in relations) != 1:
        raise ValueError("a source in a database has exactly one of 'table' and 'query'")

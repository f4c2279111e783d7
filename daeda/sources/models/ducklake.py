"""A table of a DuckLake, at one of its snapshots."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from daeda.settings.kinds import PathText, Whole
from daeda.sources.models.model import DatabaseModel, check_one_relation


class DuckLakeSource(DatabaseModel):
    """A table of a DuckLake, at a snapshot."""

    key: ClassVar[str] = "ducklake"

    ducklake: PathText = Field(
        min_length=1, description="Instead of path: the catalogue file of a DuckLake, relative to data_root."
    )
    snapshot: Whole | None = Field(
        default=None, ge=0, description="Snapshot of the DuckLake; without it, the newest one when the run begins."
    )

    @model_validator(mode="after")
    def _names_a_table(self) -> Self:
        check_one_relation(self.table)
        return self

    @property
    def reference(self) -> str:
        """Database and table, with the snapshot where one is declared."""
        return super().reference if self.snapshot is None else f"{super().reference}@{self.snapshot}"

    @property
    def pinned(self) -> bool:
        """Whether a snapshot is declared."""
        return self.snapshot is not None

    def at(self, snapshot: int) -> Self:
        """The same at another snapshot."""
        return self.model_copy(update={"snapshot": snapshot})

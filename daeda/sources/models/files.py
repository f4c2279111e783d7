"""Parquet files, on a file system or on object storage: one, those of a pattern, or those of a directory."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field

from daeda.settings.kinds import Dimensions, PathText
from daeda.sources.models.model import SourceModel


class FileSource(SourceModel):
    """Files below `path`, on a file system or on object storage."""

    example: ClassVar[str] = "{path: events, timestamp_field: event_timestamp}"

    key: ClassVar[str] = "path"

    path: PathText = Field(
        description="File, pattern, or directory, with dt=YYYY-MM-DD directories or without; relative to data_root."
    )

    @property
    def reference(self) -> str:
        """The path."""
        return self.path

    def rooted(self, dimensions: Dimensions) -> Self:
        """The same with the root that its path begins with."""
        return self.model_copy(update={"path": dimensions.rooted(self.path)})

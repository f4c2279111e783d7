"""What became of files: `import`."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from daeda.answers.answer import Answer


class ImportedFile(Answer):
    """What became of a file."""

    name: str = Field(description="What it goes by.")
    outcome: Literal["imported", "unchanged", "would import"] = Field(description="What was done.")
    rows: int = Field(description="Its rows that fit.")
    rejected: int = Field(description="Its rows that are kept aside.")
    rejections: str | None = Field(description="The file of JSON lines that has those; null where there are none.")
    new_days: int = Field(description="Partitions that have rows of it for the first time.")
    replaced_days: int = Field(description="Partitions whose rows of it are others, or more, now.")
    unchanged_days: int = Field(description="Partitions whose rows of it are as they were.")
    removed_days: int = Field(description="Partitions whose rows it has no more.")
    lost_rows: int = Field(description="Rows that were published, and that it has no more.")


class ImportAnswer(Answer):
    """`daeda import --json`."""

    format: Literal["daeda.import/1"] = Field(default="daeda.import/1", description="Form and version.")
    location: str = Field(description="The directory.")
    published: bool = Field(description="Whether it has the rows now.")
    columns: dict[str, str] = Field(description="Types by name.")
    files: tuple[ImportedFile, ...] = Field(description="The files.")
    notes: tuple[str, ...] = Field(description="What was decided on the way.")
    days_without_rows: tuple[tuple[dt.date, dt.date], ...] = Field(
        description="Days between the first and the last row of a file that have no partition, those that follow each "
        "other as the first and the last one of them."
    )

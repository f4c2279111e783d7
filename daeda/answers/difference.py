"""In what two trainings differ: `diff`."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from pydantic import Field

from daeda.answers.answer import Answer
from daeda.dataset.layout import Dataset


class ChangedSchema(Answer):
    """A column that is on one side alone, or is something else there."""

    column: str = Field(description="Its name.")
    what: Literal["only here", "only there", "renamed", "type", "kind"] = Field(description="What differs.")
    here: str | None = Field(description="Its type, name or kind here; null where it is not there.")
    there: str | None = Field(description="The same of the other side.")
    days: tuple[dt.date, ...] = Field(description="The days on which it is so.")


class DifferentValue(Answer):
    """A value that differs."""

    day: dt.date = Field(description="The day, in UTC.")
    key: dict[str, Any] = Field(description="What names the row.")
    here: Any = Field(description="The value here; long lists and texts are cut.")
    there: Any = Field(description="The value there.")


class DifferentColumn(Answer):
    """A column whose values differ, or that is made otherwise and has the same values."""

    column: str = Field(description="Its name here.")
    rows: int = Field(description="Paired rows in which it differs; 0 where it is made otherwise alone.")
    null_here: int = Field(description="Of those, rows in which it is NULL here and not there.")
    null_there: int = Field(description="Rows in which it is NULL there and not here.")
    numbers: int = Field(description="Rows whose distance can be told.")
    greatest: float | None = Field(description="Greatest distance; of lists and vectors that of their elements.")
    mean: float | None = Field(description="Mean distance of these rows.")
    days: tuple[dt.date, ...] = Field(description="The days on which it differs.")
    why: tuple[str, ...] = Field(description="What explains it, by the manifests.")
    examples: tuple[DifferentValue, ...] = Field(description="A few of the values.")


class AloneRow(Answer):
    """A row of one side alone."""

    day: dt.date = Field(description="The day, in UTC.")
    key: dict[str, Any] = Field(description="What names the row.")


class AloneRows(Answer):
    """The rows of one side alone, duplicates as often as they are there."""

    rows: int = Field(description="How many.")
    days: tuple[dt.date, ...] = Field(description="On which days.")
    examples: tuple[AloneRow, ...] = Field(description="A few of them.")


class DiffAnswer(Answer):
    """`daeda diff --json`: exit code 0 where both hold the same, and 1 where they do not."""

    format: Literal["daeda.diff/1"] = Field(default="daeda.diff/1", description="Form and version.")
    here: str = Field(description="The first of both.")
    there: str = Field(description="The second.")
    dataset: Dataset = Field(description="The dataset that is compared.")
    equal: bool = Field(description="Whether nothing differs: exit code 0.")
    days: tuple[dt.date, ...] = Field(description="The days of both.")
    same_bytes: tuple[dt.date, ...] = Field(description="Of those, the days whose parts have the same digests.")
    days_only_here: tuple[dt.date, ...] = Field(description="Days that are published here alone.")
    days_only_there: tuple[dt.date, ...] = Field(description="Days that are published there alone.")
    key: tuple[str, ...] = Field(description="The columns by which rows are paired, as they are called here.")
    rows_here: int = Field(description="Rows of the days of both, here.")
    rows_there: int = Field(description="The same, there.")
    paired: int = Field(description="Rows that have the same key on both sides.")
    changed: int = Field(description="Of those, rows with a value that differs.")
    only_here: AloneRows = Field(description="Rows without a partner there.")
    only_there: AloneRows = Field(description="Rows without a partner here.")
    rows_why: tuple[str, ...] = Field(description="What explains that, by the manifests.")
    schema_changes: tuple[ChangedSchema, ...] = Field(description="Columns of one side alone, or of another type.")
    columns: tuple[DifferentColumn, ...] = Field(description="Columns whose values differ.")
    made_otherwise: tuple[DifferentColumn, ...] = Field(
        description="Columns that are made of something else, by their identities, and have the same values."
    )
    notes: tuple[str, ...] = Field(
        description="What differs and is no difference of data: the order of rows or columns."
    )

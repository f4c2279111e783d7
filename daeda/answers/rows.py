"""Values of rows, and what is behind them: `preview`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from daeda.answers.answer import KIND, Answer, ServiceAnswer


class RowsAnswer(ServiceAnswer):
    """A document that holds values of rows."""

    def text(self) -> str:
        """The document in one line: a vector would take hundreds."""
        return self.model_dump_json()


class PreviewAnswer(RowsAnswer):
    """`daeda preview --json`."""

    format: Literal["daeda.preview/1"] = Field(default="daeda.preview/1", description="Form and version.")
    columns: dict[str, str] = Field(description="Type of each column, as YAML spells it.")
    rows: tuple[dict[str, Any], ...] = Field(
        description="The rows, by column: times, days and decimals are text, and so are NaN, Infinity and -Infinity."
    )
    left_out: dict[str, str] = Field(description="Columns that are not made of the rows given, and why.")


class ExplainedRawRow(Answer):
    """A raw row behind a value."""

    time: str | None = Field(description="Its time in UTC; null in a view without times.")
    known: str | None = Field(description="When it became known, where the view has a created_field.")
    values: dict[str, Any] = Field(description="What is worth showing of it, by column.")
    reason: str = Field(description="Why it does not count; empty where it does.")


class ExplainedValue(Answer):
    """What is behind one value of a row, by the rules of the audit."""

    column: str = Field(description="Its name.")
    kind: str = Field(description=KIND)
    made_by: str = Field(description="What makes it.")
    value: Any = Field(description="The value that the preview shows.")
    recomputed: Any = Field(description="The value that the audit makes of the raw rows by itself.")
    agrees: bool = Field(description="Whether both are the same, as closely as the audit asks for.")
    key: dict[str, Any] = Field(description="The key whose raw rows are looked at.")
    begin: str | None = Field(description="From when on raw rows count; null for ever, or without times.")
    end: str | None = Field(description="Until when raw rows count; null for ever, or without times.")
    ends: str = Field(description="Which of both instants counts itself: [), (] or []; empty without times.")
    order: tuple[str, ...] = Field(description="What puts the rows of a look-up in order; the greatest is the newest.")
    rows: int = Field(description="How many raw rows count.")
    counted: tuple[ExplainedRawRow, ...] = Field(description="The first 200 of them, those of a window newest first.")
    missed: tuple[ExplainedRawRow, ...] = Field(description="The nearest of those that do not count.")
    sql: str = Field(description="The expression of a derived column.")
    inputs: dict[str, Any] = Field(description="What an expression or a function reads, or the ids of vectors.")
    notes: tuple[str, ...] = Field(description="What else has to be known.")


class ExplainedRowAnswer(RowsAnswer):
    """`daeda preview --explain ROW --json`."""

    format: Literal["daeda.explained_row/1"] = Field(default="daeda.explained_row/1", description="Form and version.")
    row: int = Field(description="Its number in the preview.")
    rows_of: str = Field(description="The day, or the file, whose row it is.")
    identity: dict[str, Any] = Field(description="Time and grain of the row.")
    passed: bool = Field(description="Whether all values agree.")
    columns: tuple[ExplainedValue, ...] = Field(description="The columns, or those that were asked for.")
    left_out: dict[str, str] = Field(description="Columns that are not made of the rows given, and why.")

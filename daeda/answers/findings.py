"""What was found, of a project, its days, its data or its host: `check`, `audit`, `report` and `doctor`."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from daeda.answers.answer import Answer, ServiceAnswer


class FoundHint(Answer):
    """A possible leak, which no check can prove."""

    kind: str = Field(description="What it is about.")
    where: str = Field(description="File and line, or the view.")
    evidence: str = Field(description="What was seen.")
    cure: str = Field(description="What to do where it is a leak.")


class SeenTimes(Answer):
    """From when to when the rows of a view are."""

    view: str = Field(description="The view.")
    first: str = Field(description="The first time, in UTC.")
    newest: str = Field(description="The last one.")
    partitions: int = Field(description="How many days of partitions it has.")


class CheckAnswer(ServiceAnswer):
    """`daeda check --json`, also where something is wrong: exit code 2 with `mistakes`, and 0 without."""

    format: Literal["daeda.check/1"] = Field(default="daeda.check/1", description="Form and version.")
    mistakes: tuple[str, ...] = Field(description="What keeps days from being built, embedding stores included.")
    warnings: tuple[str, ...] = Field(description="What may not be meant.")
    notes: tuple[str, ...] = Field(description="Which days wait for labels, or lack them: nothing is wrong with them.")
    hints: tuple[FoundHint, ...] = Field(description="Possible leaks.")
    views: tuple[SeenTimes, ...] = Field(description="The views that have times.")


class AuditedColumn(Answer):
    """What the audit found of one column."""

    column: str = Field(description="Its name.")
    checked: int = Field(description="Values, or rows, that were compared.")
    mismatches: int = Field(description="Those that differ.")
    note: str = Field(description="What the reader has to know of it.")
    example: tuple[str, ...] = Field(
        default=(),
        description="The first value that differs, in lines: its row, what is published, what is recomputed, and the "
        "raw rows that count. Empty where none does.",
    )


class AuditAnswer(ServiceAnswer):
    """`daeda audit leakage --json`."""

    format: Literal["daeda.audit/1"] = Field(default="daeda.audit/1", description="Form and version.")
    days: tuple[dt.date, ...] = Field(description="The days that were audited.")
    passed: bool = Field(description="Whether nothing differs that should not: exit code 0.")
    recomputed: tuple[AuditedColumn, ...] = Field(description="Of the probe recompute.")
    appended: tuple[AuditedColumn, ...] = Field(description="Of the probe append.")
    summary: str = Field(description="The sentence that the audit prints without --json.")


class ReportFinding(Answer):
    """What stands out in a training set, as the report ranks it."""

    kind: str = Field(
        description="What it is about: rows, nulls, not finite, coverage, unit, category, drift, check, or days."
    )
    column: str | None = Field(description="The column that it is of; null where it is of the days.")
    first_day: dt.date | None = Field(description="The first day that it is seen on.")
    days: int = Field(description="On how many days.")
    told: str = Field(description="The sentence of the report.")


class ReportAnswer(ServiceAnswer):
    """`daeda report --json`."""

    format: Literal["daeda.report/1"] = Field(default="daeda.report/1", description="Form and version.")
    file: str = Field(description="The report: the line that report prints without --json.")
    days: int = Field(description="The days of the report.")
    published: int = Field(description="Those of them that are published.")
    findings: tuple[ReportFinding, ...] = Field(description="What stands out, the worst first.")


class DoctorFinding(Answer):
    """What was looked at, and what was seen."""

    state: Literal["ok", "warning", "wrong"] = Field(
        description="wrong is what keeps a run from being done, warning what makes it slow or may not be meant."
    )
    what: str = Field(description="What was looked at.")
    seen: str = Field(description="What was seen.")
    advice: str = Field(description="What to do; empty where nothing is to be done.")


class DoctorAnswer(Answer):
    """`daeda doctor --json`, also where something is wrong: exit code 1, and 0 without."""

    format: Literal["daeda.doctor/1"] = Field(default="daeda.doctor/1", description="Form and version.")
    services: tuple[str, ...] = Field(description="The services of the project that were looked at.")
    findings: tuple[DoctorFinding, ...] = Field(description="In the order of the table.")

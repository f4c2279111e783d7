"""What a run would do with each day, and what it did: `plan` and `train`."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from daeda.answers.answer import Answer, ServiceAnswer
from daeda.answers.checks import JudgedCheck
from daeda.dataset.layout import Dataset


class PlannedDataset(Answer):
    """What is to be done with one day of one dataset."""

    action: Literal["build", "skip", "rebuild", "extend", "keep", "blocked", "wait"] = Field(
        description="What train would do; keep leaves a stale day, wait one whose labels are not mature."
    )
    reasons: tuple[str, ...] = Field(description="Why.")


class PlannedDay(Answer):
    """One day of the range."""

    day: dt.date = Field(description="The day, in UTC.")
    files_read: int = Field(description="Files that the skeleton of the day reads.")
    datasets: dict[Dataset, PlannedDataset] = Field(description="By dataset.")
    cut_windows: tuple[str, ...] = Field(description="Windows that begin before the first partition of their view.")
    checks: tuple[JudgedCheck, ...] = Field(
        default=(), description="What checks have found of the day that is published now."
    )


class PlanAnswer(ServiceAnswer):
    """`daeda plan --json`."""

    format: Literal["daeda.plan/1"] = Field(default="daeda.plan/1", description="Form and version.")
    days: tuple[PlannedDay, ...] = Field(description="The days of the range.")
    sources: dict[str, str] = Field(description="Path or address of each view that is read.")
    notes: tuple[str, ...] = Field(description="Availability, maturity of labels, and splits, as sentences.")


class BuiltDataset(Answer):
    """What a run did with one day of one dataset."""

    outcome: Literal["built", "rebuilt", "extended", "skipped", "kept", "blocked", "waiting", "not built"] = Field(
        description="What was done."
    )
    rows: int | None = Field(description="Rows that are published; null where the day is not.")
    seconds: float | None = Field(description="Seconds that it took; null where nothing was built.")


class BuiltDay(Answer):
    """One day of the range."""

    day: dt.date = Field(description="The day, in UTC.")
    datasets: dict[Dataset, BuiltDataset] = Field(description="By dataset.")
    checks: tuple[JudgedCheck, ...] = Field(
        default=(), description="What checks found of the published day, of all datasets."
    )


class TrainAnswer(ServiceAnswer):
    """`daeda train --json`, after a run that is done."""

    format: Literal["daeda.train/1"] = Field(default="daeda.train/1", description="Form and version.")
    dataset: Dataset = Field(description="The final dataset of the run.")
    location: str = Field(description="Where the days of that dataset are: the line that train prints without --json.")
    days: tuple[BuiltDay, ...] = Field(description="The days of the range.")

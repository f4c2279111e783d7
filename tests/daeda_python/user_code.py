"""Code of a user, which `make check` holds to mypy --strict: each type is the one that is said here."""

from __future__ import annotations

import datetime as dt
from typing import assert_type

import polars

import daeda
from daeda.answers.catalog import CatalogColumn, CatalogService
from daeda.answers.days import PlannedDay
from daeda_data.training_data import TrainingData
from daeda_python.listing import Listing
from daeda_python.results import Audit, Check, Plan, Preview, Run


def look(path: str) -> list[str]:
    project = daeda.project(path)
    assert_type(project, daeda.Project)
    assert_type(project.services, Listing[CatalogService])
    assert_type(project.columns["price"], CatalogColumn)
    assert_type(project.services.to_polars(), polars.DataFrame)
    assert_type(daeda.__version__, str)
    plan = project.plan("ranking", start="-7d", end=dt.date(2024, 1, 3), on_stale="keep")
    assert_type(plan, Plan)
    assert_type(plan.days, tuple[PlannedDay, ...])
    assert_type(plan.builds, bool)
    return [reason for day in plan.days for reason in day.datasets["skeleton"].reasons]


def build(project: daeda.Project) -> str | None:
    assert_type(project.check(), Check)
    assert_type(project.audit(days=["2024-01-02"], quick=True), Audit)
    assert_type(project.preview(day="2024-01-02", columns=["price"]), Preview)
    try:
        run = project.train(skeleton_only=True)
    except daeda.DayError as error:
        assert_type(error.day, dt.date | None)
        return None
    except (daeda.ConfigurationError, daeda.UserError) as error:
        return error.sentences[0]
    assert_type(run, Run)
    return run.location


def read(project: daeda.Project) -> polars.LazyFrame:
    data = daeda.dataset("output", "ranking", split="train")
    assert_type(data, TrainingData)
    assert_type(project.dataset("ranking", days="2024-01-02"), TrainingData)
    return data.polars()


def compute(project: daeda.Project, frame: polars.DataFrame) -> polars.DataFrame:
    made = project.features(frame, "ranking", columns=["price"], labels=False)
    assert_type(made, polars.DataFrame)
    return made.with_columns(polars.col("price").fill_null(0.0))

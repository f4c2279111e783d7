"""The operators of a service: `explain`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from daeda.answers.answer import DescribedColumn, ServiceAnswer
from daeda.answers.checks import DeclaredCheck


class ExplainedColumn(DescribedColumn):
    """A column of the output."""

    nullable: bool = Field(description="Whether NULL may be in it.")


class ExplainAnswer(ServiceAnswer):
    """`daeda explain --json`."""

    format: Literal["daeda.explain/1"] = Field(default="daeda.explain/1", description="Form and version.")
    columns: tuple[ExplainedColumn, ...] = Field(description="The columns of the output, in their order.")
    operators: tuple[dict[str, Any], ...] = Field(description="The operators, as pipeline YAML has them.")
    checks: tuple[DeclaredCheck, ...] = Field(default=(), description="The checks of the service.")
    sql: str | None = Field(description="With --sql: what --sql prints.")

"""A table of a Postgres server, or what it answers to a query."""

from __future__ import annotations

import re
from typing import ClassVar, Self

from pydantic import Field, model_validator

from daeda.sources.models.model import DatabaseModel, check_one_relation


class PostgresSource(DatabaseModel):
    """A table of a Postgres server, or what the server answers to a query."""

    key: ClassVar[str] = "postgres"

    postgres: str = Field(
        description="Instead of path: a service of pg_service.conf, or `environment` for what PGHOST and so on say."
    )
    query: str | None = Field(default=None, min_length=1, description="Instead of table: a SELECT that Postgres runs.")

    @model_validator(mode="after")
    def _names_a_service(self) -> Self:
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", self.postgres):
            raise ValueError(
                f"postgres '{self.postgres}' is not a service: write a name of pg_service.conf, or environment; "
                "credentials stay outside of YAML"
            )
        check_one_relation(self.table, self.query)
        return self

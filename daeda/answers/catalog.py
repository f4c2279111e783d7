"""What a project declares: `catalog`."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from daeda.answers.answer import Answer, DescribedColumn
from daeda.answers.published import DescribedTag


class CatalogView(Answer):
    """A feature view, who uses it, and what lies behind it."""

    name: str = Field(description="Its name.")
    description: str = Field(description="What it holds.")
    keys: tuple[str, ...] = Field(description="Key columns of its entities.")
    timestamp_field: str | None = Field(description="Its time; null where it has one row per key.")
    source: str = Field(description="Path, address or table.")
    fields: dict[str, str] = Field(description="Type of each field.")
    used_by: tuple[str, ...] = Field(description="Services that read it.")
    files: int | None = Field(description="Files there; null where that is not known, see problem.")
    first_day: dt.date | None = Field(description="First partition; null where there are no partitions.")
    last_day: dt.date | None = Field(description="Last partition.")
    problem: str | None = Field(description="Why nothing is known of its files.")


class CatalogService(Answer):
    """A feature service."""

    name: str = Field(description="Its name.")
    version: int = Field(description="Version of the contract.")
    owner: str = Field(description="Who answers for it.")
    description: str = Field(description="What it is for.")
    spine: str = Field(description="The view whose rows are its rows.")
    runtime: str = Field(description="Its runtime file.")
    first_day: dt.date = Field(description="First day of its range.")
    last_day: dt.date = Field(description="Last day of its range.")
    columns: int = Field(description="How many columns it has.")


class CatalogColumn(DescribedColumn):
    """A column of a service."""

    service: str = Field(description="The service that has it.")
    made_by: str = Field(description="What makes it: view:field, an entry of aggregations.yaml, or an expression.")


class CatalogStore(Answer):
    """An embedding store."""

    name: str = Field(description="Its name.")
    path: str = Field(description="The Lance dataset.")
    version: int | str = Field(description="Version number or tag.")
    dimension: int = Field(description="Length of its vectors.")
    columns: tuple[str, ...] = Field(description="Embedding columns that are made of it, as service:column.")


class CatalogTag(DescribedTag):
    """A tag of a service."""

    service: str = Field(description="The service.")


class CatalogAnswer(Answer):
    """`daeda catalog --json`; a section that was not asked for is null."""

    format: Literal["daeda.catalog/1"] = Field(default="daeda.catalog/1", description="Form and version.")
    views: tuple[CatalogView, ...] | None = Field(default=None, description="The feature views.")
    services: tuple[CatalogService, ...] | None = Field(default=None, description="The services with a runtime file.")
    columns: tuple[CatalogColumn, ...] | None = Field(default=None, description="The columns of these services.")
    stores: tuple[CatalogStore, ...] | None = Field(default=None, description="The embedding stores of these services.")
    tags: tuple[CatalogTag, ...] | None = Field(default=None, description="The tags of these services.")

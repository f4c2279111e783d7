"""A feature view: a source of rows with an entity, typed fields and, where they change, a timestamp."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, model_validator

from daeda.dtypes import TIMESTAMP_UNITS, DType, TimeUnit
from daeda.errors import did_you_mean
from daeda.settings.kinds import Day, Name, Names, PathText, Span, Strict, Type, Whole


class FieldSpec(Strict):
    """A column of the view, under its canonical name."""

    name: Name = Field(description="Name everywhere but in the files.")
    dtype: Type = Field(description="Type of the column in the files.")
    description: str = Field(default="", description="What it means, for readers.")


class Source(Strict):
    """Where the rows are: in files below `path`, or in a table of a database, which is read once per run."""

    path: PathText | None = Field(
        default=None,
        description="File, pattern, or directory, with dt=YYYY-MM-DD directories or without; relative to data_root.",
    )
    postgres: str | None = Field(
        default=None,
        description="Instead of path: a service of pg_service.conf, or `environment` for what PGHOST and so on say.",
    )
    ducklake: PathText | None = Field(
        default=None,
        min_length=1,
        description="Instead of path: the catalogue file of a DuckLake, relative to data_root.",
    )
    table: str | None = Field(
        default=None, min_length=1, description="Table of the database, with its schema like public.prices."
    )
    query: str | None = Field(default=None, min_length=1, description="Instead of table: a SELECT that Postgres runs.")
    snapshot: Whole | None = Field(
        default=None, ge=0, description="Snapshot of the DuckLake; without it, the newest one when the run begins."
    )
    timestamp_field: Name | None = Field(
        default=None, description="When a row came to be; without it the view is static: one row per key, for all time."
    )
    timestamp_unit: Literal["s", "ms", "us", "ns"] | None = Field(
        default=None, description="Unit of integer timestamps."
    )
    created_field: Name | None = Field(default=None, description="When a row became known; earlier rows do not see it.")
    null_timestamps: Literal["error", "drop"] = Field(
        default="error", description="What to do with rows without a timestamp, which belong to no day."
    )
    missing_partitions: Literal["error", "empty"] = Field(
        default="error", description="Whether a partition that a day needs may be absent."
    )
    partition_slack: Whole = Field(
        default=0, ge=0, le=366, description="Days to look around: how far a row may lie from the day of its partition."
    )
    first_day: Day | None = Field(
        default=None, description="First partition that must be there; an earlier loss is an error."
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        given = [name for name in ("path", "postgres", "ducklake") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none of them"
            raise ValueError(f"a source has exactly one of 'path', 'postgres' and 'ducklake', found {found}")
        if self.postgres is not None and not re.fullmatch(r"[A-Za-z0-9_.-]+", self.postgres):
            raise ValueError(
                f"postgres '{self.postgres}' is not a service: write a name of pg_service.conf, or environment; "
                "credentials stay outside of YAML"
            )
        if self.in_database and (self.table is None) == (self.query is None):
            raise ValueError("a source in a database has exactly one of 'table' and 'query'")
        for name, owner in (("table", ""), ("query", "postgres"), ("snapshot", "ducklake")):
            owned = self.in_database if not owner else getattr(self, owner) is not None
            if getattr(self, name) is not None and not owned:
                raise ValueError(f"'{name}' belongs to {owner or 'a database'}: remove it")
        return self

    @property
    def in_database(self) -> bool:
        """Whether the rows are in a database and not in files."""
        return self.path is None

    @property
    def database(self) -> str:
        """The database, as it is shown; empty for files."""
        if self.postgres is not None:
            return f"postgres://{self.postgres}"
        return f"ducklake://{self.ducklake}" if self.ducklake is not None else ""

    @property
    def reference(self) -> str:
        """The path, or what stands for it in a pipeline: database and table."""
        if self.path is not None:
            return self.path
        version = "" if self.snapshot is None else f"@{self.snapshot}"
        return f"{self.database}/{self.table or 'query'}{version}"


class FeatureView(Strict):
    """One view; `entity: user` means the key column `user_id`."""

    name: Name = Field(description="Name that services, aggregations and feature_refs use.")
    description: str = Field(default="", description="What it holds, for readers.")
    entity: Names = Field(
        min_length=1, description="Whose rows these are, one or several: entity user means the key user_id."
    )
    ttl: Span | None = Field(
        default=None, description="Greatest age at which a row still counts, like 28d; without it, any."
    )
    allow_exact: bool = Field(default=False, description="Whether a look-up sees rows of exactly its own time.")
    source: Source = Field(description="Where the rows are.")
    field_mapping: dict[str, Name] = Field(
        default_factory=dict, description="Name in the files to name everywhere else, where they differ."
    )
    fields: tuple[FieldSpec, ...] = Field(min_length=1, description="The columns, in the order that decides ties.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [field.name for field in self.fields]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"fields names {', '.join(twice)} twice: each field stands once")
        folded = [name.lower() for name in names]
        alike = sorted({name for name in names if folded.count(name.lower()) > 1})
        if alike:
            raise ValueError(
                f"fields {', '.join(alike)} differ only in case, and SQL does not tell them apart: rename one"
            )
        for what, name in self._named():
            if name not in names:
                raise ValueError(f"{what} '{name}' is not one of the fields: {did_you_mean(name, names)}")
        mapped = list(self.field_mapping.values())
        doubled = sorted({name for name in mapped if mapped.count(name) > 1})
        if doubled:
            raise ValueError(f"field_mapping gives {', '.join(doubled)} from two source columns: keep one")
        sources = [self.source_name(name) for name in names]
        shared = sorted({name for name in sources if sources.count(name) > 1})
        if shared:
            raise ValueError(f"field_mapping reads {', '.join(shared)} for two fields: each source column stands once")
        embedded = [field.name for field in self.fields if "halffloat" in field.dtype.name]
        if embedded:
            raise ValueError(
                f"fields {', '.join(embedded)}: DuckDB has no half type; vectors come from embedding_stores"
            )
        self._check_time()
        return self

    def _named(self) -> list[tuple[str, str]]:
        keys = [(f"the key of entity '{entity}',", f"{entity}_id") for entity in self.entity]
        mapped = [("field_mapping gives", name) for name in self.field_mapping.values()]
        source = [
            ("source.timestamp_field", self.source.timestamp_field),
            ("source.created_field", self.source.created_field),
        ]
        return keys + mapped + [(what, name) for what, name in source if name is not None]

    def _check_time(self) -> None:
        source = self.source
        if source.timestamp_field is None:
            if source.created_field or source.timestamp_unit or self.ttl:
                raise ValueError("created_field, timestamp_unit and ttl need a source.timestamp_field")
            return
        for name in (source.timestamp_field, source.created_field):
            if name is None:
                continue
            dtype = self.dtype(name)
            if dtype.is_integer and source.timestamp_unit is None:
                raise ValueError(f"'{name}' is {dtype}: say its source.timestamp_unit (s, ms, us or ns)")
            if not dtype.is_integer and not dtype.is_instant:
                raise ValueError(
                    f"'{name}' is {dtype}: a timestamp is a timestamp[...], a date or an integer with a unit"
                )
        if source.timestamp_unit and not self.dtype(source.timestamp_field).is_integer:
            raise ValueError("source.timestamp_unit belongs to integer timestamps: remove it")
        if source.timestamp_field in self.keys:
            raise ValueError(f"'{source.timestamp_field}' is both the timestamp and a key")

    @property
    def keys(self) -> tuple[str, ...]:
        """Key columns, one per entity."""
        return tuple(f"{entity}_id" for entity in self.entity)

    def dtype(self, name: str) -> DType:
        """Type of a field; KeyError when there is none."""
        return {field.name: field.dtype for field in self.fields}[name]

    def source_name(self, name: str) -> str:
        """Column of the Parquet files behind a canonical name."""
        for source, canonical in self.field_mapping.items():
            if canonical == name:
                return source
        return name

    def unit_of(self, name: str) -> TimeUnit:
        """Resolution of a timestamp column of this view."""
        dtype = self.dtype(name)
        if dtype.is_integer:
            return TIMESTAMP_UNITS[self.source.timestamp_unit or "s"]
        unit = dtype.unit
        if unit is None:
            raise KeyError(name)
        return unit

    @property
    def features(self) -> tuple[str, ...]:
        """Every field that is neither key, timestamp nor created."""
        held = {*self.keys, *self.times}
        return tuple(field.name for field in self.fields if field.name not in held)

    @property
    def times(self) -> tuple[str, ...]:
        """Timestamp and created field: features where feature_refs name them, the age of what is looked up."""
        named = (self.source.timestamp_field, self.source.created_field)
        return tuple(field.name for field in self.fields if field.name in named and field.name not in self.keys)

"""A feature view: a source of rows with an entity, typed fields and, where they change, a timestamp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from pydantic import Field, model_validator

from daeda.dtypes import TIMESTAMP_UNITS, DType, TimeUnit
from daeda.errors import did_you_mean
from daeda.settings.entities import Entities, Entity
from daeda.settings.kinds import Name, ReadType, Span, Strict, Switch, repeated
from daeda.sources.models.source import ParsedSource


class FieldSpec(Strict):
    """A column of the view, under its canonical name."""

    example: ClassVar[str] = "{name: user_id, dtype: int64}"

    name: Name = Field(description="Name everywhere but in the files.")
    dtype: ReadType = Field(description="Type of the column in the files.")
    description: str = Field(default="", description="What it means, for readers.")


class FeatureView(Strict):
    """One view; `entity: user` means the key column `user_id`, `entity: {tail: tailnum}` the key column `tailnum`."""

    name: Name = Field(description="Name that services, aggregations and feature_refs use.")
    description: str = Field(default="", description="What it holds, for readers.")
    entity: Entities = Field(
        min_length=1,
        description="Whose rows these are, one or several: entity user means the key user_id, {tail: tailnum} the key "
        "tailnum.",
    )
    ttl: Span | None = Field(
        default=None, description="Greatest age at which a row still counts, like 28d; without it, any."
    )
    allow_exact: Switch = Field(
        default=False,
        description="Whether look-ups, and attributes of a history, see rows of exactly "
        "their own time; windows never do.",
    )
    source: ParsedSource = Field(description="Where the rows are.")
    field_mapping: dict[str, Name] = Field(
        default_factory=dict, description="Name in the files to name everywhere else, where they differ."
    )
    fields: tuple[FieldSpec, ...] = Field(min_length=1, description="The columns, in the order that decides ties.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [field.name for field in self.fields]
        if twice := repeated(names):
            raise ValueError(f"fields names {', '.join(twice)} twice: each field stands once")
        if twice := repeated(self.keys):
            raise ValueError(f"entity takes {', '.join(twice)} as the key of two entities: each has a key of its own")
        folded = [name.lower() for name in names]
        alike = sorted({name for name in names if folded.count(name.lower()) > 1})
        if alike:
            raise ValueError(
                f"fields {', '.join(alike)} differ only in case, and SQL does not tell them apart: rename one"
            )
        for entity in self.entity:
            if entity.key not in names:
                raise ValueError(f"{_lacking(entity)}: {did_you_mean(entity.key, names)}{_advice(entity, names)}")
        for what, name in self._named():
            if name not in names:
                raise ValueError(f"{what} '{name}' is not one of the fields: {did_you_mean(name, names)}")
        if doubled := repeated(self.field_mapping.values()):
            raise ValueError(f"field_mapping gives {', '.join(doubled)} from two source columns: keep one")
        if shared := repeated(map(self.source_name, names)):
            raise ValueError(f"field_mapping reads {', '.join(shared)} for two fields: each source column stands once")
        embedded = [field.name for field in self.fields if "halffloat" in field.dtype.name]
        if embedded:
            raise ValueError(
                f"fields {', '.join(embedded)}: DuckDB has no half type; vectors come from embedding_stores"
            )
        self._check_time()
        return self

    def _named(self) -> list[tuple[str, str]]:
        mapped = [("field_mapping gives", name) for name in self.field_mapping.values()]
        source = [
            ("source.timestamp_field", self.source.timestamp_field),
            ("source.created_field", self.source.created_field),
        ]
        return mapped + [(what, name) for what, name in source if name is not None]

    def _check_time(self) -> None:
        source = self.source
        if source.timestamp_field is None:
            if source.created_field or source.timestamp_unit or self.ttl or source.available:
                raise ValueError("created_field, timestamp_unit, available and ttl need a source.timestamp_field")
            if self.allow_exact:
                raise ValueError("allow_exact is about rows of one time, and the view has no source.timestamp_field")
            return
        for name in filter(None, (source.timestamp_field, source.created_field)):
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
        return tuple(entity.key for entity in self.entity)

    def dtype(self, name: str) -> DType:
        """Type of a field; KeyError when there is none."""
        return {field.name: field.dtype for field in self.fields}[name]

    def source_name(self, name: str) -> str:
        """Column of the Parquet files behind a canonical name."""
        return next((source for source, canonical in self.field_mapping.items() if canonical == name), name)

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
        named = {*self.keys, *self.times}
        return tuple(field.name for field in self.fields if field.name not in named)

    @property
    def times(self) -> tuple[str, ...]:
        """Timestamp and created field: features where feature_refs name them, the age of what is looked up."""
        named = (self.source.timestamp_field, self.source.created_field)
        return tuple(field.name for field in self.fields if field.name in named and field.name not in self.keys)


def _lacking(entity: Entity) -> str:
    return f"the key of entity '{entity.name}', '{entity.key}' is not one of the fields"


def _advice(entity: Entity, names: Sequence[str]) -> str:
    """What else a key that has no `_id` may be called."""
    close = [name for name in names if entity.name.lower() in name.lower()]
    if entity.named_key is not None or not close:
        return ""
    return f"; where '{close[0]}' is the key, write entity: {{{entity.name}: {close[0]}}}"

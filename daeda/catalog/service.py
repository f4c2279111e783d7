"""A feature service: the contract of one training set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from daeda.dtypes import DType
from daeda.errors import ConfigurationError, did_you_mean
from daeda.settings.availability import Available
from daeda.settings.checks import Check
from daeda.settings.kinds import Name, Names, Span, Strict, Switch, SwitchIfWritten, Type, Whole, Zone, repeated
from daeda.settings.sampling import Sample
from daeda.settings.splits import DayRange, Split, in_order, parse_splits

ColumnKind = Literal[
    "key", "timestamp", "spine", "static", "point_in_time", "rolling", "label", "udf", "derived", "embedding"
]

_CALENDAR = re.compile(r"\b(hour_of|day_of_week)\s*\(", re.IGNORECASE)

KIND_MEANINGS: Mapping[ColumnKind, str] = {
    "key": "a key of the spine row",
    "timestamp": "the time of the spine row",
    "spine": "another column of the spine row",
    "static": "a column of a view without a timestamp, by its key; with latest: true, of the newest row of any view",
    "point_in_time": "a column of the newest row of a view before the time of the spine row",
    "rolling": "an aggregate over a window of history: an entry of aggregation_specs",
    "label": "an aggregate over a window after the row, for training: an entry of label_specs",
    "udf": "what a function of your own makes of other columns: an entry of udf_specs",
    "derived": "an expression over other columns",
    "embedding": "a vector: an entry of enrichment_specs",
}


_TYPED_BY_KIND = ("rolling", "label")
_OF_THE_ROW = ("spine", "derived")
_OF_LOOK_UPS = ("taken_from", "ttl", "allow_exact", "available")


class ContractColumn(Strict):
    """One column that the training set has. `default` replaces every NULL of it.

    `latest: true` makes a static column of a view that changes over time: the newest row of the key, whatever its time.
    Such a column sees the future, and is marked so wherever the pipeline is shown.

    `label: true` makes a label of what the row itself says, or of an expression. No value of it changes by that.
    """

    example: ClassVar[str] = "{name: price, kind: point_in_time, dtype: double}"

    name: Name = Field(description="Name of the column.")
    kind: ColumnKind = Field(description="Where the column comes from.")
    declared: Type | None = Field(
        default=None,
        alias="dtype",
        description="Type of the column; kinds rolling and label can do without, for their aggregates tell it.",
    )
    description: str = Field(default="", description="What it means, for readers.")
    default: Any = Field(default=None, description="Replaces every NULL of the column.")
    nullable: Switch = Field(default=True, description="Whether NULL may be in it, after the default.")
    expression: str | None = Field(default=None, description="SQL over other columns; kind derived has one.")
    timezone: Zone | None = Field(
        default=None,
        description="Time zone of hour_of and day_of_week in the expression, like Europe/Berlin; UTC without one.",
    )
    taken_from: str | None = Field(
        default=None,
        alias="from",
        description="View and field, as view:field, that the column takes; without it, the one of its own name. Kind "
        "point_in_time only, as what follows.",
    )
    ttl: Span | None = Field(
        default=None, description="Greatest age of the row, in place of what the view says; null for any."
    )
    allow_exact: SwitchIfWritten = Field(
        default=None,
        description="Whether a row of exactly its own time is seen, in place of what the view says; what that says, "
        "without it.",
    )
    available: Available | None = Field(
        default=None, description="When a row can be used, in place of what the view says; null for as soon as known."
    )
    latest: Switch = Field(
        default=False,
        description="Newest row of the key, whatever its time: the column sees the future. Kind static only.",
    )
    label: Switch = Field(
        default=False,
        description="Whether it is an outcome of the row itself, to be learned: what reads it is a label too. Kinds "
        "spine and derived.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.latest and self.kind != "static":
            raise ValueError(f"'latest' belongs to kind 'static' and not to '{self.kind}': remove it")
        if self.label and self.kind not in _OF_THE_ROW:
            raise ValueError(f"'label' belongs to kinds 'spine' and 'derived' and not to '{self.kind}': remove it")
        if self.declared is None and self.kind not in _TYPED_BY_KIND:
            raise ValueError(
                f"'dtype' is missing, and only kinds rolling and label can do without, found '{self.kind}'"
            )
        foreign = [name for name in _OF_LOOK_UPS if name in self.model_fields_set]
        if foreign and self.kind != "point_in_time":
            written = "from" if foreign[0] == "taken_from" else foreign[0]
            raise ValueError(f"'{written}' belongs to kind 'point_in_time' and not to '{self.kind}': remove it")
        if (self.kind == "derived") != (self.expression is not None):
            raise ValueError("kind 'derived' and an 'expression' belong together: give both or neither")
        if self.timezone is not None and not _CALENDAR.search(self.expression or ""):
            raise ValueError(
                "'timezone' is that of hour_of and day_of_week, and no 'expression' here calls one: remove it"
            )
        if self.declared is None:
            return self
        if self.kind == "embedding" and not self.dtype.is_vector:
            raise ValueError(f"kind 'embedding' is a list<halffloat> or a list<float>, found {self.dtype}")
        if self.kind != "embedding" and self.dtype.holds_half:
            raise ValueError(f"the type {self.dtype} belongs to kind 'embedding', found kind '{self.kind}'")
        return self

    @property
    def dtype(self) -> DType:
        """Type of the column; raises ConfigurationError where it is left out and nothing tells it."""
        if self.declared is None:
            raise ConfigurationError(of_no_type(self))
        return self.declared

    @property
    def own_use(self) -> bool:
        """Whether it says itself what it takes from a view, or how."""
        return any(name in self.model_fields_set for name in _OF_LOOK_UPS)


def of_no_type(column: ContractColumn) -> str:
    """What is said of a column without a type that no aggregate makes."""
    return f"column '{column.name}' has no dtype, and no aggregate that would tell it makes the column: write its dtype"


class SemiJoin(Strict):
    """Keep rows whose column is among the ids of a view (for example the ids that a store covers)."""

    example: ClassVar[str] = "{view: items, column: item_id}"

    view: Name = Field(description="View of the ids.")
    column: Name = Field(description="Column that both have.")


class Session(Strict):
    """Keep rows of the sessions for which `having`, a condition over aggregates of the session's rows, is true.

    A session is judged by its rows of the day alone, as the filters before this one have left them.
    """

    example: ClassVar[str] = "{key: session_id, having: count(*) > 1}"

    key: Names = Field(min_length=1, description="Columns that name a session.")
    having: str = Field(description="Condition over aggregates of the session's rows of the day, as SQL.")


class SpineFilter(Strict):
    """One filter of the spine: a predicate, a coverage filter, a session filter or a sample."""

    example: ClassVar[str] = "{where: quantity > 0}"

    where: str | None = Field(default=None, description="Condition on the row, as SQL.")
    covered_by: SemiJoin | None = Field(default=None, description="Keep rows whose id is in another view.")
    session: Session | None = Field(default=None, description="Keep rows of sessions that fulfil a condition.")
    sample: Sample | None = Field(
        default=None, description="Keep a share of the rows, by a hash of keys; at most one, behind every session."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.where, self.covered_by, self.session, self.sample)) != 1:
            raise ValueError("a filter has exactly one of 'where', 'covered_by', 'session' and 'sample'")
        return self


class Spine(Strict):
    """The rows of a day: one output row each, after the filters, which act in the order in which they stand."""

    example: ClassVar[str] = "{view: events}"

    view: Name = Field(description="View whose rows of the day are the rows of the output.")
    filters: tuple[SpineFilter, ...] = Field(
        default=(), description="Which rows stay, in the order in which they act; histories are not filtered."
    )

    @property
    def sample(self) -> Sample | None:
        """The sample, if there is one."""
        return next((one.sample for one in self.filters if one.sample is not None), None)


class FeatureService(Strict):
    """The contract: grain, spine and columns."""

    name: Name = Field(description="Name of the service, and of its directory below output_root.")
    version: Whole = Field(
        ge=1,
        le=999_999_999,
        description="Version of the contract. The days of each version stand by themselves: those of version 1 in the "
        "directory of the service, those of version N in vN below it.",
    )
    owner: str = Field(default="", description="Who answers for it.")
    description: str = Field(default="", description="What it is for.")
    grain: Names = Field(
        min_length=1,
        description="Columns of the spine that name a row beside its time, in messages and in the order of rows. They "
        "need not be unique, which is not checked: no row is removed or merged.",
    )
    spine: Spine = Field(description="The rows.")
    columns: tuple[ContractColumn, ...] = Field(min_length=1, description="The columns.")
    splits: Annotated[dict[Name, Split], BeforeValidator(parse_splits)] = Field(
        default={},
        description="Ranges of days by name, like train: 2025-01-01..2025-02-20, both inclusive; they share no day.",
    )
    overlapping_labels: Literal["refuse", "allow"] = Field(
        default="refuse",
        description="Whether splits may be closer to each other than the labels look ahead: refuse or allow.",
    )

    checks: tuple[Check, ...] = Field(
        default=(),
        description="What must hold of the rows of each day; no part of the fingerprint, so that a check that is "
        "changed is judged anew, and no day is built again.",
    )

    @field_validator("splits")
    @classmethod
    def _share_no_day(cls, splits: dict[str, DayRange]) -> dict[str, DayRange]:
        in_order(splits)
        return splits

    @model_validator(mode="after")
    def _has_splits(self) -> Self:
        if "overlapping_labels" in self.model_fields_set and not self.splits:
            raise ValueError("'overlapping_labels' is about splits, and there are none: remove it, or write 'splits'")
        return self

    @model_validator(mode="after")
    def _columns_once(self) -> Self:
        if twice := repeated(column.name for column in self.columns):
            raise ValueError(f"columns names {', '.join(twice)} twice: each column stands once")
        return self

    def column(self, name: str) -> ContractColumn:
        """A column by name; raises KeyError with what exists."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(did_you_mean(name, [column.name for column in self.columns]))

"""What a first project may be: views, one service with a look-up, windows and a label, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from daeda.init_project.tables import Column, Table
from daeda.init_project.times import Time

Role = Literal["events", "look-up", "static", "apart"]


@dataclass(frozen=True)
class Field:
    """A field of a view: its name there and in the files, its type, and a remark; no source is one that is made."""

    name: str
    source: str
    dtype: str
    note: str = ""
    column: Column | None = None


@dataclass(frozen=True)
class View:
    """A view of a table: its time, when rows are known, its keys with their entities, and its fields in order.

    `created` is the field that says when a row became known, `after` the duration behind its time at which it is.
    `imported` says that Parquet is made of the files first. `reasons` are told and written beside the keys of YAML that
    they are about; `others` are what might stand there instead.
    """

    name: str
    table: Table
    role: Role
    time: Time | None
    entities: tuple[tuple[str, str], ...]
    fields: tuple[Field, ...]
    features: tuple[str, ...] = ()
    imported: bool = False
    created: str = ""
    created_lag: float = 0.0
    after: str = ""
    zone: str = "UTC"
    reasons: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The key fields."""
        return tuple(key for _, key in self.entities)

    @property
    def time_field(self) -> Field:
        """The field of the time: a column of the files, or the one field that is made."""
        assert self.time is not None
        return next(one for one in self.fields if one.source in (self.time.field, ""))

    def field_of(self, source: str) -> Field | None:
        """The field of a column of the files."""
        return next((one for one in self.fields if one.source == source), None)


@dataclass(frozen=True)
class Windows:
    """What is aggregated: for the entity, counts over windows, and perhaps the mean of a field of the event.

    `late` says that the field may become known after the row, so that a value counts a day later only.
    """

    entity: str
    key: str
    windows: tuple[str, ...]
    measure: str = ""
    late: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Label:
    """What is predicted: another event of the entity within a window, a mean over it, or a field of the event itself.

    The mean is that of `measure`.
    """

    name: str
    window: str = ""
    measure: str = ""
    of_field: str = ""
    matures_after: str = ""
    reason: str = ""
    others: tuple[str, ...] = ()

    def asked(self, key: str) -> str:
        """What it asks, and what was seen of it."""
        if self.of_field:
            return f"the {self.of_field} of the event itself, which is its outcome"
        told = f"; {self.reason}" if self.reason else ""
        if self.measure:
            return f"the mean {self.measure} of the same {key} over the next {self.window}{told}"
        return f"whether the same {key} has another event within {self.window}{told}"


@dataclass(frozen=True)
class Proposal:
    """A whole project. `sentences` are what could not be done, and why; `predictable` what else may be predicted."""

    views: tuple[View, ...]
    grain: tuple[str, ...]
    windows: Windows | None
    label: Label | None
    sentences: tuple[str, ...] = ()
    predictable: tuple[str, ...] = ()

    @property
    def events(self) -> View:
        """The view of the spine."""
        return next(view for view in self.views if view.role == "events")

    @property
    def service(self) -> str:
        """The name of the service."""
        return f"{self.events.name}_training"

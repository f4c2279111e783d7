"""config/training/aggregations.yaml: rolling aggregates, functions, embedding columns and embedding stores."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from daeda.aggregates import (
    LIST_KINDS,
    AggregateKind,
    LabelKind,
    SequenceLayout,
    check_label_kind,
    check_parameters,
    check_sequence,
)
from daeda.durations import NO_DELAY, Duration
from daeda.settings.availability import Available
from daeda.settings.entities import Entities
from daeda.settings.kinds import (
    WAIT,
    Ahead,
    Aheads,
    Count,
    Delay,
    Grid,
    HalfLife,
    Immature,
    ImportPath,
    Name,
    PathText,
    Quantiles,
    ReadType,
    References,
    Span,
    Spans,
    Strict,
    Version,
    Whole,
)


class History(Strict):
    """The view whose rows are aggregated; attributes (`view:column`) are joined as of the history row's own time."""

    example: ClassVar[str] = "{view: events}"

    view: Name = Field(description="View whose rows are aggregated; it has a timestamp.")
    attributes: References = Field(
        default=(), description="Columns of other views, as view:column, joined as of the history row's own time."
    )


class Output(NamedTuple):
    """One column of a spec: its name and window, which quantile, or which column of a sequence that stands apart."""

    name: str
    window: Duration
    field: str | None = None
    q: Decimal | None = None


def percentile(q: Decimal) -> str:
    """The end of the name of a quantile's column.

    >>> percentile(Decimal("0.999"))
    'p99_9'
    """
    return "p" + f"{(100 * q).normalize():f}".replace(".", "_")


class AggregationSpec(Strict):
    """One rolling aggregate over one history, for one window or for several."""

    example: ClassVar[str] = "{name: clicks, entity: user, history: {view: events}, kind: count, window: 7d}"

    name: Name = Field(description="Name of the column, and its beginning where there are several windows.")
    description: str = Field(default="", description="What it means, for readers.")
    entity: Entities = Field(
        min_length=1,
        description="Whose history it is: entity user means the key user_id, unless a view names another one.",
    )
    history: History = Field(description="Rows to aggregate.")
    column: Name | None = Field(
        default=None, description="Column to aggregate; only any, count, decayed_count and since_last can do without."
    )
    kind: AggregateKind = Field(description="What is computed.")
    where: str | None = Field(
        default=None, description="Condition on the rows of the history and their attributes, as SQL."
    )
    window: Span | None = Field(
        default=None, description="How far it looks back, like 7d or unbounded: one column with the name of the spec."
    )
    windows: Spans | None = Field(
        default=None,
        min_length=1,
        description="Several windows, or the name of a list of base.yaml: one column each, like name_7d.",
    )
    columns: tuple[Name, ...] | None = Field(
        default=None, description="Of a sequence: the columns of the history that it holds of each row."
    )
    age: Name | None = Field(
        default=None,
        description="Of a sequence: the name of one field more, how long ago the row was, in the unit of the spine's "
        "time, rounded down.",
    )
    layout: SequenceLayout | None = Field(
        default=None,
        description="Of a sequence: struct, one list of structs; or columns, a list for each column, like "
        "name_7d_column, which are aligned. struct where it is not written.",
    )
    available: Available | None = Field(
        default=None,
        description="When a row of the history can be used, in place of what its view says; null for as soon as known.",
    )
    aligned_to: Grid | None = Field(
        default=None,
        description="What the end of the window is rounded down to, in UTC: a divisor of a day like 1h, or whole days.",
    )
    offset: Delay | None = Field(
        default=None, description="How far back the window is moved, like 7d, behind any rounding."
    )
    q: Quantiles | None = Field(
        default=None,
        min_length=1,
        description="Of a quantile: above 0 and at most 1, or a list: one column each, like name_7d_p50 for 0.5.",
    )
    half_life: HalfLife | None = Field(
        default=None, description="Of a decayed kind: after so long a row counts half, like 3d."
    )
    max_length: Count | None = Field(
        default=None,
        description="Most items of a list, the newest; a number or a name of base.yaml. List kinds need it.",
    )
    order: Literal["newest_first", "oldest_first"] = Field(
        default="newest_first", description="Order of the finished list."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.window is None) == (self.windows is None):
            raise ValueError("give either 'window' (one column) or 'windows' (one column each), and not both")
        if self.windows is not None and len({str(one) for one in self.windows}) != len(self.windows):
            raise ValueError("'windows' names a duration twice, which would make the same column twice")
        check_sequence(self.kind, self.column, self.columns, self.age, self.layout)
        check_parameters(self.kind, self.column, self.max_length, self.q, self.half_life)
        if self.q is not None and len(set(self.q)) != len(self.q):
            raise ValueError("'q' names a number twice, which would make the same column twice")
        if self.kind not in LIST_KINDS and "order" in self.model_fields_set:
            raise ValueError(f"'order' belongs to list kinds and not to '{self.kind}': remove it")
        return self

    def available_in(self, of_view: Available | None) -> Available | None:
        """When a row of the history can be used: what the view says, unless the spec says another thing, or null."""
        return self.available if "available" in self.model_fields_set else of_view

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What each result is."""
        return _outputs(self)

    @property
    def keys(self) -> tuple[str, ...]:
        """The key columns of its entity."""
        return tuple(entity.key for entity in self.entity)

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns of the history that are aggregated."""
        return self.columns or (() if self.column is None else (self.column,))


# Keys of windows that look back, and why a label has none.
_NOT_OF_LABELS = {
    "aligned_to": "its window begins at its row, or behind its gap",
    "offset": "write 'gap'",
    "available": "that is about serving, which labels ignore",
    "half_life": "rows after a row have no age to fade with, write count or sum",
}


class LabelSpec(Strict):
    """One label: an aggregate over the rows in `(t + gap, t + gap + window]`, for one window or for several.

    In a history with a `created_field` a row counts if it is known by the end of the window and `matures_after`.
    """

    example: ClassVar[str] = "{name: again, entity: user, history: {view: events}, kind: count, window: 7d}"

    name: Name = Field(description="Name of the column, and its beginning where there are several windows.")
    description: str = Field(default="", description="What it means, for readers.")
    entity: Entities = Field(
        min_length=1,
        description="Whose history it is: entity user means the key user_id, unless a view names another one.",
    )
    history: History = Field(description="Rows to aggregate.")
    column: Name | None = Field(
        default=None, description="Column to aggregate; only any, count and until_first can do without."
    )
    kind: LabelKind = Field(
        description="What is computed: until_first, or a kind of aggregation_specs but since_last and decayed_*."
    )
    where: str | None = Field(
        default=None, description="Condition on the rows of the history and their attributes, as SQL."
    )
    gap: Delay = Field(default=NO_DELAY, description="How far after the row the window begins.")
    window: Ahead | None = Field(
        default=None, description="How long the window is, like 7d: one column with the name of the spec."
    )
    windows: Aheads | None = Field(
        default=None,
        min_length=1,
        description="Several windows, or the name of a list of base.yaml: one column each, like name_7d.",
    )
    columns: tuple[Name, ...] | None = Field(
        default=None, description="Of a sequence: the columns of the history that it holds of each row."
    )
    age: Name | None = Field(
        default=None,
        description="Of a sequence: the name of one field more, the time from the row of the history to the row, which "
        "is negative, in the unit of the spine's time, rounded down.",
    )
    layout: SequenceLayout | None = Field(
        default=None,
        description="Of a sequence: struct, one list of structs; or columns, a list for each column, like "
        "name_7d_column, which are aligned. struct where it is not written.",
    )
    q: Quantiles | None = Field(
        default=None,
        min_length=1,
        description="Of a quantile: above 0 and at most 1, or a list: one column each, like name_7d_p50 for 0.5.",
    )
    matures_after: Delay | None = Field(
        default=None,
        description="How long after its window a row may still become known; a view with a created_field needs it.",
    )
    immature: Immature = Field(
        default=WAIT,
        description="What becomes of a day whose data does not reach so far: wait, it is not built; null, it is, and "
        "the label is NULL in all of its rows, and what is derived from it.",
    )
    max_length: Count | None = Field(
        default=None,
        description="Most items of a list, the nearest to the row; a number or a name of base.yaml.",
    )
    order: Literal["oldest_first", "newest_first"] = Field(
        default="oldest_first", description="Order of the finished list; the oldest is the nearest to the row."
    )

    @model_validator(mode="before")
    @classmethod
    def _has_what_a_label_may_have(cls, entries: Any) -> Any:
        """What a window may have and a label may not is no misspelling of something else."""
        if isinstance(entries, dict):
            reasons: dict[str, list[str]] = {}
            for name, reason in _NOT_OF_LABELS.items():
                if name in entries:
                    reasons.setdefault(reason, []).append(f"'{name}'")
            if reasons:
                told = (f"no label has {', '.join(names)}: {reason}" for reason, names in reasons.items())
                raise ValueError("; ".join(told))
        return entries

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.window is None and self.windows is None:
            raise ValueError("a label needs a 'window' (one column) or 'windows' (one column each): how far it looks")
        if self.window is not None and self.windows is not None:
            raise ValueError("give either 'window' (one column) or 'windows' (one column each), and not both")
        if self.windows is not None and len({str(one) for one in self.windows}) != len(self.windows):
            raise ValueError("'windows' names a duration twice, which would make the same column twice")
        if any(output.window.nanoseconds is None for output in self.outputs):
            raise ValueError("a label has no unbounded window: it would never be known; write a duration like 28d")
        check_label_kind(self.kind)
        check_sequence(self.kind, self.column, self.columns, self.age, self.layout)
        check_parameters(self.kind, self.column, self.max_length, self.q)
        if self.q is not None and len(set(self.q)) != len(self.q):
            raise ValueError("'q' names a number twice, which would make the same column twice")
        if self.kind not in LIST_KINDS and "order" in self.model_fields_set:
            raise ValueError(f"'order' belongs to list kinds and not to '{self.kind}': remove it")
        return self

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What each result is."""
        return _outputs(self)

    @property
    def keys(self) -> tuple[str, ...]:
        """The key columns of its entity."""
        return tuple(entity.key for entity in self.entity)

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns of the history that are aggregated."""
        return self.columns or (() if self.column is None else (self.column,))


def _outputs(spec: AggregationSpec | LabelSpec) -> tuple[Output, ...]:
    windowed = [(f"{spec.name}_{window}", window) for window in spec.windows or ()]
    if spec.window is not None:
        windowed = [(spec.name, spec.window)]
    if spec.q is not None:
        return tuple(Output(f"{name}_{percentile(q)}", window, q=q) for name, window in windowed for q in spec.q)
    if spec.layout != "columns":
        return tuple(Output(name, window) for name, window in windowed)
    fields = (*(spec.columns or ()), *(() if spec.age is None else (spec.age,)))
    return tuple(Output(f"{name}_{field}", window, field) for name, window in windowed for field in fields)


class UdfSpec(Strict):
    """One column that a function of your own makes of other columns, row by row."""

    example: ClassVar[str] = "{name: bucket, function: 'package.module:function', columns: [amount], dtype: int64}"

    name: Name = Field(description="Name of the column, which the service declares with kind udf.")
    description: str = Field(default="", description="What it means, for readers.")
    function: ImportPath = Field(description="Import path, of what is installed or lies below the project root.")
    columns: tuple[Name, ...] = Field(
        min_length=1,
        description="Columns that it gets, one for each argument: of the spine, looked up, rolling, or of another udf.",
    )
    dtype: ReadType = Field(description="Type of the Arrow array that it returns.")
    version: Whole = Field(
        default=1,
        ge=1,
        description="Raise it when the function means something else and its own module did not change.",
    )


class EnrichmentSpec(Strict):
    """One embedding column: the vector of an id, or the mean vector of a list of ids."""

    example: ClassVar[str] = "{name: item_vector, kind: lookup, column: item_id, store: vectors}"

    name: Name = Field(description="Name of the column, which the service declares with kind embedding.")
    description: str = Field(default="", description="What it means, for readers.")
    kind: Literal["lookup", "avg_pool"] = Field(
        description="lookup: the vector of an id; avg_pool: the mean vector of a list of ids."
    )
    column: Name = Field(description="Column of the service with the id or the list of ids.")
    store: Name = Field(description="Name of an embedding store.")
    normalize: Literal["none", "l2"] = Field(
        default="none", description="l2 scales the result to length 1; a zero vector stays zero."
    )


class EmbeddingStore(Strict):
    """A Lance dataset of vectors by id, pinned to a version number or a tag."""

    example: ClassVar[str] = (
        "{name: vectors, path: vectors.lance, id_column: item_id, vector_column: vector, dimension: 64, version: 1}"
    )

    name: Name = Field(description="Name that enrichment_specs use.")
    path: PathText = Field(description="Lance dataset, relative to data_root.")
    id_column: str = Field(min_length=1, description="Column of the ids, integers or text.")
    vector_column: str = Field(min_length=1, description="Column of the vectors.")
    dimension: Count = Field(description="Length of the vectors; a number or a name of base.yaml.")
    version: Version = Field(
        description="Version number or tag; a store that changes does not change a training set by itself."
    )


class Aggregations(Strict):
    """The whole file."""

    aggregation_specs: tuple[AggregationSpec, ...] = Field(default=(), description="Rolling aggregates.")
    label_specs: tuple[LabelSpec, ...] = Field(default=(), description="Labels: aggregates of the rows after a row.")
    udf_specs: tuple[UdfSpec, ...] = Field(default=(), description="Columns that functions of your own make.")
    enrichment_specs: tuple[EnrichmentSpec, ...] = Field(default=(), description="Embedding columns.")
    embedding_stores: tuple[EmbeddingStore, ...] = Field(default=(), description="Where the vectors are.")

    def window_specs(self) -> Iterator[tuple[str, int, AggregationSpec | LabelSpec]]:
        """Section, place and spec of whatever aggregates a history."""
        for index, spec in enumerate(self.aggregation_specs):
            yield "aggregation_specs", index, spec
        for index, label in enumerate(self.label_specs):
            yield "label_specs", index, label

    def results(self) -> Iterator[tuple[str, int, str, tuple[str, ...]]]:
        """Section, place, name and columns of each entry that makes columns."""
        for index, spec in enumerate(self.aggregation_specs):
            yield "aggregation_specs", index, spec.name, tuple(output.name for output in spec.outputs)
        for index, label in enumerate(self.label_specs):
            yield "label_specs", index, label.name, tuple(output.name for output in label.outputs)
        for index, function in enumerate(self.udf_specs):
            yield "udf_specs", index, function.name, (function.name,)
        for index, enrichment in enumerate(self.enrichment_specs):
            yield "enrichment_specs", index, enrichment.name, (enrichment.name,)

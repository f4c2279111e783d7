"""config/training/aggregations.yaml: rolling aggregates, embedding columns and embedding stores."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from daeda.settings.kinds import Count, Name, Names, Span, Spans, Strict

AggregateKind = Literal[
    "count",
    "count_distinct",
    "sum",
    "mean",
    "min",
    "max",
    "std",
    "first",
    "last",
    "list",
    "last_distinct",
    "flatten_distinct",
    "top_k",
]
LIST_KINDS: frozenset[AggregateKind] = frozenset({"list", "last_distinct", "flatten_distinct", "top_k"})


class History(Strict):
    """The view whose rows are aggregated; attributes (`view:column`) are joined as of the history row's own time."""

    view: Name
    attributes: tuple[str, ...] = ()


class AggregationSpec(Strict):
    """One rolling aggregate over one history, for one window or for several."""

    name: Name
    description: str = ""
    entity: Names
    history: History
    column: Name | None = None
    kind: AggregateKind
    where: str | None = None
    window: Span | None = None
    windows: Spans | None = None
    max_length: Count | None = None
    order: Literal["newest_first", "oldest_first"] = "newest_first"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.window is None) == (self.windows is None):
            raise ValueError("give either 'window' (one column) or 'windows' (one column each), and not both")
        if self.windows is not None and len({str(one) for one in self.windows}) != len(self.windows):
            raise ValueError("'windows' names a duration twice, which would make the same column twice")
        if self.kind in LIST_KINDS and self.max_length is None:
            raise ValueError(f"kind '{self.kind}' needs a 'max_length': the newest that many items are kept")
        if self.kind not in LIST_KINDS and self.max_length is not None:
            raise ValueError(f"'max_length' belongs to list kinds and not to '{self.kind}': remove it")
        if self.kind not in LIST_KINDS and self.order != "newest_first":
            raise ValueError(f"'order' belongs to list kinds and not to '{self.kind}': remove it")
        if self.kind != "count" and self.column is None:
            raise ValueError(
                f"kind '{self.kind}' needs a 'column' of the history; only 'count' counts rows without one"
            )
        return self

    @property
    def outputs(self) -> tuple[tuple[str, Span], ...]:
        """Column name and window of each result."""
        if self.window is not None:
            return ((self.name, self.window),)
        return tuple((f"{self.name}_{window}", window) for window in self.windows or ())


class EnrichmentSpec(Strict):
    """One embedding column: the vector of an id, or the mean vector of a list of ids."""

    name: Name
    description: str = ""
    kind: Literal["lookup", "avg_pool"]
    column: Name
    store: Name
    normalize: Literal["none", "l2"] = "none"


class EmbeddingStore(Strict):
    """A Lance dataset of vectors by id, pinned to a version number or a tag."""

    name: Name
    path: str = Field(min_length=1)
    id_column: str = Field(min_length=1)
    vector_column: str = Field(min_length=1)
    dimension: Count
    version: int | str


class Aggregations(Strict):
    """The whole file."""

    aggregation_specs: tuple[AggregationSpec, ...] = ()
    enrichment_specs: tuple[EnrichmentSpec, ...] = ()
    embedding_stores: tuple[EmbeddingStore, ...] = ()

"""The result of the first step of the compiler: for every column of the contract, what makes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from daeda.catalog.project import Project
from daeda.catalog.service import ContractColumn
from daeda.catalog.view import FeatureView
from daeda.compiler.uses import Use
from daeda.dtypes import DType
from daeda.operators.temporal import Aggregate, Label
from daeda.settings.aggregations import AggregationSpec, EmbeddingStore, EnrichmentSpec, LabelSpec, UdfSpec
from daeda.settings.document import Mistakes


@dataclass
class Resolved:
    """What the contract needs: filled by the passes of `daeda.compiler.resolve`, read by `daeda.compiler.build`.

    `features` and `latest` hold, by view, what is looked up as of the row's time, and what is taken from the newest
    row. `uses` are columns that say themselves what they take. `key_views` holds, by view, the other views that its
    keys are features of: those are looked up before it.
    `udfs` stand in an order in which each reads what is there before it.
    """

    project: Project
    mistakes: Mistakes = field(default_factory=Mistakes)
    spine_columns: set[str] = field(default_factory=set)
    features: dict[str, list[str]] = field(default_factory=dict)
    latest: dict[str, list[str]] = field(default_factory=dict)
    uses: dict[str, Use] = field(default_factory=dict)
    key_views: dict[str, set[str]] = field(default_factory=dict)
    aggregations: dict[str, tuple[AggregationSpec, Aggregate]] = field(default_factory=dict)
    labels: dict[str, tuple[LabelSpec, Label]] = field(default_factory=dict)
    udfs: dict[str, UdfSpec] = field(default_factory=dict)
    enrichments: dict[str, tuple[EnrichmentSpec, EmbeddingStore]] = field(default_factory=dict)
    literals: dict[str, Any] = field(default_factory=dict)

    @property
    def spine(self) -> FeatureView:
        """The spine view."""
        return self.project.views[self.project.service.spine.view]

    @property
    def weight(self) -> str | None:
        """The column that the sample of the spine adds to its rows."""
        sample = self.project.service.spine.sample
        return None if sample is None else sample.weight

    @property
    def referenced_views(self) -> list[FeatureView]:
        """Views of feature_refs that exist, in the order of their first mention."""
        names = dict.fromkeys(ref.partition(":")[0] for ref in self.project.runtime.feature_refs)
        return [self.project.views[name] for name in names if name in self.project.views]

    @property
    def looked_up_views(self) -> list[FeatureView]:
        """The referenced views, and behind them those that columns refer to themselves."""
        names = dict.fromkeys(
            [*(view.name for view in self.referenced_views), *(use.view for use in self.uses.values())]
        )
        return [self.project.views[name] for name in names]

    def spine_time(self) -> str:
        """The timestamp column of the spine."""
        return self.spine.source.timestamp_field or ""


def expect_type(resolved: Resolved, where: str, column: ContractColumn, dtype: DType, maker: str) -> None:
    """Record a mistake unless what is made has the type of the contract."""
    if column.declared is not None and dtype != column.declared:
        resolved.mistakes.add(where, f"column '{column.name}' is declared {column.dtype}, and {maker} makes {dtype}")

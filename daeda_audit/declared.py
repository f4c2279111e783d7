"""What makes each column of the contract, read from the YAML alone: the compiler is not asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from daeda.catalog.project import Project
from daeda.catalog.service import ContractColumn
from daeda.catalog.view import FeatureView
from daeda.durations import Duration
from daeda.errors import ConfigurationError
from daeda.settings.aggregations import AggregationSpec, EmbeddingStore, EnrichmentSpec, LabelSpec, UdfSpec
from daeda.settings.availability import Available
from daeda_audit.expression.evaluate import read_expression
from daeda_audit.expression.syntax import Column, Node, columns_of


@dataclass(frozen=True)
class FromSpine:
    """A field of the spine row itself."""


@dataclass(frozen=True)
class Sight:
    """Which rows a look-up sees: how old they may be, those of its very time too, and when they can be used."""

    ttl: Duration | None
    exact: bool
    available: Available | None

    @staticmethod
    def of_view(view: FeatureView) -> Sight:
        """As the view says."""
        return Sight(view.ttl, view.allow_exact, view.source.available)

    @staticmethod
    def of_column(view: FeatureView, column: ContractColumn) -> Sight:
        """As the column says; what it does not write, as the view says."""
        written = column.model_fields_set
        ttl = column.ttl if "ttl" in written else view.ttl
        exact = bool(column.allow_exact) if "allow_exact" in written else view.allow_exact
        return Sight(ttl, exact, column.available if "available" in written else view.source.available)


@dataclass(frozen=True)
class FromView:
    """A `field` of another view: as of the row's time, or, where the view has no time, by its key alone.

    `latest` takes the newest row of the key, whatever its time, and so sees the future.
    """

    view: FeatureView
    field: str
    sight: Sight
    latest: bool = False


@dataclass(frozen=True)
class _OverWindow:
    """An aggregate over one window: which quantile, and which column of a sequence whose columns stand apart."""

    spec: AggregationSpec | LabelSpec
    window: Duration
    where: Node | None
    field: str | None = None
    q: Decimal | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """Of a sequence: what an item holds, in its order, the age last; names of columns but for the age."""
        every = (*(self.spec.columns or ()), *(() if self.spec.age is None else (self.spec.age,)))
        return every if self.field is None else (self.field,)


@dataclass(frozen=True)
class FromHistory(_OverWindow):
    """A rolling aggregate over one window."""

    spec: AggregationSpec


@dataclass(frozen=True)
class FromFuture(_OverWindow):
    """A label over one window after the row."""

    spec: LabelSpec


@dataclass(frozen=True)
class Derived:
    """An expression over other columns."""

    tree: Node


@dataclass(frozen=True)
class FromFunction:
    """A function of the user over other columns."""

    spec: UdfSpec


@dataclass(frozen=True)
class FromStore:
    """A vector of an embedding store."""

    spec: EnrichmentSpec
    store: EmbeddingStore


@dataclass(frozen=True)
class Literal:
    """Nobody makes it: a literal of output_columns."""


Maker = FromSpine | FromView | FromHistory | FromFuture | FromFunction | Derived | FromStore | Literal


@dataclass(frozen=True)
class Declared:
    """A column of the output: its contract, what makes it, and the default that replaces its NULLs."""

    contract: ContractColumn
    maker: Maker
    default: Any

    @property
    def name(self) -> str:
        """The column's name."""
        return self.contract.name


def declared_columns(project: Project) -> tuple[Declared, ...]:
    """The output columns in their order; raises ConfigurationError where the YAML names what does not exist."""
    contract = {column.name: column for column in project.service.columns}
    columns = []
    for listed in project.runtime.output_columns:
        if listed.name not in contract:
            raise ConfigurationError(
                f"output column '{listed.name}' is not a column of the service '{project.service.name}': "
                f"`daeda pipeline explain {project.service.name}` tells all such mistakes"
            )
        column = contract[listed.name]
        maker = _maker(project, column)
        default = listed.default if isinstance(maker, Literal) and column.default is None else column.default
        columns.append(Declared(column, maker, default))
    return tuple(columns)


def labels_among(project: Project, declared: Sequence[Declared]) -> set[str]:
    """The labels: those that look ahead, outcomes that say `label: true`, and what reads them.

    Where such an outcome is a field of the row, or a mere copy of one, the field is a label by every name.
    """
    outcomes = {column.name for column in declared if column.contract.label}
    of_the_row = {field.name for field in spine_view(project).fields}
    of_the_row -= {column.name for column in declared if not isinstance(column.maker, FromSpine | Derived)}
    derived = {column.name for column in declared if isinstance(column.maker, Derived)}
    for column in declared:
        if column.contract.label and isinstance(column.maker, Derived) and isinstance(column.maker.tree, Column):
            copied = column.maker.tree.name
            if copied in of_the_row and (copied == column.name or copied not in derived):
                outcomes.add(copied)
    return _and_their_readers(declared, _looking_ahead(project, declared) | outcomes)


def labels_ahead(project: Project, declared: Sequence[Declared]) -> set[str]:
    """Columns that tell what comes after the row: labels, those that only an expression reads, and what reads them."""
    return _and_their_readers(declared, _looking_ahead(project, declared))


def _looking_ahead(project: Project, declared: Sequence[Declared]) -> set[str]:
    labels = {column.name for column in declared if isinstance(column.maker, FromFuture)}
    read = set[str]().union(*(read_columns(one.maker) for one in declared if isinstance(one.maker, Derived)))
    unlisted = read - {column.name for column in declared}
    return labels | {name for name in unlisted if label_maker(project, name) is not None}


def _and_their_readers(declared: Sequence[Declared], labels: set[str]) -> set[str]:
    derived = [column for column in declared if isinstance(column.maker, Derived)]
    read = {column.name: set(read_columns(column.maker)) for column in derived}
    while more := {name for name, names in read.items() if names & labels} - labels:
        labels = labels | more
    return labels


def hand_edited(project: Project) -> Path | None:
    """The hand-edited pipeline file that takes the place of the compiled one, if there is one."""
    path = project.root / "config" / "pipelines" / f"{project.service.name}.yaml"
    return path if path.exists() else None


def spine_view(project: Project) -> FeatureView:
    """The view whose rows are the rows of the output."""
    return project.views[project.service.spine.view]


def used_views(project: Project) -> list[FeatureView]:
    """The views that the service reads, but for those that only cover ids."""
    names = [project.service.spine.view, *(ref.partition(":")[0] for ref in project.runtime.feature_refs)]
    names += [column.taken_from.partition(":")[0] for column in project.service.columns if column.taken_from]
    needed = {column.name for column in project.service.columns}
    # What a derived column or a function reads, the contract need not list.
    for column in project.service.columns:
        if column.expression is not None:
            needed.update(columns_of(read_expression(column.expression, f"the expression of '{column.name}'")))
    needed |= {name for spec in project.aggregations.udf_specs for name in spec.columns}
    for _, _, spec in project.aggregations.window_specs():
        if any(output.name in needed for output in spec.outputs):
            names += [spec.history.view, *(attribute.partition(":")[0] for attribute in spec.history.attributes)]
    return [project.views[name] for name in dict.fromkeys(names) if name in project.views]


def read_views(project: Project) -> list[FeatureView]:
    """The views that the service reads, those that only cover ids among them."""
    covering = [
        condition.covered_by.view for condition in project.service.spine.filters if condition.covered_by is not None
    ]
    views = {view.name: view for view in used_views(project)}
    views |= {name: project.views[name] for name in covering if name in project.views}
    return list(views.values())


def owner(project: Project, feature: str) -> FeatureView | None:
    """The view of feature_refs that has a feature."""
    for name in dict.fromkeys(ref.partition(":")[0] for ref in project.runtime.feature_refs):
        if name in project.views and feature in project.views[name].features:
            return project.views[name]
        # The time of the row that is looked up, where it is asked for by name.
        if name in project.views and f"{name}:{feature}" in project.runtime.feature_refs:
            source = project.views[name].source
            if feature in (source.timestamp_field, source.created_field):
                return project.views[name]
    return None


def read_where(spec: AggregationSpec | LabelSpec) -> Node | None:
    """The condition on the history of an aggregate."""
    return None if spec.where is None else read_expression(spec.where, f"where of '{spec.name}'")


def read_columns(maker: Maker) -> tuple[str, ...]:
    """Columns of the output row that a column is computed from."""
    match maker:
        case Derived():
            return columns_of(maker.tree)
        case FromFunction():
            return maker.spec.columns
        case FromStore():
            return (maker.spec.column,)
        case _:
            return ()


def _maker(project: Project, column: ContractColumn) -> Maker:
    match column.kind:
        case "key" | "timestamp" | "spine":
            return FromSpine()
        case "static" | "point_in_time":
            field = column.name
            view = owner(project, field)
            if column.taken_from is not None:
                name, _, field = column.taken_from.partition(":")
                view = project.views.get(name)
            return Literal() if view is None else FromView(view, field, Sight.of_column(view, column), column.latest)
        case "rolling":
            return rolling_maker(project, column.name) or Literal()
        case "label":
            return label_maker(project, column.name) or Literal()
        case "udf":
            return function_maker(project, column.name) or Literal()
        case "derived":
            text = column.expression or ""
            return Derived(read_expression(text, f"the expression of '{column.name}'", column.timezone))
        case "embedding":
            return _embedding(project, column.name)


def rolling_maker(project: Project, name: str) -> FromHistory | None:
    """The aggregate that makes a column, None where there is none."""
    for spec in project.aggregations.aggregation_specs:
        for output in spec.outputs:
            if output.name == name:
                return FromHistory(spec, output.window, read_where(spec), output.field, output.q)
    return None


def label_maker(project: Project, name: str) -> FromFuture | None:
    """The label of that name, None where there is none."""
    for spec in project.aggregations.label_specs:
        for output in spec.outputs:
            if output.name == name:
                return FromFuture(spec, output.window, read_where(spec), output.field, output.q)
    return None


def function_maker(project: Project, name: str) -> FromFunction | None:
    """The function that makes a column, None where there is none."""
    return next((FromFunction(spec) for spec in project.aggregations.udf_specs if spec.name == name), None)


def _embedding(project: Project, name: str) -> Maker:
    stores = {store.name: store for store in project.aggregations.embedding_stores}
    for spec in project.aggregations.enrichment_specs:
        if spec.name == name and spec.store in stores:
            return FromStore(spec, stores[spec.store])
    return Literal()

"""First half of the compiler: find, for every column of the contract, what makes it.

All mistakes are recorded with their line; nothing is built here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from daeda.catalog.project import Project
from daeda.catalog.service import ContractColumn
from daeda.catalog.view import FeatureView
from daeda.dtypes import DType
from daeda.errors import ConfigError, did_you_mean
from daeda.operators.relation import Column, Relation
from daeda.operators.temporal import Aggregate
from daeda.settings.aggregations import AggregationSpec, EmbeddingStore, EnrichmentSpec, UdfSpec
from daeda.settings.document import Mistakes
from daeda.sql.expression import columns_of, parse_expression
from daeda.sql.literal import literal


@dataclass
class Resolved:
    """What the contract needs: filled by the functions of this module, read by `daeda.compiler.build`.

    `features` and `latest` hold, by view, what is looked up as of the row's time, and what is taken from the newest
    row. `key_views` holds, by view, the other views that its keys are features of: those are looked up before it.
    `udfs` stand in an order in which each reads what is there before it.
    """

    project: Project
    mistakes: Mistakes = field(default_factory=Mistakes)
    spine_columns: set[str] = field(default_factory=set)
    features: dict[str, list[str]] = field(default_factory=dict)
    latest: dict[str, list[str]] = field(default_factory=dict)
    key_views: dict[str, set[str]] = field(default_factory=dict)
    aggregations: dict[str, tuple[AggregationSpec, Aggregate]] = field(default_factory=dict)
    udfs: dict[str, UdfSpec] = field(default_factory=dict)
    enrichments: dict[str, tuple[EnrichmentSpec, EmbeddingStore]] = field(default_factory=dict)
    literals: dict[str, Any] = field(default_factory=dict)

    @property
    def spine(self) -> FeatureView:
        """The spine view."""
        return self.project.views[self.project.service.spine.view]

    @property
    def referenced_views(self) -> list[str]:
        """Views of feature_refs, in the order of their first mention."""
        return list(dict.fromkeys(ref.partition(":")[0] for ref in self.project.runtime.feature_refs))

    def spine_time(self) -> str:
        """The timestamp column of the spine."""
        return self.spine.source.timestamp_field or ""


def check_spine(found: Resolved) -> None:
    """The spine view exists, has a timestamp, and holds the grain."""
    project, service = found.project, found.project.service
    if service.spine.view not in project.views:
        found.mistakes.add(
            project.where("service", ("spine", "view")),
            f"no feature view '{service.spine.view}': {did_you_mean(service.spine.view, project.views)}",
        )
        found.mistakes.raise_if_any()
    if found.spine.source.timestamp_field is None:
        found.mistakes.add(
            project.where("service", ("spine", "view")),
            f"the view '{found.spine.name}' has no source.timestamp_field, and a spine needs one",
        )
        found.mistakes.raise_if_any()
    names = [one.name for one in found.spine.fields]
    for index, name in enumerate(service.grain):
        if name not in names:
            found.mistakes.add(
                project.where("service", ("grain", index)),
                f"grain '{name}' is not a field of the spine view '{found.spine.name}': {did_you_mean(name, names)}",
            )
    found.spine_columns.update({found.spine_time(), *service.grain} & set(names))


def check_output_columns(found: Resolved) -> None:
    """output_columns is an ordering of exactly the contract's columns, and defaults agree."""
    project = found.project
    contract = {column.name: column for column in project.service.columns}
    listed = {column.name for column in project.runtime.output_columns}
    for index, column in enumerate(project.runtime.output_columns):
        where = project.where("runtime", ("output_columns", index))
        if column.name not in contract:
            found.mistakes.add(
                where,
                f"output column '{column.name}' is not a column of the service "
                f"'{project.service.name}': {did_you_mean(column.name, contract)}",
            )
            continue
        declared = contract[column.name]
        if "default" not in column.model_fields_set:
            continue
        _check_literal(found, where, column.default, declared)
        if column.default is not None and declared.default is not None and column.default != declared.default:
            found.mistakes.add(
                where,
                f"the default of '{column.name}' is {column.default!r} here and "
                f"{declared.default!r} in the service: keep one",
            )
        found.literals[column.name] = column.default
    for index, contracted in enumerate(project.service.columns):
        where = project.where("service", ("columns", index))
        if contracted.name not in listed:
            found.mistakes.add(
                where, f"column '{contracted.name}' is not in output_columns of runtime.yaml: add it there"
            )
        _check_literal(found, where, contracted.default, contracted)


def resolve_columns(found: Resolved) -> None:
    """Each contract column gets its maker, by its kind."""
    for index, column in enumerate(found.project.service.columns):
        where = found.project.where("service", ("columns", index))
        match column.kind:
            case "key" | "timestamp" | "spine":
                _resolve_spine(found, column, where)
            case "static" | "point_in_time":
                _resolve_feature(found, column, where)
            case "rolling":
                _resolve_rolling(found, column, where)
            case "udf":
                _resolve_udf(found, column, where)
            case "embedding":
                _resolve_embedding(found, column, where)
            case "derived":
                pass  # reads other columns: resolved when all of them are known


def resolve_derived(found: Resolved) -> None:
    """Columns that a derived expression reads are made even where the contract does not list them."""
    contract = {column.name for column in found.project.service.columns if column.kind != "derived"}
    for index, column in enumerate(found.project.service.columns):
        if column.expression is None:
            continue
        where = found.project.where("service", ("columns", index, "expression"))
        try:
            read = columns_of(parse_expression(column.expression, f"the expression of '{column.name}'"))
        except ConfigError as error:
            found.mistakes.add(where, str(error))
            continue
        for name in read:
            if name in contract:
                continue
            if name in {one.name for one in found.spine.fields}:
                found.spine_columns.add(name)
            elif not (_take_feature(found, name) or _take_aggregate(found, name) or _take_udf(found, name)):
                known = [*contract, *_known_columns(found)]
                found.mistakes.add(
                    where,
                    f"the expression of '{column.name}' reads '{name}', which nobody makes: "
                    f"{did_you_mean(name, known)}",
                )


def check_references(found: Resolved) -> None:
    """Every entry of feature_refs names a feature that exists and that something uses."""
    project = found.project
    for index, ref in enumerate(project.runtime.feature_refs):
        where = project.where("runtime", ("feature_refs", index))
        view_name, colon, feature = ref.partition(":")
        if not colon:
            found.mistakes.add(where, f"'{ref}' is not a reference: write view:feature")
        elif view_name not in project.views:
            found.mistakes.add(where, f"no feature view '{view_name}': {did_you_mean(view_name, project.views)}")
        elif feature not in project.views[view_name].features:
            found.mistakes.add(
                where,
                f"the view '{view_name}' has no feature '{feature}': "
                f"{did_you_mean(feature, project.views[view_name].features)}",
            )
        elif feature not in (*found.features.get(view_name, []), *found.latest.get(view_name, [])):
            found.mistakes.add(where, f"nothing uses '{ref}': remove it, or add a column '{feature}' to the service")


def _check_literal(found: Resolved, where: str, value: Any, column: ContractColumn) -> None:
    try:
        literal(value, column.dtype)
    except ValueError as error:
        found.mistakes.add(where, f"the default of '{column.name}': {error}")


def _expect_type(found: Resolved, where: str, column: ContractColumn, made: DType, maker: str) -> None:
    if made != column.dtype:
        found.mistakes.add(where, f"column '{column.name}' is declared {column.dtype}, and {maker} makes {made}")


def _resolve_spine(found: Resolved, column: ContractColumn, where: str) -> None:
    names = [one.name for one in found.spine.fields]
    if column.name not in names:
        found.mistakes.add(
            where,
            f"column '{column.name}' (kind {column.kind}) is not a field of the spine view "
            f"'{found.spine.name}': {did_you_mean(column.name, names)}",
        )
        return
    found.spine_columns.add(column.name)
    _expect_type(found, where, column, found.spine.dtype(column.name), f"the view '{found.spine.name}'")


def _known_features(found: Resolved) -> list[str]:
    views = found.project.views
    return [feature for name in found.referenced_views if name in views for feature in views[name].features]


def _owners(found: Resolved, feature: str) -> list[FeatureView]:
    views = found.project.views
    return [views[name] for name in found.referenced_views if name in views and feature in views[name].features]


def _take_feature(found: Resolved, feature: str, *, latest: bool = False) -> FeatureView | None:
    """The one view that a feature is looked up in; the keys that this needs are taken along."""
    owners = _owners(found, feature)
    if len(owners) != 1:
        return None
    view = owners[0]
    taken = (found.latest if latest else found.features).setdefault(view.name, [])
    if feature in taken:
        return view
    # Before its keys, which another view may own: views that are keys of each other end here.
    taken.append(feature)
    for key in view.keys:
        where = found.project.where(f"view:{view.name}", ("entity",))
        owner = _check_entity_key(found, key, {one.name: one.dtype for one in view.fields}, (view.name, where))
        if owner is not None:
            found.key_views.setdefault(view.name, set()).add(owner.name)
    return view


def _resolve_feature(found: Resolved, column: ContractColumn, where: str) -> None:
    owners = _owners(found, column.name)
    if len(owners) > 1:
        both = " and ".join(f"'{view.name}'" for view in owners)
        found.mistakes.add(where, f"column '{column.name}' is a feature of {both}: rename one with field_mapping")
        return
    if not owners:
        elsewhere = [view.name for view in found.project.views.values() if column.name in view.features]
        hint = (
            f"add '{elsewhere[0]}:{column.name}' to feature_refs"
            if elsewhere
            else did_you_mean(column.name, _known_features(found))
        )
        if column.name not in found.literals:
            found.mistakes.add(
                where, f"column '{column.name}' (kind {column.kind}) is made by no referenced view: {hint}"
            )
        return
    view = _take_feature(found, column.name, latest=column.latest)
    if view is None:
        return
    if column.latest and view.source.timestamp_field is None:
        found.mistakes.add(
            where,
            f"column '{column.name}' is declared latest, and the view '{view.name}' has no timestamp: it has one row "
            "per key, so remove 'latest'",
        )
    wanted = "static" if column.latest or view.source.timestamp_field is None else "point_in_time"
    if wanted != column.kind:
        found.mistakes.add(
            where,
            f"column '{column.name}' is declared {column.kind}, and the view '{view.name}' "
            f"{'has no timestamp' if wanted == 'static' else 'changes over time'}: its kind is {wanted}",
        )
    _expect_type(found, where, column, view.dtype(column.name), f"the view '{view.name}'")


def _known_aggregates(found: Resolved) -> list[str]:
    return [name for spec in found.project.aggregations.aggregation_specs for name, _ in spec.outputs]


def _take_aggregate(found: Resolved, wanted: str) -> tuple[AggregationSpec, DType | None] | None:
    """The spec that makes a column, and the type that it makes (None when it cannot, which is recorded)."""
    for spec in found.project.aggregations.aggregation_specs:
        for name, window in spec.outputs:
            if name == wanted:
                aggregate = Aggregate(
                    name=name,
                    kind=spec.kind,
                    column=spec.column,
                    window=window,
                    max_length=spec.max_length,
                    order=spec.order,
                )
                found.aggregations[name] = (spec, aggregate)
                return spec, _made_by(found, spec, aggregate)
    return None


def _made_by(found: Resolved, spec: AggregationSpec, aggregate: Aggregate) -> DType | None:
    index = found.project.aggregations.aggregation_specs.index(spec)
    place = found.project.where("aggregations", ("aggregation_specs", index))
    relation = history_relation(found, spec, place)
    if relation is None:
        return None
    try:
        return aggregate.output(relation).dtype
    except ConfigError as error:
        found.mistakes.add(place, str(error))
        return None


def _resolve_rolling(found: Resolved, column: ContractColumn, where: str) -> None:
    taken = _take_aggregate(found, column.name)
    if taken is None:
        if column.name not in found.literals:
            found.mistakes.add(
                where,
                f"column '{column.name}' (kind rolling) is made by no aggregation_spec: "
                f"{did_you_mean(column.name, _known_aggregates(found))}",
            )
        return
    spec, dtype = taken
    if dtype is not None:
        _expect_type(found, where, column, dtype, f"the aggregation '{spec.name}'")


def _known_columns(found: Resolved) -> list[str]:
    """What expressions and functions can read, whether the contract has it or not."""
    known = [*(one.name for one in found.spine.fields), *_known_features(found), *_known_aggregates(found)]
    return [*known, *(spec.name for spec in found.project.aggregations.udf_specs)]


def _resolve_udf(found: Resolved, column: ContractColumn, where: str) -> None:
    spec = _take_udf(found, column.name)
    if spec is not None:
        _expect_type(found, where, column, spec.dtype, f"the function of '{spec.name}'")
    elif column.name not in found.literals:
        known = [one.name for one in found.project.aggregations.udf_specs]
        found.mistakes.add(
            where, f"column '{column.name}' (kind udf) is made by no udf_spec: {did_you_mean(column.name, known)}"
        )


def _take_udf(found: Resolved, name: str, path: tuple[str, ...] = ()) -> UdfSpec | None:
    """The spec that makes a column with a function, after what its function reads."""
    specs = found.project.aggregations.udf_specs
    index = next((index for index, spec in enumerate(specs) if spec.name == name), None)
    if index is None:
        return None
    where = found.project.where("aggregations", ("udf_specs", index))
    if name in path:
        circle = " -> ".join((*path[path.index(name) :], name))
        found.mistakes.add(where, f"the functions {circle} read each other's columns, so none can be called first")
    elif name not in found.udfs:
        for one in dict.fromkeys(specs[index].columns):
            _take_argument(found, one, (*path, name), where)
        found.udfs[name] = specs[index]
    return specs[index]


def _take_argument(found: Resolved, name: str, path: tuple[str, ...], where: str) -> None:
    """Make a column that a function reads, the last of `path`."""
    contract = {column.name: column for column in found.project.service.columns}
    reads = f"the function of '{path[-1]}' reads '{name}'"
    if name in contract and contract[name].kind == "derived":
        found.mistakes.add(where, f"{reads}, a derived column, and those come last: derive it in the function")
    elif name in contract and contract[name].kind == "embedding":
        found.mistakes.add(where, f"{reads}, a vector, which only the enrichment fills: read the ids")
    elif name in {one.name for one in found.spine.fields}:
        found.spine_columns.add(name)
    elif not (
        _take_feature(found, name, latest=_is_latest(found, name))
        or _take_aggregate(found, name)
        or _take_udf(found, name, path)
    ):
        found.mistakes.add(where, f"{reads}, which nobody makes: {did_you_mean(name, _known_columns(found))}")


def history_relation(found: Resolved, spec: AggregationSpec, where: str) -> Relation | None:
    """Columns that an aggregation can read: the view's fields and the joined attributes."""
    views = found.project.views
    if spec.history.view not in views:
        found.mistakes.add(where, f"no feature view '{spec.history.view}': {did_you_mean(spec.history.view, views)}")
        return None
    view = views[spec.history.view]
    columns = [Column(one.name, one.dtype) for one in view.fields]
    if view.source.timestamp_field is None:
        found.mistakes.add(where, f"the view '{view.name}' has no source.timestamp_field, and a history needs one")
        return None
    for attribute in spec.history.attributes:
        other, _, name = attribute.partition(":")
        if other not in views or name not in views[other].features:
            known = [f"{one.name}:{feature}" for one in views.values() for feature in one.features]
            found.mistakes.add(where, f"no attribute '{attribute}': {did_you_mean(attribute, known)}")
            return None
        names = [one.name for one in columns]
        for key in views[other].keys:
            if key not in names:
                found.mistakes.add(
                    where,
                    f"the attribute '{attribute}' is looked up by '{key}', which the history '{view.name}' does not "
                    f"have: {did_you_mean(key, names)}",
                )
                return None
        if name in names:
            found.mistakes.add(
                where, f"the attribute '{attribute}' has the name of a column of the history: rename it in its view"
            )
            return None
        columns.append(Column(name, views[other].dtype(name)))
    for entity in spec.entity:
        _check_entity_key(found, f"{entity}_id", {one.name: one.dtype for one in columns}, (view.name, where))
    return Relation(tuple(columns))


def _check_entity_key(
    found: Resolved, key: str, right: Mapping[str, DType], place: tuple[str, str]
) -> FeatureView | None:
    """Record what is wrong with a key; returns the view that it is looked up in when the spine does not have it.

    `right` are the columns of the relation that is looked up or aggregated, `place` the view's name and where the key
    is declared.
    """
    name, where = place
    names = [one.name for one in found.spine.fields]
    owners = [] if key in names else _owners(found, key)
    if len(owners) > 1:
        both = " and ".join(f"'{view.name}'" for view in owners)
        found.mistakes.add(where, f"the entity key '{key}' is a feature of {both}: rename one with field_mapping")
        return None
    left = owners[0] if owners else found.spine
    for known, side in ((tuple(one.name for one in left.fields), left.name), (tuple(right), name)):
        if key not in known:
            found.mistakes.add(
                where, f"the entity key '{key}' is not a field of the view '{side}': {did_you_mean(key, known)}"
            )
            return None
    if left.dtype(key) != right[key]:
        found.mistakes.add(
            where,
            f"the entity key '{key}' is {left.dtype(key)} in '{left.name}' and {right[key]} in '{name}': "
            "declare the same type",
        )
    if not owners:
        found.spine_columns.add(key)
        return None
    _take_feature(found, key, latest=_is_latest(found, key))
    return left


def _is_latest(found: Resolved, feature: str) -> bool:
    """Whether the contract takes the feature from the newest row."""
    return any(column.name == feature and column.latest for column in found.project.service.columns)


def check_lookups(found: Resolved) -> None:
    """No views whose keys are features of each other."""
    try:
        lookup_order(found)
    except ConfigError as error:
        found.mistakes.add(found.project.where("runtime", ("feature_refs",)), str(error))


def lookup_order(found: Resolved) -> tuple[str, ...]:
    """The referenced views as feature_refs mentions them, each behind the views that its keys are features of.

    Raises ConfigError with the circle when there is one.
    """
    done: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join((*path[path.index(name) :], name))
            raise ConfigError(
                f"the views {circle} need features of each other as keys, so none can be looked up first: give the "
                "spine one of these keys"
            )
        if name not in done:
            for before in sorted(found.key_views.get(name, ())):
                visit(before, (*path, name))
            done.append(name)

    for name in found.referenced_views:
        visit(name, ())
    return tuple(done)


def _resolve_embedding(found: Resolved, column: ContractColumn, where: str) -> None:
    specs = {spec.name: spec for spec in found.project.aggregations.enrichment_specs}
    stores = {store.name: store for store in found.project.aggregations.embedding_stores}
    if column.name not in specs:
        if column.name not in found.literals:
            found.mistakes.add(
                where,
                f"column '{column.name}' (kind embedding) is made by no enrichment_spec: "
                f"{did_you_mean(column.name, specs)}",
            )
        return
    spec = specs[column.name]
    index = found.project.aggregations.enrichment_specs.index(spec)
    place = found.project.where("aggregations", ("enrichment_specs", index))
    if spec.store not in stores:
        found.mistakes.add(place, f"no embedding store '{spec.store}': {did_you_mean(spec.store, stores)}")
        return
    contract = {one.name: one for one in found.project.service.columns}
    if spec.column not in contract:
        found.mistakes.add(
            place,
            f"'{spec.name}' reads the column '{spec.column}', which the service does not have: "
            f"{did_you_mean(spec.column, contract)}",
        )
        return
    found.enrichments[column.name] = (spec, stores[spec.store])

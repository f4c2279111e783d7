"""Columns that are looked up in other views, the views that their keys come from, and the order of the look-ups."""

from __future__ import annotations

from collections.abc import Mapping

from daeda.catalog.service import ContractColumn
from daeda.catalog.view import FeatureView
from daeda.compiler.resolved import Resolved, expect_type
from daeda.dtypes import DType
from daeda.errors import ConfigError, did_you_mean


def known_features(resolved: Resolved) -> list[str]:
    """The features of all views that feature_refs names."""
    return [
        feature
        for view in resolved.referenced_views
        for feature in (*view.features, *view.times)
        if is_feature(resolved, view, feature)
    ]


def is_feature(resolved: Resolved, view: FeatureView, name: str) -> bool:
    """Whether a field of a referenced view is a feature: one of its times is, where feature_refs name it."""
    named = f"{view.name}:{name}" in resolved.project.runtime.feature_refs
    return name in view.features or (name in view.times and named)


def owners_of(resolved: Resolved, feature: str) -> list[FeatureView]:
    """The views of feature_refs that have a feature."""
    return [view for view in resolved.referenced_views if is_feature(resolved, view, feature)]


def take_feature(resolved: Resolved, feature: str, *, latest: bool = False) -> FeatureView | None:
    """The one view that a feature is looked up in; the keys that this needs are taken along."""
    owners = owners_of(resolved, feature)
    if len(owners) != 1:
        return None
    view = owners[0]
    features = (resolved.latest if latest else resolved.features).setdefault(view.name, [])
    if feature in features:
        return view
    # Before its keys, which another view may own: views that are keys of each other end here.
    features.append(feature)
    for key in view.keys:
        where = resolved.project.where(f"view:{view.name}", ("entity",))
        owner = check_entity_key(resolved, key, {field.name: field.dtype for field in view.fields}, (view.name, where))
        if owner is not None:
            resolved.key_views.setdefault(view.name, set()).add(owner.name)
    return view


def resolve_feature(resolved: Resolved, column: ContractColumn, where: str) -> None:
    """A column of kind static or point_in_time: a feature of one referenced view, of its type."""
    owners = owners_of(resolved, column.name)
    if len(owners) > 1:
        both = " and ".join(f"'{view.name}'" for view in owners)
        resolved.mistakes.add(where, f"column '{column.name}' is a feature of {both}: rename one with field_mapping")
        return
    if not owners:
        elsewhere = [
            view.name for view in resolved.project.views.values() if column.name in (*view.features, *view.times)
        ]
        hint = did_you_mean(column.name, known_features(resolved))
        if elsewhere:
            hint = f"add '{elsewhere[0]}:{column.name}' to feature_refs"
        if column.name not in resolved.literals:
            resolved.mistakes.add(
                where, f"column '{column.name}' (kind {column.kind}) is made by no referenced view: {hint}"
            )
        return
    view = take_feature(resolved, column.name, latest=column.latest)
    if view is None:
        return
    if column.latest and view.source.timestamp_field is None:
        resolved.mistakes.add(
            where,
            f"column '{column.name}' is declared latest, and the view '{view.name}' has no timestamp: it has one row "
            "per key, so remove 'latest'",
        )
    wanted = "static" if column.latest or view.source.timestamp_field is None else "point_in_time"
    if wanted != column.kind:
        resolved.mistakes.add(
            where,
            f"column '{column.name}' is declared {column.kind}, and the view '{view.name}' "
            f"{'has no timestamp' if wanted == 'static' else 'changes over time'}: its kind is {wanted}",
        )
    expect_type(resolved, where, column, view.dtype(column.name), f"the view '{view.name}'")


def check_entity_key(
    resolved: Resolved, key: str, right: Mapping[str, DType], named: tuple[str, str]
) -> FeatureView | None:
    """Record what is wrong with a key; returns the view that it is looked up in when the spine does not have it.

    `right` are the columns of the relation that is looked up or aggregated, `named` the view's name and where the key
    is declared.
    """
    name, where = named
    names = [field.name for field in resolved.spine.fields]
    owners = [] if key in names else owners_of(resolved, key)
    if len(owners) > 1:
        both = " and ".join(f"'{view.name}'" for view in owners)
        resolved.mistakes.add(where, f"the entity key '{key}' is a feature of {both}: rename one with field_mapping")
        return None
    left = owners[0] if owners else resolved.spine
    for known, side in ((tuple(field.name for field in left.fields), left.name), (tuple(right), name)):
        if key not in known:
            resolved.mistakes.add(
                where, f"the entity key '{key}' is not a field of the view '{side}': {did_you_mean(key, known)}"
            )
            return None
    if left.dtype(key) != right[key]:
        resolved.mistakes.add(
            where,
            f"the entity key '{key}' is {left.dtype(key)} in '{left.name}' and {right[key]} in '{name}': "
            "declare the same type",
        )
    if not owners:
        resolved.spine_columns.add(key)
        return None
    take_feature(resolved, key, latest=is_latest(resolved, key))
    return left


def is_latest(resolved: Resolved, feature: str) -> bool:
    """Whether the contract takes the feature from the newest row."""
    return any(column.name == feature and column.latest for column in resolved.project.service.columns)


def check_lookups(resolved: Resolved) -> None:
    """No views whose keys are features of each other."""
    resolved.mistakes.check(resolved.project.where("runtime", ("feature_refs",)), lookup_order, resolved)


def lookup_order(resolved: Resolved) -> tuple[str, ...]:
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
            for before in sorted(resolved.key_views.get(name, ())):
                visit(before, (*path, name))
            done.append(name)

    for view in resolved.referenced_views:
        visit(view.name, ())
    return tuple(done)

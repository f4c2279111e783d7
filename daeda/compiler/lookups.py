"""Columns that are looked up in other views, the views that their keys come from, and the order of the look-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from daeda.catalog.service import ContractColumn
from daeda.catalog.view import FeatureView
from daeda.compiler.resolved import Resolved, expect_type
from daeda.compiler.uses import Use, rules_of
from daeda.dtypes import DType
from daeda.errors import ConfigurationError, closest, did_you_mean


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


def take_feature(resolved: Resolved, feature: str, *, latest: bool = False, as_key: bool = False) -> FeatureView | None:
    """The one view that a feature is looked up in; the keys that this needs are taken along.

    A key is taken from the column that bears its name, but never from one that takes another field by it.
    """
    column = next((one for one in resolved.project.service.columns if one.name == feature and one.own_use), None)
    if column is not None and not (as_key and column.taken_from is not None):
        return _take_use(resolved, column)
    owners = owners_of(resolved, feature)
    if len(owners) != 1:
        return None
    view = owners[0]
    features = (resolved.latest if latest else resolved.features).setdefault(view.name, [])
    if feature in features:
        return view
    # Before its keys, which another view may own: views that are keys of each other end here.
    features.append(feature)
    _take_keys(resolved, view)
    return view


def _take_keys(resolved: Resolved, view: FeatureView) -> None:
    for key in view.keys:
        where = resolved.project.where(f"view:{view.name}", ("entity",))
        owner = check_entity_key(resolved, key, {field.name: field.dtype for field in view.fields}, (view.name, where))
        if owner is not None:
            resolved.key_views.setdefault(view.name, set()).add(owner.name)


def _take_use(resolved: Resolved, column: ContractColumn) -> FeatureView | None:
    """The view of a column that says itself what it takes, or how."""
    if column.name in resolved.uses:
        return resolved.project.views[resolved.uses[column.name].view]
    name, _, field = (column.taken_from or f":{column.name}").partition(":")
    owners = [resolved.project.views[name]] if name in resolved.project.views else owners_of(resolved, column.name)
    if len(owners) != 1 or field not in (*owners[0].features, *owners[0].times):
        return None
    resolved.uses[column.name] = Use(owners[0].name, field, rules_of(owners[0], column))
    _take_keys(resolved, owners[0])
    return owners[0]


def _resolve_from(resolved: Resolved, column: ContractColumn, where: str) -> None:
    """A column that names the view and the field that it takes."""
    views, spine = resolved.project.views, resolved.spine
    name, colon, field = (column.taken_from or "").partition(":")
    taken = f"column '{column.name}' takes '{column.taken_from}'"
    if not colon:
        resolved.mistakes.add(where, f"{taken}, which is not a reference: write from: view:field")
    elif name not in views:
        resolved.mistakes.add(where, f"{taken}, and there is no feature view '{name}': {did_you_mean(name, views)}")
    elif field in views[name].keys:
        resolved.mistakes.add(
            where,
            f"{taken}, which is a key that its rows are found by: the row has that value already, so take another "
            "field of the view",
        )
    elif field not in (known := (*views[name].features, *views[name].times)):
        resolved.mistakes.add(where, f"{taken}, and that view has no such field: {did_you_mean(field, known)}")
    elif column.name in {own.name for own in spine.fields}:
        resolved.mistakes.add(
            where, f"{taken} and has the name of a field of the spine view '{spine.name}': give it another one"
        )
    elif column.name != field and column.name in (*views[name].keys, *views[name].times):
        resolved.mistakes.add(where, f"{taken} and has the name of another field of that view: give it another one")
    elif views[name].source.timestamp_field is None:
        resolved.mistakes.add(
            where, f"{taken} as of its time, and that view has no timestamp: its kind is static, without 'from'"
        )
    else:
        _take_use(resolved, column)
        expect_type(resolved, where, column, views[name].dtype(field), f"the view '{name}'")


def check_uses(resolved: Resolved) -> None:
    """No column that takes its value by `from` bears the name of what is needed beside it."""
    for index, column in enumerate(resolved.project.service.columns):
        needed = {name for views in (resolved.features, resolved.latest) for names in views.values() for name in names}
        if column.taken_from is not None and column.name in needed:
            resolved.mistakes.add(
                resolved.project.where("service", ("columns", index)),
                f"column '{column.name}' takes '{column.taken_from}', and a key or an expression needs the feature "
                f"'{column.name}' of another view: give the column another name",
            )


def resolve_feature(resolved: Resolved, column: ContractColumn, where: str) -> None:
    """A column of kind static or point_in_time: a feature of one referenced view, of its type."""
    if column.taken_from is not None:
        _resolve_from(resolved, column, where)
        return
    owners = owners_of(resolved, column.name)
    if len(owners) > 1:
        both = " and ".join(f"'{view.name}'" for view in owners)
        resolved.mistakes.add(where, f"column '{column.name}' is a feature of {both}: rename one with field_mapping")
        return
    if not owners:
        elsewhere = [
            view.name for view in resolved.project.views.values() if column.name in (*view.features, *view.times)
        ]
        known = known_features(resolved)
        if resolved.project.refs_left_out:
            known = [feature for view in resolved.project.views.values() for feature in view.features]
        hint = did_you_mean(column.name, known)
        if elsewhere and not resolved.project.refs_left_out:
            hint = f"add '{elsewhere[0]}:{column.name}' to feature_refs"
        if column.name not in resolved.literals and not _is_meant_by_a_reference(resolved, column.name):
            resolved.mistakes.add(
                where,
                f"column '{column.name}' (kind {column.kind}) is made by no "
                f"{'view' if resolved.project.refs_left_out else 'referenced view'}: {hint}",
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


def _is_meant_by_a_reference(resolved: Resolved, name: str) -> bool:
    """Whether an entry of feature_refs that leads nowhere, which is told, most likely means the feature."""
    views = resolved.project.views
    for reference in resolved.project.runtime.feature_refs:
        view, _, feature = reference.partition(":")
        leads = view in views and feature in (*views[view].features, *views[view].times)
        if not leads and closest(feature, [name]) is not None:
            return True
    return False


def _written_out(key: str, known: Sequence[str]) -> str:
    """How an entity is written whose column has its own name, as `dest` where `dest_id` is looked for; else empty.

    >>> _written_out("dest_id", ["dest", "carrier"])
    "; for the column 'dest' write entity: {dest: dest}, where 'dest' stands for dest_id"
    """
    name = key.removesuffix("_id")
    if name == key or name not in known:
        return ""
    return f"; for the column '{name}' write entity: {{{name}: {name}}}, where '{name}' stands for {key}"


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
                where,
                f"the entity key '{key}' is not a field of the view '{side}': {did_you_mean(key, known)}"
                f"{_written_out(key, known)}",
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
    take_feature(resolved, key, latest=is_latest(resolved, key), as_key=True)
    return left


def is_latest(resolved: Resolved, feature: str) -> bool:
    """Whether the contract takes the feature from the newest row."""
    return any(column.name == feature and column.latest for column in resolved.project.service.columns)


def check_lookups(resolved: Resolved) -> None:
    """No views whose keys are features of each other."""
    resolved.mistakes.check(resolved.project.where("runtime", ("feature_refs",)), lookup_order, resolved)


def lookup_order(resolved: Resolved) -> tuple[str, ...]:
    """The referenced views as feature_refs mentions them, each behind the views that its keys are features of.

    Raises ConfigurationError with the circle when there is one.
    """
    done: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join((*path[path.index(name) :], name))
            raise ConfigurationError(
                f"the views {circle} need features of each other as keys, so none can be looked up first: give the "
                "spine one of these keys"
            )
        if name not in done:
            for before in sorted(resolved.key_views.get(name, ())):
                visit(before, (*path, name))
            done.append(name)

    for view in resolved.looked_up_views:
        visit(view.name, ())
    return tuple(done)

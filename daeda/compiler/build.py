"""Second step of the compiler: turn what was resolved into operators.

Columns are pruned here. What orders ties must stay: rows that agree on every column up to the last needed one (in
declared order) are interchangeable, so the columns behind it are not read.

    fields (key, t, a, b, c), needed b   ->   tie order (a, b); c is not read
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Literal, cast

from daeda.aggregates import Order, told_of
from daeda.catalog.view import FeatureView
from daeda.compiler.labels import marked_fields
from daeda.compiler.lookups import lookup_order
from daeda.compiler.output import defaults_of, output_columns
from daeda.compiler.resolved import Resolved
from daeda.compiler.uses import LookUpRules, rules_of
from daeda.durations import UNBOUNDED, Duration
from daeda.operators.dag import Operator
from daeda.operators.operator import Instant
from daeda.operators.relational import Filter, Join, Project, Scan, ScanColumn, Sink
from daeda.operators.temporal import Aggregate, Label, LabelAggregate, PointInTimeJoin, RollingAggregate
from daeda.operators.udf import ArrowUdfTransform, RayUdfTransform, StoreRef
from daeda.settings.aggregations import AggregationSpec, LabelSpec
from daeda.settings.availability import Available
from daeda.sql.expression import columns_of, parse_expression, parse_having


def build_operators(resolved: Resolved) -> tuple[Operator, ...]:
    """All operators of the service, from the spine's Scan to the Sink."""
    operators: list[Operator] = []
    left = _add_spine(resolved, operators)
    for name in lookup_order(resolved):
        for rules, taken in _look_ups_in(resolved, resolved.project.views[name]):
            left = _add_features(resolved, resolved.project.views[name], (rules, taken), left, operators)
        if resolved.latest.get(name):
            left = _add_latest(resolved, resolved.project.views[name], left, operators)
    for group in _history_groups(resolved):
        left = _add_rolling(resolved, group, left, operators)
    left = _add_udfs(resolved, left, operators)
    for label_group in _label_groups(resolved):
        left = _add_labels(resolved, label_group, left, operators)
    left = _add_assembly(resolved, left, operators)
    return _add_enrichment(resolved, left, operators)


def tie_prefix(view: FeatureView, keys: Collection[str], needed: Collection[str]) -> tuple[str, ...]:
    """The remaining columns (neither key, timestamp nor created) in declared order, up to the last needed one.

    `keys` are those of the operator: a key of the view that the operator does not group by is a remaining column.
    """
    named = {*keys, view.source.timestamp_field, view.source.created_field}
    remaining = tuple(field.name for field in view.fields if field.name not in named)
    last = max((index for index, name in enumerate(remaining) if name in needed), default=-1)
    return remaining[: last + 1]


def _instant(view: FeatureView, column: str) -> Instant:
    return Instant(column=column, unit=view.unit_of(column).symbol)


def _output(operators: Sequence[Operator], wanted: str) -> str:
    """A name that no relation has yet, in any case: a view may be named like a relation of daeda's own."""
    return _free(wanted, {operator.output.lower() for operator in operators})


def _created(view: FeatureView) -> Instant | None:
    return _instant(view, view.source.created_field) if view.source.created_field else None


def _label(operators: Sequence[Operator], wanted: str) -> str:
    """A name that no operator has yet, in any case."""
    return _free(wanted, {operator.name.lower() for operator in operators})


def _free(wanted: str, used: Collection[str]) -> str:
    numbered = (f"{wanted}_{count}" for count in itertools.count(2))
    return next(name for name in itertools.chain((wanted,), numbered) if name.lower() not in used)


def _scan(
    operators: list[Operator],
    view: FeatureView,
    name: str,
    columns: Iterable[str],
    lookback: Duration | None,
    order: tuple[str, ...] = (),
    ahead: tuple[Duration, Duration] | None = None,
    renamed: Mapping[str, str] | None = None,
    labels: Collection[str] = (),
) -> str:
    """Add a Scan of the view's columns, in declared order: the day's rows with `order`, all rows without `lookback`.

    With `ahead` it reads after the day: from the first of the two after its begin to the second after its end.
    `renamed` are fields by the names of more columns, which follow; `labels` are those that are labels. Returns the
    relation that it makes: `name`, unless that is taken.
    """
    wanted = set(columns)
    source = view.source
    if source.timestamp_field is not None:
        wanted.add(source.timestamp_field)
    if source.created_field is not None and not order:
        wanted.add(source.created_field)
    reads: Literal["static", "day", "lookback", "lookahead"] = "static" if lookback is None else "lookback"
    if ahead is not None and lookback is None and source.timestamp_field is not None:
        reads = "lookahead"
    output = _output(operators, name)
    operators.append(Scan(
        name=_label(operators, f"scan_{output}"),
        output=output,
        view=view.name,
        path=source.reference,
        reads="day" if order else reads,
        lookback=lookback,
        gap=ahead[0] if ahead is not None and reads == "lookahead" else None,
        lookahead=ahead[1] if ahead is not None and reads != "static" else None,
        time=_instant(view, source.timestamp_field) if source.timestamp_field else None,
        created=None if order else _created(view),
        columns=tuple(
            ScanColumn(
                name=field.name, source=view.source_name(field.name), dtype=field.dtype, label=field.name in labels
            )
            for field in view.fields
            if field.name in wanted
        )
        + tuple(
            ScanColumn(name=name, source=view.source_name(field), dtype=view.dtype(field))
            for name, field in (renamed or {}).items()
        ),
        order_by=order,
        partition_slack=source.partition_slack,
        null_timestamps=source.null_timestamps,
        missing_partitions=source.missing_partitions,
    ))  # fmt: skip
    return output


def _add_spine(resolved: Resolved, operators: list[Operator]) -> str:
    """The spine's rows of the day in their total order: timestamp, grain, remaining columns."""
    service, view = resolved.project.service, resolved.spine
    filters = service.spine.filters
    filtered = {name for spine_filter in filters for name in _filter_columns(spine_filter.where)}
    filtered |= {spine_filter.covered_by.column for spine_filter in filters if spine_filter.covered_by}
    filtered |= {
        name
        for spine_filter in filters
        if spine_filter.session
        for name in (*spine_filter.session.key, *columns_of(parse_having(spine_filter.session.having)))
    }
    if (sample := service.spine.sample) is not None:
        filtered |= {*sample.by, *_filter_columns(sample.where)}
    grain = tuple(name for name in service.grain if name != resolved.spine_time())
    leading = {resolved.spine_time(), *grain}
    remaining = [field.name for field in view.fields if field.name not in leading]
    last = max((index for index, name in enumerate(remaining) if name in resolved.spine_columns), default=-1)
    order = (resolved.spine_time(), *grain, *remaining[: last + 1])
    wanted, labels = {*order, *resolved.spine_columns, *filtered}, marked_fields(resolved)
    left = _scan(operators, view, "spine", wanted, None, order, labels=labels)
    for index, spine_filter in enumerate(filters, start=1):
        inputs: tuple[str, ...] = (left,)
        semi_join: tuple[str, ...] = ()
        if spine_filter.covered_by is not None:
            other = resolved.project.views[spine_filter.covered_by.view]
            lookback = None if other.source.timestamp_field is None else UNBOUNDED
            covered = _scan(operators, other, f"covered_{index}", {spine_filter.covered_by.column}, lookback)
            inputs, semi_join = (left, covered), (spine_filter.covered_by.column,)
        left = _output(operators, f"spine_{index}")
        operators.append(Filter(
            name=_label(operators, f"filter_spine_{index}"), inputs=inputs, output=left,
            predicate=spine_filter.where, semi_join=semi_join,
            session=spine_filter.session.key if spine_filter.session else (),
            having=spine_filter.session.having if spine_filter.session else None, sample=spine_filter.sample,
        ))  # fmt: skip
    return left


def _filter_columns(predicate: str | None) -> tuple[str, ...]:
    return () if predicate is None else columns_of(parse_expression(predicate, "filter"))


LookUp = tuple[LookUpRules, dict[str, str]]


def _look_ups_in(resolved: Resolved, view: FeatureView) -> list[LookUp]:
    """The look-ups in a view: which rows each sees, and the fields that it takes, by the names of their columns."""
    plain = resolved.features.get(view.name, [])
    look_ups: dict[LookUpRules, dict[str, str]] = {rules_of(view): {}}
    look_ups[rules_of(view)] = {field.name: field.name for field in view.fields if field.name in plain}
    for column in resolved.project.service.columns:
        use = resolved.uses.get(column.name)
        if use is not None and use.view == view.name:
            look_ups.setdefault(use.rules, {})[column.name] = use.field
    return [(rules, taken) for rules, taken in look_ups.items() if taken]


def _add_features(resolved: Resolved, view: FeatureView, look_up: LookUp, left: str, operators: list[Operator]) -> str:
    """Columns of a view as of the row's time; a field that is taken by another name is read once more by that."""
    rules, taken = look_up
    static = view.source.timestamp_field is None
    ties = () if static else tie_prefix(view, view.keys, set(taken.values()))
    own = {name for name, field in taken.items() if name == field}
    renamed = {name: field for name, field in taken.items() if name != field}
    # What orders ties makes room for a column that takes another field by its name.
    names = {*own, *renamed, *(field.name for field in view.fields)}
    moved = {tie: _free(f"{tie}_of_{view.name}", {name.lower() for name in names}) for tie in ties if tie in renamed}
    wanted = {*view.keys, *(tie for tie in ties if tie not in moved), *own}
    lookback = None if static else rules.ttl or UNBOUNDED
    renamed |= {name: tie for tie, name in moved.items()}
    right = _scan(operators, view, view.name, wanted, lookback, renamed=renamed)
    output = _output(operators, f"with_{view.name}")
    left_time = _instant(resolved.spine, resolved.spine_time())
    order = tuple(moved.get(tie, tie) for tie in ties)
    _look_up(operators, (view, rules), (left, right), output, view.name, left_time, tuple(taken), order)
    return output


def _look_up(
    operators: list[Operator],
    seen: tuple[FeatureView, LookUpRules],
    inputs: tuple[str, str],
    output: str,
    label: str,
    left_time: Instant,
    columns: tuple[str, ...],
    ties: tuple[str, ...],
) -> None:
    """Add columns of a view as of `left_time`, or by the keys alone where it has no time."""
    view, rules = seen
    if view.source.timestamp_field is None:
        name = _label(operators, f"join_{label}")
        operators.append(Join(name=name, inputs=inputs, output=output, keys=view.keys, columns=columns))
        return
    right_time = _instant(view, view.source.timestamp_field)
    operators.append(PointInTimeJoin(
        name=_label(operators, f"pit_{label}"), inputs=inputs, output=output, keys=view.keys, left_time=left_time,
        right_time=right_time, created=_created(view), available=rules.available, ttl=rules.ttl,
        allow_exact=rules.allow_exact, columns=columns, tie_order=ties,
    ))  # fmt: skip


def _add_latest(resolved: Resolved, view: FeatureView, left: str, operators: list[Operator]) -> str:
    """Features of the newest row of a view that changes over time: every partition is read."""
    features = tuple(field.name for field in view.fields if field.name in resolved.latest[view.name])
    ties = tie_prefix(view, view.keys, features)
    name = f"latest_{view.name}"
    right = _scan(operators, view, name, {*view.keys, *ties, *features}, None)
    output = _output(operators, f"with_{name}")
    operators.append(Join(
        name=_label(operators, f"join_{name}"),
        inputs=(left, right),
        output=output,
        keys=view.keys,
        columns=features,
        latest=True,
        latest_by=_instant(view, cast(str, view.source.timestamp_field)),
        created=_created(view),
        tie_order=ties,
    ))  # fmt: skip
    return output


HistoryGroup = tuple[AggregationSpec, tuple[Aggregate, ...]]
LabelGroup = tuple[LabelSpec, tuple[Label, ...]]


def _history_groups(resolved: Resolved) -> list[HistoryGroup]:
    """Aggregates that share one scan and one sort: same view, entity, attributes, `where`, and what can be used."""
    groups: dict[tuple[object, ...], tuple[AggregationSpec, list[Aggregate]]] = {}
    for spec, aggregate in resolved.aggregations.values():
        key = (spec.history.view, spec.keys, spec.history.attributes, spec.where, _available(resolved, spec))
        groups.setdefault(key, (spec, []))[1].append(aggregate)
    return [(spec, tuple(aggregates)) for spec, aggregates in groups.values()]


def _available(resolved: Resolved, spec: AggregationSpec) -> Available | None:
    return spec.available_in(resolved.project.views[spec.history.view].source.available)


def _label_groups(resolved: Resolved) -> list[LabelGroup]:
    """Labels that share one scan and one sort, as aggregates do."""
    groups: dict[tuple[object, ...], tuple[LabelSpec, list[Label]]] = {}
    for spec, label in resolved.labels.values():
        key = (spec.history.view, spec.keys, spec.history.attributes, spec.where)
        groups.setdefault(key, (spec, []))[1].append(label)
    return [(spec, tuple(labels)) for spec, labels in groups.values()]


def _free_name(wanted: str, operators: list[Operator]) -> str:
    # A history with attributes has no relation of its own name, only operators that are named after it.
    used = {operator.output for operator in operators}
    used |= {operator.name.removeprefix("rolling_") for operator in operators}
    return _free(wanted, {name.lower() for name in used})


def _add_rolling(resolved: Resolved, group: HistoryGroup, left: str, operators: list[Operator]) -> str:
    spec, aggregates = group
    reaches = [aggregate.reach for aggregate in aggregates]
    lookback = max(reaches, key=lambda reach: inf if reach.nanoseconds is None else reach.nanoseconds)
    name = _free_name(f"{spec.history.view}_by_{'_'.join(entity.name for entity in spec.entity)}", operators)
    right, ties = _add_history(resolved, spec, aggregates, name, operators, lookback)
    view = resolved.project.views[spec.history.view]
    output = _output(operators, f"with_{name}")
    operators.append(RollingAggregate(
        name=_label(operators, f"rolling_{name}"),
        inputs=(left, right),
        output=output,
        engine="sql_arrow_udf",
        keys=spec.keys,
        left_time=_instant(resolved.spine, resolved.spine_time()),
        history_time=_instant(view, cast(str, view.source.timestamp_field)),
        created=_created(view),
        available=_available(resolved, spec),
        tie_order=ties,
        aggregates=aggregates,
        compute=resolved.project.runtime.compute.engine,
    ))  # fmt: skip
    return output


def _add_labels(resolved: Resolved, group: LabelGroup, left: str, operators: list[Operator]) -> str:
    spec, labels = group
    gap = min((label.gap for label in labels), key=lambda gap: gap.nanoseconds or 0)
    reach = max((label.reach for label in labels), key=lambda reach: reach.nanoseconds or 0)
    name = _free_name(f"{spec.history.view}_after_{'_'.join(entity.name for entity in spec.entity)}", operators)
    right, ties = _add_history(resolved, spec, labels, name, operators, None, (gap, reach))
    view = resolved.project.views[spec.history.view]
    output = _output(operators, f"with_{name}")
    operators.append(LabelAggregate(
        name=_label(operators, f"label_{name}"),
        inputs=(left, right),
        output=output,
        engine="sql_arrow_udf",
        keys=spec.keys,
        left_time=_instant(resolved.spine, resolved.spine_time()),
        history_time=_instant(view, cast(str, view.source.timestamp_field)),
        created=_created(view),
        tie_order=ties,
        aggregates=labels,
        compute=resolved.project.runtime.compute.engine,
    ))  # fmt: skip
    return output


def _add_history(
    resolved: Resolved,
    spec: AggregationSpec | LabelSpec,
    aggregates: Sequence[Aggregate | Label],
    name: str,
    operators: list[Operator],
    lookback: Duration | None,
    ahead: tuple[Duration, Duration] | None = None,
) -> tuple[str, tuple[str, ...]]:
    """The relation of a history, and what orders its ties."""
    view = resolved.project.views[spec.history.view]
    keys = spec.keys
    deciding = [aggregate for aggregate in aggregates if told_of(aggregate.kind).order is Order.DECIDES]
    ordered = {name for aggregate in deciding for name in aggregate.reads}
    read = {*(name for aggregate in aggregates for name in aggregate.reads), *_filter_columns(spec.where)}
    attributes = [attribute.partition(":") for attribute in spec.history.attributes]
    fields = {field.name for field in view.fields}
    joined = {key for other, _, _ in attributes for key in resolved.project.views[other].keys}
    # An attribute is looked up by its keys at the time of the row: rows of one time with the same keys have the same
    # attribute, so it is enough to order them by the keys. A key may itself be an attribute, joined before.
    for other, _, column in reversed(attributes):
        if column in ordered:
            ordered |= set(resolved.project.views[other].keys)
    ties = tie_prefix(view, keys, ordered)
    scan_name = name if spec.where is None and not attributes else f"{name}_rows"
    columns = ({*keys, *ties, *read} & fields) | joined
    right = _scan(operators, view, scan_name, columns, lookback, ahead=ahead)
    # Attributes are joined to the rows that are kept, unless it is they that decide which rows those are.
    by_attribute = bool({column for _, _, column in attributes} & set(_filter_columns(spec.where)))
    if spec.where is not None and not by_attribute:
        right = _add_where(operators, spec.where, right, name, name if not attributes else f"{name}_kept")
    for index, (other, _, column) in enumerate(attributes):
        target = (right, name, index)
        right = _add_attribute(resolved, view, resolved.project.views[other], column, target, operators, ahead)
    if spec.where is not None and by_attribute:
        right = _add_where(operators, spec.where, right, name, f"{name}_kept")
    return right, ties


def _add_where(operators: list[Operator], where: str, left: str, name: str, wanted: str) -> str:
    """The rows of a history for which a condition is true."""
    output = _output(operators, wanted)
    operators.append(Filter(name=_label(operators, f"filter_{name}"), inputs=(left,), output=output, predicate=where))
    return output


def _add_attribute(
    resolved: Resolved,
    view: FeatureView,
    other: FeatureView,
    column: str,
    target: tuple[str, str, int],
    operators: list[Operator],
    ahead: tuple[Duration, Duration] | None,
) -> str:
    """An attribute as of the history row's own time."""
    left, name, index = target
    ties = tie_prefix(other, other.keys, {column})
    lookback = None if other.source.timestamp_field is None else UNBOUNDED
    named = f"{name}_attribute_{index + 1}"
    scanned = _scan(operators, other, named, {*other.keys, *ties, column}, lookback, ahead=ahead)
    output = _output(operators, f"{name}_with_{column}")
    left_time = _instant(view, cast(str, view.source.timestamp_field))
    rules = rules_of(other)
    if ahead is not None:
        # What serving has is nothing to a label.
        rules = replace(rules, available=None)
    _look_up(operators, (other, rules), (left, scanned), output, output, left_time, (column,), ties)
    return output


def _add_udfs(resolved: Resolved, left: str, operators: list[Operator]) -> str:
    """Functions come when everything that they can read is there: behind look-ups and rolling columns."""
    for spec in resolved.udfs.values():
        name = _free_name(f"udf_{spec.name}", operators)
        output = _output(operators, f"with_{name}")
        operators.append(ArrowUdfTransform(
            name=_label(operators, name), inputs=(left,), output=output, function=spec.function, columns=spec.columns,
            defaults=defaults_of(resolved, spec.columns), result=spec.name, dtype=spec.dtype, version=spec.version,
        ))  # fmt: skip
        left = output
    return left


def _add_assembly(resolved: Resolved, left: str, operators: list[Operator]) -> str:
    """The contract's columns in the order of output_columns, defaults filled, embedding columns as placeholders."""
    output = _output(operators, "assembled")
    operators.append(
        Project(name=_label(operators, "assemble"), inputs=(left,), output=output, columns=output_columns(resolved))
    )
    return output


def _add_enrichment(resolved: Resolved, left: str, operators: list[Operator]) -> tuple[Operator, ...]:
    for column in resolved.project.runtime.output_columns:
        if column.name not in resolved.enrichments:
            continue
        spec, store = resolved.enrichments[column.name]
        output = _output(operators, f"with_{spec.name}")
        operators.append(RayUdfTransform(
            name=_label(operators, f"{spec.kind}_{spec.name}"),
            inputs=(left,),
            output=output,
            kind=spec.kind,
            column=spec.name,
            source=spec.column,
            normalize=spec.normalize,
            store=StoreRef(name=store.name, path=store.path, id_column=store.id_column,
                           vector_column=store.vector_column, dimension=store.dimension, version=store.version),
        ))  # fmt: skip
        left = output
    not_null = tuple(column.name for column in resolved.project.service.columns if not column.nullable)
    name, output = _label(operators, "sink"), _output(operators, "day")
    dataset: Literal["skeleton", "enriched"] = "enriched" if resolved.enrichments else "skeleton"
    vectors = tuple(
        column.name
        for column in resolved.project.service.columns
        if column.name in resolved.enrichments and not column.dtype.holds_half
    )
    operators.append(
        Sink(name=name, inputs=(left,), output=output, dataset=dataset, not_null=not_null, vectors=vectors)
    )
    return tuple(operators)

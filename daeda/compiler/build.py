"""Second half of the compiler: turn what was resolved into operators.

Columns are pruned here. What orders ties must stay: rows that agree on every column up to the last needed one (in
declared order) are interchangeable, so the columns behind it are not read.

    fields (key, t, a, b, c), needed b   ->   tie order (a, b); c is not read
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from typing import Literal, cast

from daeda.aggregates import KINDS, Order
from daeda.catalog.service import ContractColumn
from daeda.catalog.view import FeatureView
from daeda.compiler.lookups import lookup_order
from daeda.compiler.resolved import Resolved
from daeda.dtypes import TimeUnit
from daeda.durations import Duration
from daeda.operators.dag import Operator
from daeda.operators.operator import Instant
from daeda.operators.relational import Filter, Join, Project, ProjectColumn, Scan, ScanColumn, Sink
from daeda.operators.temporal import Aggregate, PointInTimeJoin, RollingAggregate
from daeda.operators.udf import ArrowUdfTransform, RayUdfTransform, StoreRef
from daeda.settings.aggregations import AggregationSpec
from daeda.sql.expression import columns_of, parse_expression, parse_having
from daeda.sql.literal import exact

_UNBOUNDED = Duration.parse("unbounded")
_UNIT_NAMES: dict[TimeUnit, Literal["s", "ms", "us", "ns"]] = {
    TimeUnit.SECOND: "s",
    TimeUnit.MILLI: "ms",
    TimeUnit.MICRO: "us",
    TimeUnit.NANO: "ns",
}


def build_operators(found: Resolved) -> tuple[Operator, ...]:
    """All operators of the service, from the spine's Scan to the Sink."""
    operators: list[Operator] = []
    left = _add_spine(found, operators)
    for name in lookup_order(found):
        if found.features.get(name):
            left = _add_features(found, found.project.views[name], left, operators)
        if found.latest.get(name):
            left = _add_latest(found, found.project.views[name], left, operators)
    for group in _history_groups(found):
        left = _add_rolling(found, group, left, operators)
    left = _add_udfs(found, left, operators)
    left = _add_assembly(found, left, operators)
    return _add_enrichment(found, left, operators)


def tie_prefix(view: FeatureView, keys: Collection[str], needed: Collection[str]) -> tuple[str, ...]:
    """The remaining columns (neither key, timestamp nor created) in declared order, up to the last needed one.

    `keys` are those of the operator: a key of the view that the operator does not group by is a remaining column.
    """
    held = {*keys, view.source.timestamp_field, view.source.created_field}
    remaining = tuple(one.name for one in view.fields if one.name not in held)
    last = max((index for index, name in enumerate(remaining) if name in needed), default=-1)
    return remaining[: last + 1]


def _instant(view: FeatureView, column: str) -> Instant:
    return Instant(column=column, unit=_UNIT_NAMES[view.unit_of(column)])


def _output(operators: Sequence[Operator], wanted: str) -> str:
    """A name that no relation has yet, in any case: a view may be named like a relation of daeda's own."""
    return _free(wanted, {one.output.lower() for one in operators})


def _label(operators: Sequence[Operator], wanted: str) -> str:
    """A name that no operator has yet, in any case."""
    return _free(wanted, {one.name.lower() for one in operators})


def _free(wanted: str, taken: Collection[str]) -> str:
    numbered = (f"{wanted}_{count}" for count in itertools.count(2))
    return next(name for name in itertools.chain((wanted,), numbered) if name.lower() not in taken)


def _scan(
    operators: list[Operator],
    view: FeatureView,
    name: str,
    columns: Iterable[str],
    lookback: Duration | None,
    order: tuple[str, ...] = (),
) -> str:
    """Add a Scan of the view's columns, in declared order: the day's rows with `order`, all rows without `lookback`.

    Returns the relation that it makes: `name`, unless that is taken.
    """
    wanted = set(columns)
    source = view.source
    if source.timestamp_field is not None:
        wanted.add(source.timestamp_field)
    if source.created_field is not None and not order:
        wanted.add(source.created_field)
    reads: Literal["static", "day", "lookback"] = "static" if lookback is None else "lookback"
    output = _output(operators, name)
    operators.append(Scan(
        name=_label(operators, f"scan_{output}"),
        output=output,
        view=view.name,
        path=source.reference,
        reads="day" if order else reads,
        lookback=lookback,
        time=_instant(view, source.timestamp_field) if source.timestamp_field else None,
        created=_instant(view, source.created_field) if source.created_field and not order else None,
        columns=tuple(
            ScanColumn(name=one.name, source=view.source_name(one.name), dtype=one.dtype)
            for one in view.fields
            if one.name in wanted
        ),
        order_by=order,
        partition_slack=source.partition_slack,
        null_timestamps=source.null_timestamps,
        missing_partitions=source.missing_partitions,
    ))  # fmt: skip
    return output


def _add_spine(found: Resolved, operators: list[Operator]) -> str:
    """The spine's rows of the day in their total order: timestamp, grain, remaining columns."""
    service, view = found.project.service, found.spine
    filtered = {name for one in service.spine.filters for name in _filter_columns(one.where)}
    filtered |= {one.covered_by.column for one in service.spine.filters if one.covered_by}
    filtered |= {
        name
        for one in service.spine.filters
        if one.session
        for name in (*one.session.key, *columns_of(parse_having(one.session.having)))
    }
    grain = tuple(name for name in service.grain if name != found.spine_time())
    held = {found.spine_time(), *grain}
    remaining = [one.name for one in view.fields if one.name not in held]
    last = max((index for index, name in enumerate(remaining) if name in found.spine_columns), default=-1)
    order = (found.spine_time(), *grain, *remaining[: last + 1])
    left = _scan(operators, view, "spine", {*order, *found.spine_columns, *filtered}, None, order)
    for index, one in enumerate(service.spine.filters, start=1):
        inputs: tuple[str, ...] = (left,)
        semi_join: tuple[str, ...] = ()
        if one.covered_by is not None:
            other = found.project.views[one.covered_by.view]
            lookback = None if other.source.timestamp_field is None else _UNBOUNDED
            covered = _scan(operators, other, f"covered_{index}", {one.covered_by.column}, lookback)
            inputs, semi_join = (left, covered), (one.covered_by.column,)
        left = _output(operators, f"spine_{index}")
        operators.append(Filter(
            name=_label(operators, f"filter_spine_{index}"), inputs=inputs, output=left,
            predicate=one.where, semi_join=semi_join,
            session=one.session.key if one.session else (), having=one.session.having if one.session else None,
        ))  # fmt: skip
    return left


def _filter_columns(predicate: str | None) -> tuple[str, ...]:
    return () if predicate is None else columns_of(parse_expression(predicate, "filter"))


def _add_features(found: Resolved, view: FeatureView, left: str, operators: list[Operator]) -> str:
    taken = tuple(one.name for one in view.fields if one.name in found.features[view.name])
    if view.source.timestamp_field is None:
        right = _scan(operators, view, view.name, {*view.keys, *taken}, None)
        output, name = _output(operators, f"with_{view.name}"), _label(operators, f"join_{view.name}")
        operators.append(Join(name=name, inputs=(left, right), output=output, keys=view.keys, columns=taken))
        return output
    ties = tie_prefix(view, view.keys, taken)
    right = _scan(operators, view, view.name, {*view.keys, *ties, *taken}, view.ttl or _UNBOUNDED)
    output = _output(operators, f"with_{view.name}")
    operators.append(PointInTimeJoin(
        name=_label(operators, f"pit_{view.name}"),
        inputs=(left, right),
        output=output,
        keys=view.keys,
        left_time=_instant(found.spine, found.spine_time()),
        right_time=_instant(view, view.source.timestamp_field),
        created=_instant(view, view.source.created_field) if view.source.created_field else None,
        ttl=view.ttl,
        allow_exact=view.allow_exact,
        columns=taken,
        tie_order=ties,
    ))  # fmt: skip
    return output


def _add_latest(found: Resolved, view: FeatureView, left: str, operators: list[Operator]) -> str:
    """Features of the newest row of a view that changes over time: every partition is read."""
    taken = tuple(one.name for one in view.fields if one.name in found.latest[view.name])
    ties = tie_prefix(view, view.keys, taken)
    name, created = f"latest_{view.name}", view.source.created_field
    right = _scan(operators, view, name, {*view.keys, *ties, *taken}, None)
    output = _output(operators, f"with_{name}")
    operators.append(Join(
        name=_label(operators, f"join_{name}"),
        inputs=(left, right),
        output=output,
        keys=view.keys,
        columns=taken,
        latest=True,
        latest_by=_instant(view, cast(str, view.source.timestamp_field)),
        created=_instant(view, created) if created else None,
        tie_order=ties,
    ))  # fmt: skip
    return output


HistoryGroup = tuple[AggregationSpec, tuple[Aggregate, ...]]


def _history_groups(found: Resolved) -> list[HistoryGroup]:
    """Aggregates that share one scan and one sort: same view, entity, attributes and `where`."""
    groups: dict[tuple[object, ...], tuple[AggregationSpec, list[Aggregate]]] = {}
    for spec, aggregate in found.aggregations.values():
        key = (spec.history.view, spec.entity, spec.history.attributes, spec.where)
        groups.setdefault(key, (spec, []))[1].append(aggregate)
    return [(spec, tuple(aggregates)) for spec, aggregates in groups.values()]


def _longest(windows: Iterable[Duration]) -> Duration:
    found = list(windows)
    return next((one for one in found if one.nanoseconds is None), max(found, key=lambda one: one.nanoseconds or 0))


def _free_name(wanted: str, operators: list[Operator]) -> str:
    # A history with attributes has no relation of its own name, only operators that are named after it.
    taken = {operator.output for operator in operators}
    taken |= {operator.name.removeprefix("rolling_") for operator in operators}
    return _free(wanted, {name.lower() for name in taken})


def _add_rolling(found: Resolved, group: HistoryGroup, left: str, operators: list[Operator]) -> str:
    spec, aggregates = group
    view = found.project.views[spec.history.view]
    keys = tuple(f"{entity}_id" for entity in spec.entity)
    ordered = {one.column for one in aggregates if one.column is not None and KINDS[one.kind].order is Order.DECIDES}
    read = {one.column for one in aggregates if one.column is not None} | set(_filter_columns(spec.where))
    attributes = [attribute.partition(":") for attribute in spec.history.attributes]
    fields = {one.name for one in view.fields}
    name = _free_name(f"{view.name}_by_{'_'.join(spec.entity)}", operators)
    joined = {key for other, _, _ in attributes for key in found.project.views[other].keys}
    # Rows that agree on time and on the keys of an attribute agree on the attribute, so that the keys order its ties.
    # A key can be an attribute that was joined before.
    for other, _, column in reversed(attributes):
        if column in ordered:
            ordered |= set(found.project.views[other].keys)
    ties = tie_prefix(view, keys, ordered)
    scan_name = name if spec.where is None and not attributes else f"{name}_rows"
    lookback = _longest(one.window for one in aggregates)
    right = _scan(operators, view, scan_name, ({*keys, *ties, *read} & fields) | joined, lookback)
    if spec.where is not None:
        scanned, right = right, _output(operators, name if not attributes else f"{name}_kept")
        label = _label(operators, f"filter_{name}")
        operators.append(Filter(name=label, inputs=(scanned,), output=right, predicate=spec.where))
    for index, (other, _, column) in enumerate(attributes):
        right = _add_attribute(found, view, found.project.views[other], column, (right, name, index), operators)
    created, output = view.source.created_field, _output(operators, f"with_{name}")
    operators.append(RollingAggregate(
        name=_label(operators, f"rolling_{name}"),
        inputs=(left, right),
        output=output,
        engine="sql_arrow_udf",
        keys=keys,
        left_time=_instant(found.spine, found.spine_time()),
        history_time=_instant(view, cast(str, view.source.timestamp_field)),
        created=_instant(view, created) if created else None,
        tie_order=ties,
        aggregates=aggregates,
        compute=found.project.runtime.compute.engine,
    ))  # fmt: skip
    return output


def _add_attribute(
    found: Resolved,
    view: FeatureView,
    other: FeatureView,
    column: str,
    place: tuple[str, str, int],
    operators: list[Operator],
) -> str:
    """An attribute as of the history row's own time."""
    left, name, index = place
    ties = tie_prefix(other, other.keys, {column})
    lookback = None if other.source.timestamp_field is None else _UNBOUNDED
    scanned = _scan(operators, other, f"{name}_attribute_{index + 1}", {*other.keys, *ties, column}, lookback)
    output = _output(operators, f"{name}_with_{column}")
    if other.source.timestamp_field is None:
        label = _label(operators, f"join_{output}")
        operators.append(Join(name=label, inputs=(left, scanned), output=output, keys=other.keys, columns=(column,)))
        return output
    operators.append(PointInTimeJoin(
        name=_label(operators, f"pit_{output}"),
        inputs=(left, scanned),
        output=output,
        keys=other.keys,
        left_time=_instant(view, cast(str, view.source.timestamp_field)),
        right_time=_instant(other, other.source.timestamp_field),
        created=_instant(other, other.source.created_field) if other.source.created_field else None,
        ttl=other.ttl,
        allow_exact=other.allow_exact,
        columns=(column,),
        tie_order=ties,
    ))  # fmt: skip
    return output


def _add_udfs(found: Resolved, left: str, operators: list[Operator]) -> str:
    """Functions come when everything that they can read is there: behind look-ups and rolling columns."""
    for spec in found.udfs.values():
        name = _free_name(f"udf_{spec.name}", operators)
        output = _output(operators, f"with_{name}")
        operators.append(ArrowUdfTransform(
            name=_label(operators, name), inputs=(left,), output=output, function=spec.function, columns=spec.columns,
            result=spec.name, dtype=spec.dtype, version=spec.version,
        ))  # fmt: skip
        left = output
    return left


def _add_assembly(found: Resolved, left: str, operators: list[Operator]) -> str:
    """The contract's columns in the order of output_columns, defaults filled, embedding columns as placeholders."""
    contract = {column.name: column for column in found.project.service.columns}
    columns = tuple(_output_column(found, contract[column.name]) for column in found.project.runtime.output_columns)
    output = _output(operators, "assembled")
    operators.append(Project(name=_label(operators, "assemble"), inputs=(left,), output=output, columns=columns))
    return output


def _output_column(found: Resolved, column: ContractColumn) -> ProjectColumn:
    made = (
        (column.name in found.spine_columns and column.kind in ("key", "timestamp", "spine"))
        or (column.name in found.aggregations and column.kind == "rolling")
        or (column.name in found.udfs and column.kind == "udf")
        or (
            any(column.name in names for names in (*found.features.values(), *found.latest.values()))
            and column.kind in ("static", "point_in_time")
        )
    )
    default = column.default if made or column.kind == "derived" else found.literals.get(column.name, column.default)
    default = exact(default, column.dtype)
    return ProjectColumn(
        name=column.name,
        dtype=column.dtype,
        source=column.name if made else None,
        expression=column.expression,
        default=default,
    )


def _add_enrichment(found: Resolved, left: str, operators: list[Operator]) -> tuple[Operator, ...]:
    for column in found.project.runtime.output_columns:
        if column.name not in found.enrichments:
            continue
        spec, store = found.enrichments[column.name]
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
    not_null = tuple(column.name for column in found.project.service.columns if not column.nullable)
    enriched = bool(found.enrichments)
    operators.append(
        Sink(
            name=_label(operators, "sink"),
            inputs=(left,),
            output=_output(operators, "day"),
            dataset="enriched" if enriched else "skeleton",
            not_null=not_null,
        )
    )
    return tuple(operators)

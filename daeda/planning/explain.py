"""The DAG as text, what each operator reads, does and makes, and as a Mermaid flowchart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from daeda.compiler.column_roles import weights_of
from daeda.compiler.labels import labels_of
from daeda.durations import UNBOUNDED
from daeda.errors import shortened
from daeda.operators.dag import Dag, Operator
from daeda.operators.relational import Filter, Join, Project, Scan, Sink
from daeda.operators.temporal import Aggregate, Label, LabelAggregate, PointInTimeJoin, RollingAggregate
from daeda.operators.udf import ArrowUdfTransform, RayUdfTransform
from daeda.process.printable import harmless
from daeda.settings.sampling import Sample
from daeda.sql.statements import times_of

# More columns than this are counted in a box and not listed.
_MOST_LISTED = 9


def explain_text(dag: Dag) -> str:
    """One block per operator, in topological order."""
    enrichments = len(dag.enrichments)
    skeleton = len(dag.operators) - enrichments - (1 if enrichments else 0)
    head = f"{dag.service}: {len(dag.operators)} operators, {skeleton} in the skeleton (Beam)"
    if enrichments:
        head += f", {enrichments} in the enrichment (Ray), then the sink"
    width = max(len(operator.name) for operator in dag.operators)
    kind_width = max(len(operator.op_kind) for operator in dag.operators)
    lines = [head, ""]
    for operator in dag.operators:
        flow = f"{', '.join(operator.inputs)} -> {operator.output}" if operator.inputs else f"-> {operator.output}"
        lines.append(f"{operator.name:<{width}}  {operator.op_kind:<{kind_width}}  {operator.engine:<13}  {flow}")
        lines += [f"{'':<{width}}    {line}" for line in map(harmless, details(operator))]
    output = dag.output
    lines += [
        "",
        f"{len(output.columns)} columns: " + ", ".join(f"{column.name} {column.dtype}" for column in output.columns),
    ]
    written = dag.sink.output
    for told, names in (
        ("labels, of what comes after the row", labels_of(dag.operators)[written]),
        ("weight of the sample", weights_of(dag.operators)[written]),
    ):
        if names:
            lines.append(f"{told}: {', '.join(name for name in output.names if name in names)}")
    return "\n".join(lines)


def details(operator: Operator) -> list[str]:
    """What an operator does, in lines."""
    match operator:
        case Scan():
            return _scan(operator)
        case Filter():
            return _filter(operator)
        case Project():
            return _project(operator)
        case Join():
            newest = f", newest by {operator.latest_by.column} (sees the future)" if operator.latest_by else ""
            return [f"on {', '.join(operator.keys)}{newest}; takes {', '.join(operator.columns)}"]
        case PointInTimeJoin():
            return _point_in_time(operator)
        case RollingAggregate():
            ties = f"; ties by {', '.join(operator.tie_order)}, greater first" if operator.tie_order else ""
            known = _known_before(operator)
            before = f"before {operator.left_time.column}{known}"
            per = f"per {', '.join(operator.keys)}, {before}, on {operator.compute}{ties}"
            return [per, *(aggregate_told(aggregate) for aggregate in operator.aggregates)]
        case LabelAggregate():
            return _labels(operator)
        case ArrowUdfTransform():
            call = f"{operator.function}({', '.join(operator.columns)})"
            filled = [f"{name}, {default!r} where NULL" for name, default in operator.defaults.items()]
            return [f"{operator.result} = {call}, row by row, as {operator.dtype}, version {operator.version}", *filled]
        case RayUdfTransform():
            normalized = "" if operator.normalize == "none" else f", normalized {operator.normalize}"
            store = operator.store
            return [
                f"{operator.column} = {operator.kind}({operator.source}) from {store.name} version {store.version}, "
                f"{store.dimension} dimensions{normalized}"
            ]
        case Sink():
            checked = f"; never NULL: {', '.join(operator.not_null)}" if operator.not_null else ""
            return [f"writes {operator.dataset}{checked}"]
        case _:
            assert_never(operator)


def _known_before(operator: RollingAggregate) -> str:
    if operator.available is not None:
        return f" and available before it too, from {_usable(operator)}"
    return f" and known by {operator.created.column} before it too" if operator.created else ""


def _usable(operator: PointInTimeJoin | RollingAggregate) -> str:
    """From when on a row can be used."""
    assert operator.available is not None
    return operator.available.told(times_of(operator)[-1].column)


def availability(dag: Dag) -> list[str]:
    """A sentence for each operator that uses rows later than they are known: its columns, and when rows count."""
    told = (
        f"{shortened(_made(operator), 3)}: rows of {view_behind(dag, operator.inputs[1])} count from "
        f"{_usable(operator)}"
        for operator in dag.operators
        if isinstance(operator, PointInTimeJoin | RollingAggregate) and operator.available is not None
    )
    # A view may be looked up for several histories.
    return list(dict.fromkeys(told))


def _made(operator: PointInTimeJoin | RollingAggregate) -> tuple[str, ...]:
    """The columns that it adds."""
    if isinstance(operator, PointInTimeJoin):
        return operator.columns
    return tuple(aggregate.name for aggregate in operator.aggregates)


def view_behind(dag: Dag, relation: str) -> str:
    """The view whose rows the relation has, filtered or with columns of others beside them."""
    operator = next(operator for operator in dag.operators if operator.output == relation)
    return operator.view if isinstance(operator, Scan) else view_behind(dag, operator.inputs[0])


def _scan(operator: Scan) -> list[str]:
    bounded = f"rows from {operator.lookback} before the day to its end"
    back = "all rows before the end of the day" if operator.lookback == UNBOUNDED else bounded
    gap = f"{operator.gap} after " if operator.gap is not None and operator.gap.nanoseconds else ""
    ahead = f"rows from {gap}the begin of the day to {operator.lookahead} after its end"
    if operator.lookahead is not None:
        back = back.replace("the end of the day", f"{operator.lookahead} after the end of the day")
    when = {
        "static": "all rows", "day": "rows of the day", "lookback": back, "lookahead": ahead,
    }[operator.reads]  # fmt: skip
    lines = [f"{when} of view {operator.view}: {', '.join(column.name for column in operator.columns)}"]
    if operator.order_by:
        lines.append(f"in the order of {', '.join(operator.order_by)}")
    return lines


def _filter(operator: Filter) -> list[str]:
    if operator.predicate is not None:
        return [f"keeps rows where {operator.predicate}"]
    if operator.semi_join:
        return [f"keeps rows whose {', '.join(operator.semi_join)} is in {operator.inputs[1]}"]
    if operator.sample is not None:
        return _sample(operator.sample)
    return [
        f"keeps rows of sessions ({', '.join(operator.session)}) where {operator.having} (sees the rest of the day)"
    ]


def _sample(sample: Sample) -> list[str]:
    seed = f", seed {sample.seed}" if sample.seed else ""
    of = "rows" if sample.where is None else f"rows where {sample.where}, and all others"
    lines = [f"keeps a share of {sample.share:f} by {', '.join(sample.by)}{seed} of {of}"]
    if sample.weight is not None:
        rest = "" if sample.where is None else ", 1.0 for the others"
        lines.append(f"{sample.weight} = {sample.weight_of_sampled!r}{rest}")
    return lines


def _project(operator: Project) -> list[str]:
    lines = []
    for column in operator.columns:
        if column.expression is not None:
            shown = f"; {', '.join(column.reads_output)} as in the output" if column.reads_output else ""
            zone = f"; in {column.timezone}" if column.timezone else ""
            lines.append(f"{column.name} = {column.expression}{zone}{shown}")
        elif column.source is None:
            lines.append(
                f"{column.name} = {column.default if column.default is not None else 'NULL'} until something fills it"
            )
        elif column.default is not None:
            lines.append(f"{column.name}, {column.default!r} where NULL")
    return [f"{len(operator.columns)} columns in the order of the contract", *lines]


def _point_in_time(operator: PointInTimeJoin) -> list[str]:
    sign = "<=" if operator.allow_exact else "<"
    known = f", {operator.created.column} {sign} it too" if operator.created else ""
    if operator.available is not None:
        known = f", {_usable(operator)} {sign} it too"
    old = f", at most {operator.ttl} old" if operator.ttl else ""
    ties = f"; ties by {', '.join(operator.tie_order)}, greater first" if operator.tie_order else ""
    return [
        f"on {', '.join(operator.keys)}, newest with {operator.right_time.column} {sign} {operator.left_time.column}"
        f"{known}{old}{ties}",
        f"takes {', '.join(operator.columns)}",
    ]


def _labels(operator: LabelAggregate) -> list[str]:
    ties = f"; ties by {', '.join(operator.tie_order)}, lesser first" if operator.tie_order else ""
    per = f"per {', '.join(operator.keys)}, after {operator.left_time.column} (labels), on {operator.compute}{ties}"
    return [per, *(label_told(label, operator) for label in operator.aggregates)]


def label_told(label: Label, operator: LabelAggregate) -> str:
    """A label in one line."""
    of = _held(label)
    length = f", at most {label.max_length}, {label.order.replace('_', ' ')}" if label.max_length else ""
    gap = f" from {label.gap} on" if label.gap.nanoseconds else ""
    known = "" if operator.created is None else f", known by {operator.created.column} up to {label.horizon} after it"
    late = (
        f", mature {label.matures_after} later" if operator.created is None and label.matures_after.nanoseconds else ""
    )
    immature = ", NULL until it is mature" if label.immature is None else ""
    return f"{label.name} = {label.kind}{of} over the next {label.window}{gap}{length}{known}{late}{immature}"


def _held(aggregate: Aggregate | Label) -> str:
    """What an aggregate is computed of, in parentheses."""
    if aggregate.q is not None:
        return f"({aggregate.q} of {aggregate.column})"
    held = [*aggregate.reads, *([f"age as {aggregate.age}"] if aggregate.age else [])]
    return f"({', '.join(held)})" if held else ""


def aggregate_told(aggregate: Aggregate) -> str:
    """A rolling aggregate in one line."""
    of = _held(aggregate)
    length = f", at most {aggregate.max_length}, {aggregate.order.replace('_', ' ')}" if aggregate.max_length else ""
    half = f", half after {aggregate.half_life}" if aggregate.half_life is not None else ""
    return f"{aggregate.name} = {aggregate.kind}{of} over {aggregate.window}{_end(aggregate)}{half}{length}"


def _end(aggregate: Aggregate) -> str:
    """Where a window ends that does not end at its row."""
    aligned = f" to the last whole {aggregate.aligned_to}" if aggregate.aligned_to is not None else ""
    moved = f", {aggregate.offset} earlier" if aggregate.offset is not None else ""
    return aligned + moved


def mermaid(dag: Dag) -> str:
    """Boxes are operators with what each adds, arrows go from maker to reader; each half stands in a frame.

    An operator that sees rows later than the one it works for has a red, dashed border.
    """
    makers = {operator.output: operator for operator in dag.operators}
    skeleton = [operator for operator in dag.operators if not isinstance(operator, RayUdfTransform | Sink)]
    lines = ["flowchart TD", '  subgraph skeleton ["skeleton: Beam and DuckDB"]']
    lines += [f"    {_box(operator)}" for operator in skeleton]
    lines.append("  end")
    if dag.enrichments:
        lines.append('  subgraph enrichment ["enrichment: Ray Data and Lance"]')
        lines += [f"    {_box(operator)}" for operator in dag.enrichments]
        lines.append("  end")
    lines.append(f"  {_box(dag.sink)}")
    for operator in dag.operators:
        lines += [f"  {_id(makers[name])} --> {_id(operator)}" for name in operator.inputs]
    later = [_id(operator) for operator in dag.operators if sees_the_future(operator)]
    if later:
        lines.append("  classDef future stroke:#c00,stroke-dasharray:4")
        lines.append(f"  class {','.join(later)} future")
    return "\n".join(lines)


def sees_the_future(operator: Operator) -> bool:
    """Whether rows later than the one at work reach it: a `latest` join, a session judged by its whole day, labels."""
    latest = isinstance(operator, Join) and operator.latest
    session = isinstance(operator, Filter) and bool(operator.session)
    return latest or session or isinstance(operator, LabelAggregate)


def _id(operator: Operator) -> str:
    """An id that is neither a word of Mermaid nor the name of a frame."""
    return f"op_{operator.name}"


def _box(operator: Operator) -> str:
    label = "<br/>".join([f"<b>{operator.name}</b>", *_described(operator)])
    left, right = ("[(", ")]") if isinstance(operator, Scan | Sink) else ("[", "]")
    return f'{_id(operator)}{left}"{label}"{right}'


def _described(operator: Operator) -> list[str]:
    match operator:
        case Scan():
            back = "all before" if operator.lookback == UNBOUNDED else f"{operator.lookback} back"
            ahead = "" if operator.lookahead is None else f"{operator.lookahead} ahead"
            back = f"{back}, {ahead}" if ahead else back
            reads = {"static": "all rows", "day": "the day", "lookback": back, "lookahead": ahead}
            return [f"view {operator.view}: {reads[operator.reads]}"]
        case Filter():
            return _filter_box(operator)
        case Join():
            join = "latest join" if operator.latest else "join"
            return [f"{join} on {', '.join(operator.keys)}", *_added(operator.columns)]
        case PointInTimeJoin():
            old = f", at most {operator.ttl} old" if operator.ttl else ""
            return [f"as of, on {', '.join(operator.keys)}{old}", *_added(operator.columns)]
        case RollingAggregate():
            names = (aggregate.name for aggregate in operator.aggregates)
            return [f"rolling, per {', '.join(operator.keys)}", *_added(names)]
        case LabelAggregate():
            names = (label.name for label in operator.aggregates)
            return [f"labels, per {', '.join(operator.keys)}", *_added(names)]
        case Project():
            computed = (column.name for column in operator.columns if column.expression is not None)
            return [f"{len(operator.columns)} columns", *_added(computed)]
        case ArrowUdfTransform():
            return [operator.function, *_added((operator.result,))]
        case RayUdfTransform():
            return [f"{operator.kind} of {operator.source}", *_added((operator.column,))]
        case Sink():
            return [f"{operator.dataset} day"]
        case _:
            assert_never(operator)


def _filter_box(operator: Filter) -> list[str]:
    if operator.predicate is not None:
        return [f"where {_text(operator.predicate)}"]
    if operator.semi_join:
        return [f"{', '.join(operator.semi_join)} in {operator.inputs[1]}"]
    if operator.sample is not None:
        sample = operator.sample
        of = [] if sample.where is None else [f"where {_text(sample.where)}"]
        weight = [] if sample.weight is None else [sample.weight]
        return [f"sample {sample.share:f} by {', '.join(sample.by)}", *of, *_added(weight)]
    return [f"sessions by {', '.join(operator.session)}", f"where {_text(operator.having or '')}"]


def _added(columns: Iterable[str]) -> list[str]:
    names = list(columns)
    if len(names) > _MOST_LISTED:
        return [f"+ {len(names)} columns"]
    return [f"+ {name}" for name in names]


def _text(expression: str) -> str:
    """An expression as text of a label: what Mermaid reads as its own is written as an entity."""
    return harmless(expression).replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")

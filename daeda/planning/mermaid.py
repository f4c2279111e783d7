"""The DAG as a Mermaid flowchart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from daeda.operators.dag import Dag, Operator
from daeda.operators.relational import Filter, Join, Project, Scan, Sink
from daeda.operators.temporal import PointInTimeJoin, RollingAggregate
from daeda.operators.udf import ArrowUdfTransform, RayUdfTransform
from daeda.process.printable import harmless

# More columns than this are counted in a box and not listed.
_MOST_LISTED = 9


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
    """Whether rows later than the one at work reach it: a `latest` join, and a session judged by its whole day."""
    return (isinstance(operator, Join) and operator.latest) or (isinstance(operator, Filter) and bool(operator.session))


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
            before = operator.lookback is None or operator.lookback.nanoseconds is None
            back = "all before" if before else f"{operator.lookback} back"
            reads = {"static": "all rows", "day": "the day", "lookback": back}
            return [f"view {operator.view}: {reads[operator.reads]}"]
        case Filter():
            if operator.predicate is not None:
                return [f"where {_text(operator.predicate)}"]
            if operator.semi_join:
                return [f"{', '.join(operator.semi_join)} in {operator.inputs[1]}"]
            return [f"sessions by {', '.join(operator.session)}", f"where {_text(operator.having or '')}"]
        case Join():
            join = "latest join" if operator.latest else "join"
            return [f"{join} on {', '.join(operator.keys)}", *_added(operator.columns)]
        case PointInTimeJoin():
            old = f", at most {operator.ttl} old" if operator.ttl else ""
            return [f"as of, on {', '.join(operator.keys)}{old}", *_added(operator.columns)]
        case RollingAggregate():
            return [
                f"rolling, per {', '.join(operator.keys)}",
                *_added(aggregate.name for aggregate in operator.aggregates),
            ]
        case Project():
            computed = tuple(column.name for column in operator.columns if column.expression is not None)
            return [f"{len(operator.columns)} columns", *_added(computed)]
        case ArrowUdfTransform():
            return [operator.function, *_added((operator.result,))]
        case RayUdfTransform():
            return [f"{operator.kind} of {operator.source}", *_added((operator.column,))]
        case Sink():
            return [f"{operator.dataset} day"]
        case _:
            assert_never(operator)


def _added(columns: Iterable[str]) -> list[str]:
    names = list(columns)
    if len(names) > _MOST_LISTED:
        return [f"+ {len(names)} columns"]
    return [f"+ {name}" for name in names]


def _text(expression: str) -> str:
    """An expression as text of a label: what Mermaid reads as its own is written as an entity."""
    return harmless(expression).replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")

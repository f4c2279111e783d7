"""The DAG as a Mermaid flowchart."""

from __future__ import annotations

from daeda.operators.dag import Dag
from daeda.operators.udf import RayUdfTransform


def mermaid(dag: Dag) -> str:
    """Boxes are operators, arrows are relations; the enrichment stands in a box of its own.

    >>> mermaid(dag).splitlines()[0]  # doctest: +SKIP
    'flowchart TD'
    """
    makers = {operator.output: operator.name for operator in dag.operators}
    skeleton = [
        operator for operator in dag.operators if not isinstance(operator, RayUdfTransform) and operator is not dag.sink
    ]
    lines = ["flowchart TD", '  subgraph skeleton ["skeleton: Beam and DuckDB"]']
    lines += [f'    {operator.name}["{operator.name}<br/>{operator.op_kind}"]' for operator in skeleton]
    lines.append("  end")
    if dag.enrichments:
        lines.append('  subgraph enrichment ["enrichment: Ray Data and Lance"]')
        lines += [f'    {operator.name}["{operator.name}<br/>{operator.op_kind}"]' for operator in dag.enrichments]
        lines.append("  end")
    lines.append(f'  {dag.sink.name}[("{dag.sink.dataset}")]')
    for operator in dag.operators:
        lines += [f"  {makers[name]} -->|{name}| {operator.name}" for name in operator.inputs]
    return "\n".join(lines)

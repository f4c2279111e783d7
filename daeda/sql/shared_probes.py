"""Which look-ups can share the probe tables of a RollingAggregate that follows them."""

from __future__ import annotations

from collections.abc import Sequence

from daeda.operators.dag import Operator
from daeda.operators.temporal import PointInTimeJoin, RollingAggregate
from daeda.sql.statements import unit_of


def look_ups_sharing_probes(operators: Sequence[Operator]) -> frozenset[str]:
    """Names of the look-ups whose entities and probes are made anyway: a search by them is cheaper than a join."""
    made_by = {operator.output: operator for operator in operators}
    names = set()
    for rolling in operators:
        if not isinstance(rolling, RollingAggregate):
            continue
        before = made_by.get(rolling.inputs[0])
        while before is not None:
            if isinstance(before, PointInTimeJoin) and _look_back_alike(before, rolling):
                names.add(before.name)
            before = made_by.get(before.inputs[0]) if before.inputs else None
    return frozenset(names)


def _look_back_alike(look_up: PointInTimeJoin, rolling: RollingAggregate) -> bool:
    same = (look_up.keys, look_up.left_time) == (rolling.keys, rolling.left_time)
    return same and unit_of(look_up) == unit_of(rolling)

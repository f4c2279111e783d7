"""How far comparisons in nanoseconds reach: what is coarser is held at their ends, which no border may lie behind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from daeda.dtypes import TimeUnit
from daeda.durations import Duration
from daeda.errors import ConfigError
from daeda.operators.dag import Dag
from daeda.operators.operator import Instant
from daeda.operators.temporal import PointInTimeJoin, RollingAggregate
from daeda.sql.statements import ProbingOperator, unit_of

# The first and the last whole day of nanoseconds in 64 bits.
_FIRST, _LAST = dt.date(1677, 9, 22), dt.date(2262, 4, 10)


def check_reach(dag: Dag, days: Sequence[dt.date]) -> None:
    """Raise ConfigError where a day, or the border of its window, lies where nanoseconds do not reach."""
    for operator in dag.operators:
        if not isinstance(operator, PointInTimeJoin | RollingAggregate) or unit_of(operator) is not TimeUnit.NANO:
            continue
        if all(instant.resolution is TimeUnit.NANO for instant in _instants(operator)):
            continue
        for span in _spans(operator):
            back = dt.timedelta(days=min(span.days or 0, (days[0] - dt.date.min).days))
            if days[0] - back < _FIRST or days[-1] > _LAST:
                raise ConfigError(
                    f"operator '{operator.name}': times are compared in nanoseconds, which reach from {_FIRST} to "
                    f"{_LAST}, and {span} before {days[0]} to {days[-1]} goes beyond: write 'unbounded', or declare "
                    "all its times in microseconds"
                )


def _instants(operator: ProbingOperator) -> tuple[Instant, ...]:
    time = operator.history_time if isinstance(operator, RollingAggregate) else operator.right_time
    return (operator.left_time, time, *((operator.created,) if operator.created else ()))


def _spans(operator: ProbingOperator) -> tuple[Duration, ...]:
    if isinstance(operator, RollingAggregate):
        return tuple(aggregate.window for aggregate in operator.aggregates)
    return (operator.ttl or Duration.parse("unbounded"),)

"""Labels: windows after the probe, computed by an engine that looks back, from a later moment.

What a label at t sees is what a window of its length sees from after its end, in whole units of time:

    (t + gap, t + gap + W]  =  [T - W, T)  with  T = t + gap + W + 1

A row counts if it was known at or before `t + gap + W + matures_after`: before T, had it been known that much earlier.
Labels of one T and one `matures_after` are asked for together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beam_pipeline.windows.contract import History, Int64s, Probes, WindowedAggregate
from daeda.aggregates import LIST_KINDS
from daeda.dtypes import TimeUnit
from daeda.operators.temporal import Label, LabelAggregate
from daeda.sql import statements

Aggregate = Callable[[History, Probes, Sequence[WindowedAggregate], str], list[pa.Array]]

_LEAST, _GREATEST = -(2**63), 2**63 - 1
# What is known from the ends of time on, is known at once or never (see `sql.scan`).
_NEVER = _GREATEST
# Begins the name of a column of times; names of users cannot begin like this.
_TIMES_OF = "__times_of_"


@dataclass(frozen=True)
class ShiftedLabel:
    """One label as an aggregate that looks back from `ahead` after the probe; all in the unit of the times.

    `until` is how many units make one of the spine's where the aggregate is a time, of which the probe's is taken away,
    or a sequence with such times, whose field `age` is how far the probe lies behind it.
    """

    aggregate: WindowedAggregate
    ahead: int
    matures_after: int
    until: int | None = None
    age: str | None = None


def shifted(operator: LabelAggregate) -> tuple[ShiftedLabel, ...]:
    """The labels of an operator, each looking back from the end of its window."""
    unit = statements.unit_of(operator)
    per_spine_unit = unit.value // operator.left_time.resolution.value
    return tuple(_shifted(label, unit, per_spine_unit) for label in operator.aggregates)


def _shifted(label: Label, unit: TimeUnit, per_spine_unit: int) -> ShiftedLabel:
    window, ahead = label.window.in_unit(unit), label.reach.in_unit(unit)
    assert window is not None
    assert ahead is not None
    late = label.matures_after.in_unit(unit) or 0
    if label.kind == "until_first":
        times = f"{_TIMES_OF}{label.column or ''}"
        first = WindowedAggregate(label.name, "first", times, window)
        return ShiftedLabel(first, ahead + 1, late, until=per_spine_unit)
    is_list = label.kind in LIST_KINDS
    aged = () if label.age is None else (_TIMES_OF,)
    aggregate = WindowedAggregate(
        name=label.name,
        kind=label.kind,
        column=label.column,
        columns=(*label.columns, *aged),
        apart=label.layout == "columns",
        q=label.q,
        window=window,
        max_length=label.max_length,
        newest_first=is_list and label.order == "newest_first",
        keeps_oldest=is_list,
        per_spine_unit=per_spine_unit,
    )
    return ShiftedLabel(aggregate, ahead + 1, late, until=per_spine_unit if aged else None, age=label.age)


def label_columns(
    aggregate: Aggregate, labels: Sequence[ShiftedLabel], history: History, probes: Probes, where: str
) -> list[pa.Array]:
    """One array per label; `aggregate` is that of an engine, and raises what it raises."""
    columns: dict[int, pa.Array] = {}
    history = _with_times(history, labels)
    for moment in dict.fromkeys((label.ahead, label.matures_after) for label in labels):
        ahead, late = moment
        indices = [index for index, label in enumerate(labels) if (label.ahead, label.matures_after) == moment]
        wanted = [labels[index].aggregate for index in indices]
        then = replace(probes, time=_later(probes.time, ahead))
        columns.update(zip(indices, aggregate(_known_earlier(history, late), then, wanted, where), strict=True))
    now = probes.ordered(probes.time)
    return [_finished(label, columns[index], now) for index, label in enumerate(labels)]


def _with_times(history: History, labels: Sequence[ShiftedLabel]) -> History:
    """The history with the times of its rows as columns, NULL where a column is."""
    wanted = {name for label in labels for name in label.aggregate.reads if name.startswith(_TIMES_OF)}
    times = {}
    for name in wanted:
        source = name.removeprefix(_TIMES_OF)
        mask = history.columns[source].is_null().to_numpy(zero_copy_only=False) if source else None
        times[name] = pa.array(history.time, mask=mask)
    return replace(history, columns={**history.columns, **times}) if times else history


def _finished(label: ShiftedLabel, column: pa.Array, now: Int64s) -> pa.Array:
    """A time becomes the time until then, rounded down: it is later than the probe, by less than int64 holds."""
    if label.until is None:
        return column
    if label.age is not None:
        return _with_ages(column, now, label.aggregate, label.until, label.age)
    empty = column.is_null().to_numpy(zero_copy_only=False)
    until = (pc.fill_null(column, 0).to_numpy() - np.where(empty, 0, now)) // label.until
    return pa.array(until, mask=empty)


def _with_ages(column: pa.Array, now: Int64s, aggregate: WindowedAggregate, per_unit: int, age: str) -> pa.Array:
    """Lists in which the times of rows are ages, rounded down: below 0, as all rows are later than the probe."""
    lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False).astype(np.int64)
    items = column.flatten()
    times = items if aggregate.apart else items.field(_TIMES_OF)
    ages = pa.array((np.repeat(now, lengths) - times.to_numpy(zero_copy_only=False)) // per_unit)
    if not aggregate.apart:
        names = aggregate.columns[:-1]
        ages = pa.StructArray.from_arrays([*(items.field(name) for name in names), ages], names=[*names, age])
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    kind = pa.LargeListArray if pa.types.is_large_list(column.type) else pa.ListArray
    return kind.from_arrays(pa.array(offsets, pa.int64() if kind is pa.LargeListArray else pa.int32()), ages)


def _later(time: Int64s, ahead: int) -> Int64s:
    """`time + ahead`, at most the greatest int64."""
    return np.minimum(time, _GREATEST - min(ahead, _GREATEST)) + min(ahead, _GREATEST)


def _known_earlier(history: History, late: int) -> History:
    """The history as if each row had been known so much earlier; what is known never stays so."""
    if history.known is None or late == 0:
        return history
    less = min(late, _GREATEST)
    earlier = np.maximum(history.known, _LEAST + less) - less
    return replace(history, known=np.where(history.known == _NEVER, _NEVER, earlier))

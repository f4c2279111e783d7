"""Labels that are NULL until they are mature (`immature: null`): which are not on a day, by the rule as it is written.

A label of a day is mature when the data of its history reaches the end of the day and, behind that, its gap, its window
and `matures_after`. Views of attributes count by an explicit `data_until` alone. Times are nanoseconds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable

from daeda.catalog.project import Project
from daeda.durations import Duration
from daeda.settings.aggregations import LabelSpec
from daeda_audit.declared import Declared, Derived, FromFuture, label_maker, read_columns
from daeda_audit.instants import PER_DAY, day_of
from daeda_audit.raw.view import RawView, RawViews
from daeda_audit.values import from_arrow, nanoseconds

# Begins the setting of a manifest that names a label which is NULL on the day.
_SETTING = "label "


def said_immature(settings: Iterable[str]) -> frozenset[str]:
    """The labels that a manifest says are NULL on its day."""
    return frozenset(name.removeprefix(_SETTING) for name in settings if name.startswith(_SETTING))


def immature_labels(project: Project, raws: RawViews, day: dt.date) -> frozenset[str]:
    """The labels with `immature: null` that the data of now does not reach."""
    end = (day_of(day).number + 1) * PER_DAY
    reaches: dict[str, int] = {}
    found = set()
    for spec in project.aggregations.label_specs:
        if spec.immature is not None:
            continue
        for view in _views(project, spec):
            if view not in reaches:
                reaches[view] = _reach(project, raws[view])
        reach = min(reaches[view] for view in _views(project, spec))
        found |= {output.name for output in spec.outputs if reach < end + _horizon(spec, output.window)}
    return frozenset(found)


def null_columns(project: Project, declared: Iterable[Declared], labels: Collection[str]) -> frozenset[str]:
    """The columns that are NULL where these labels are: themselves, and what is derived from them."""
    columns = {column.name: column for column in declared}
    null = {name for name, column in columns.items() if isinstance(column.maker, FromFuture) and name in labels}
    while True:
        more = {
            name
            for name, column in columns.items()
            if name not in null and isinstance(column.maker, Derived)
            for read in read_columns(column.maker)
            if (read in null and read != name)
            or (read in labels and (read == name or read not in columns) and label_maker(project, read) is not None)
        }
        if not more:
            return frozenset(null)
        null |= more


def _horizon(spec: LabelSpec, window: Duration) -> int:
    spans = (spec.gap, window, *(() if spec.matures_after is None else (spec.matures_after,)))
    return sum(span.nanoseconds or 0 for span in spans)


def _views(project: Project, spec: LabelSpec) -> list[str]:
    said = project.runtime.data_until
    attributes = [attribute.partition(":")[0] for attribute in spec.history.attributes]
    timed = [name for name in attributes if project.views[name].source.timestamp_field is not None]
    return [spec.history.view, *(name for name in timed if name in said or "" in said)]


def _reach(project: Project, raw: RawView) -> int:
    """Up to when a view is complete."""
    said = project.runtime.data_until
    name, source = raw.view.name, raw.view.source
    if name in said or "" in said:
        return said.get(name, said.get("", 0))
    if raw.partitions:
        last = day_of(max(raw.partitions)).number
        reach = (last + 1 - source.partition_slack) * PER_DAY
    else:
        reach = _newest(raw, source.timestamp_field or "")
    return reach if source.created_field is None else min(reach, _newest(raw, source.created_field))


def _newest(raw: RawView, column: str) -> int:
    """The newest instant of a column; before all days where there is none."""
    unit = raw.view.unit_of(column)
    values = (value for file in raw.files() for value in from_arrow(raw.columns(file, [column])[0]))
    return max((at for value in values if (at := nanoseconds(value, unit)) is not None), default=-(2**80))

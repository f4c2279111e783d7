"""The service and its range as commented YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from daeda.importing.last_day import shown_instant
from daeda.init_project.aggregations_yaml import count_name, mean_name, mean_windows
from daeda.init_project.data import ViewData
from daeda.init_project.days import Range
from daeda.init_project.proposal import Proposal, View
from daeda.init_project.tables import valid_name
from daeda.init_project.times import share
from daeda.init_project.windows import is_late, is_part, is_planned, is_tally
from daeda.init_project.yaml_text import comment, expression, flow, listed, scalar

_MOST_SPARE = 6
_DAY_SECONDS = 86_400
_FACTORS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def service_yaml(proposal: Proposal) -> str:
    """The file of the service."""
    events = proposal.events
    lines = comment(
        "The contract: which columns the training set has. A column that is not wanted is a line to remove, and a line "
        "behind # one to take in. Proposed by `daeda init`."
    )
    lines += [
        f"name: {proposal.service}", "version: 1", f"grain: {listed(proposal.grain)}",
        f"spine: {flow({'view': scalar(events.name)})}", *_without_nulls(proposal), "columns:",
    ]  # fmt: skip
    lines += _own(proposal)
    lines += _label(proposal)
    lines += _clock(proposal)
    for view in proposal.views:
        if view.role in ("look-up", "static"):
            lines += _looked_up(view)
    lines += _windows(proposal)
    lines += _of_the_event(proposal)
    return "\n".join(lines) + "\n"


def _without_nulls(proposal: Proposal) -> list[str]:
    """What is said of rows without a label, or without what a label looks for, as a comment."""
    lines = comment(lacking_labels(proposal))
    if told := lacking_keys(proposal):
        key = proposal.events.keys[0]
        spine = {
            "view": scalar(proposal.events.name),
            "filters": f"[{{where: {scalar(f'{expression(key)} IS NOT NULL')}}}]",
        }
        lines += [*comment(f"{told}. Without those rows:"), f"# spine: {flow(spine)}"]
    return lines


def lacking_keys(proposal: Proposal) -> str:
    """In how many rows it is not known whose they are, where a label says something of them; empty for none."""
    label, events = proposal.label, proposal.events
    key = next(one for one in events.fields if one.name == events.keys[0])
    if label is None or label.of_field or key.column is None or not key.column.nulls:
        return ""
    found = "no value" if label.measure else "false"
    return (
        f"{key.name} is NULL in {share(key.column.null_share)} of the rows: nothing is found for them, so that their "
        f"label is {found}, whatever came after"
    )


def lacking_labels(proposal: Proposal) -> str:
    """In how many rows a label is NULL, and how a reader leaves them out; empty for none. No filter reads a label."""
    label, events = proposal.label, proposal.events
    outcome = next((one for one in events.fields if label is not None and one.name == label.of_field), None)
    if label is None or outcome is None or outcome.column is None or not outcome.column.nulls:
        return ""
    told = f"{outcome.name} is NULL in {share(outcome.column.null_share)} of the rows"
    return f'{told}; to train without those: .polars().drop_nulls("{label.name}")'


def _column(name: str, kind: str, dtype: str = "", **more: str) -> str:
    typed = {"dtype": scalar(dtype)} if dtype else {}
    return f"  - {flow({'name': scalar(name), 'kind': kind, **typed, **more})}"


def _out(line: str) -> str:
    """A line behind a comment."""
    return f"  # {line.strip()}"


def _own(proposal: Proposal) -> list[str]:
    events = proposal.events
    time = events.time_field
    types = {one.name: one.dtype for one in events.fields}
    lines = ["  # What names an event, and when it happened."]
    lines += [_column(key, "key", types[key]) for key in events.keys]
    lines += [_column(name, "spine", types[name]) for name in proposal.grain if name not in events.keys]
    return [*lines, _column(time.name, "timestamp", time.dtype)]


def _label(proposal: Proposal) -> list[str]:
    label = proposal.label
    if label is None:
        return comment("Nothing is predicted yet: see label_specs in config/training/aggregations.yaml.", 2)
    types = {one.name: one.dtype for one in proposal.events.fields}
    asked = f"What is predicted: {label.asked(proposal.events.keys[0])}."
    if not label.of_field:
        lines = comment(f"{asked} No feature can read it.", 2)
    else:
        told = f"By label: true it is a label, and whatever reads it, or {label.of_field} of the row, is one too."
        lines = comment(f"{asked} {told}", 2)
        read = scalar(expression(label.of_field))
        return [*lines, _column(label.name, "derived", types[label.of_field], expression=read, label="true")]
    lines += [_column(f"{label.name}_{label.window}", "label")]
    if label.others:
        lines += comment("Or an outcome of the event itself:", 2)
        lines += [
            _out(_column(f"label_{name}", "derived", types[name], expression=scalar(expression(name)), label="true"))
            for name in label.others[:2]
        ]
    return lines


def _clock(proposal: Proposal) -> list[str]:
    """The hour and the day of the week, which everybody knows beforehand."""
    events = proposal.events
    time, field = events.time, events.time_field
    assert time is not None
    zone = {} if events.zone == "UTC" else {"timezone": events.zone}
    factor = _FACTORS[time.unit] if time.unit is not None else 0
    read = expression(field.name)
    hour, weekday = f"hour_of({read})", f"day_of_week({read})"
    if factor:
        hour = f"CAST({read} // {3_600 * factor} % 24 AS TINYINT)"
        weekday = f"CAST(({read} // {_DAY_SECONDS * factor} + 3) % 7 + 1 AS TINYINT)"
        zone = {}
    taken = [one.name for view in proposal.views for one in view.fields]
    lines = [f"  # The clock in {events.zone if zone else 'UTC'}, 1 is Monday."]
    if time.has_clock:
        lines.append(_clock_column("hour_of_day", hour, taken, zone))
    return [*lines, _clock_column("weekday", weekday, taken, zone)]


def _clock_column(name: str, read: str, taken: Sequence[str], zone: Mapping[str, str]) -> str:
    spelled = scalar(read) if '"' in read else f'"{read}"'
    return _column(valid_name(name, taken), "derived", "int8", expression=spelled, **zone)


def _looked_up(view: View) -> list[str]:
    kind = "static" if view.role == "static" else "point_in_time"
    types = {one.name: one.dtype for one in view.fields}
    how = "as the file has it today" if kind == "static" else "in the newest row before the event"
    lines = comment(f"Of {view.name}, {how}: {view.reasons['join']}.", 2)
    lines += [_column(name, kind, types[name]) for name in view.features]
    tallies = {one.name for one in view.fields if is_tally(one)} if view.role == "static" else set[str]()
    spare = [
        _out(_column(name, kind, types[name])) + ("   # named like a count up to today" if name in tallies else "")
        for name in view.others.get("features", ())
    ]
    return lines + _few(spare)


def _few(spare: Sequence[str]) -> list[str]:
    rest = len(spare) - _MOST_SPARE
    return [*spare[:_MOST_SPARE], *([f"  # and {rest} more, which the view has"] if rest > 0 else [])]


def _windows(proposal: Proposal) -> list[str]:
    windows = proposal.windows
    if windows is None:
        return []
    lines = comment(f"What the same {windows.key} did before (config/training/aggregations.yaml).", 2)
    lines += [_column(f"{count_name(windows)}_{window}", "rolling") for window in windows.windows]
    return lines + [_column(f"{mean_name(windows)}_{window}", "rolling") for window in mean_windows(windows)]


def _of_the_event(proposal: Proposal) -> list[str]:
    """The other columns of the event: features only where they are fixed before it."""
    events = proposal.events
    time = events.time
    assert time is not None
    predicted = proposal.label.of_field if proposal.label is not None else ""
    used = {*events.keys, *proposal.grain, events.time_field.name, events.created, predicted}
    rest = [one for one in events.fields if one.name not in used and one.source not in time.columns and one.source]
    planned = [one for one in rest if is_planned(one)]
    lines = []
    if planned:
        lines += ["  # Of the event itself, and named like what is fixed beforehand."]
        lines += [_column(one.name, "spine", one.dtype) for one in planned]
    others = [one for one in rest if one not in planned]
    if others:
        lines += comment(
            "Of the event itself: a feature only if it is known before the event is scored. Nothing here is taken in "
            "unasked.", 2,
        )  # fmt: skip
        others.sort(key=lambda one: (is_part(one), is_late(one)))
        lines += _few(
            [
                _out(_column(one.name, "spine", one.dtype)) + ("   # named like an outcome" if is_late(one) else "")
                for one in others
            ]
        )
    return lines


def runtime_yaml(proposal: Proposal, data: ViewData, days: Range) -> str:
    """The file of the range."""
    lines = comment("Which days are built, and where to. Paths are relative to this project. Proposed by `daeda init`.")
    lines += [f"service: {proposal.service}", "output_root: output"]
    told = f"Rows are from {data.first} to {data.last}, in UTC."
    if proposal.windows is not None and not days.cut:
        told += f" From {days.earliest} on, windows of {proposal.windows.windows[-1]} are full."
    if days.cut:
        told += " The data is too short for full windows: they are cut by its beginning."
    if proposal.label is not None and proposal.label.window:
        told += f" Behind {days.last} the label is not known yet, or a look-up has no rows."
    lines += comment(told)
    if days.first > days.earliest:
        lines += comment(f"These are the last of the days that can be built: feed_start may be {days.earliest}.")
    lines += [f"feed_start: {days.first}", f"feed_end: {days.last}"]
    return "\n".join([*lines, *_until(proposal, data)]) + "\n"


def _until(proposal: Proposal, data: ViewData) -> list[str]:
    """Before which instant labels may count on the rows, where files would say too much."""
    events, label = proposal.events, proposal.label
    if data.until is None:
        return []
    lines = comment(
        f"{data.last} has rows up to {shown_instant(data.until)} only, and is not a whole day: it is left out above."
    )
    # Rows that become known later say themselves how far the data reaches, and so do files without partitions.
    if label is None or not label.window or events.created or not data.partitioned:
        return lines
    lines += comment(
        "Labels count on the rows before this instant alone. When the rest has come, remove the line; or move it on."
    )
    return [*lines, f"data_until: {flow({scalar(events.name): data.until.isoformat()})}"]

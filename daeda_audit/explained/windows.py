"""Which rows fell into the window of a row, and which nearly did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from daeda.settings.aggregations import AggregationSpec, LabelSpec
from daeda_audit.declared import FromFuture, FromHistory
from daeda_audit.explained.reasons import Bounds, RawRow, Reasons, fields_beside, just_missed, no_key, raw_row
from daeda_audit.expression.syntax import columns_of
from daeda_audit.instants import Instant
from daeda_audit.raw.view import RawView, RawViews, Row, key_of
from daeda_audit.rules.history import load_history
from daeda_audit.rules.labels import Labels
from daeda_audit.rules.reach import begin_and_end
from daeda_audit.rules.visible import unseen_by_window

_NOT_CHOSEN = "'where' is not true"


def explain_window(raws: RawViews, maker: FromHistory, key: Mapping[str, Any], now: int) -> Reasons:
    """The history rows of the window of a row with this key at `now`."""
    spec = maker.spec
    history = load_history(raws, maker, now, maker.window, key)
    raw, wanted = history.raw, key_of(key, history.keys) or ()
    counted: list[Row] = []
    hidden: list[tuple[Row, str]] = []
    for row in history.kept.get(wanted, ()):
        reason = unseen_by_window(raw, row, now, spec, maker.window)
        if reason is None and spec.column is not None and row[spec.column] is None:
            reason = f"its '{spec.column}' is NULL"
        if reason is None:
            counted.append(row)
        else:
            hidden.append((row, reason))
    for row in history.dropped.get(wanted, ()):
        hidden.append((row, unseen_by_window(raw, row, now, spec, maker.window) or _NOT_CHOSEN))
    begin, end = begin_and_end(spec, maker.window, now)
    bounds = Bounds(begin, end, "[)")
    names = _names(raw, maker, history.keys)
    return Reasons(
        _made_by(spec, maker, history.keys),
        key,
        bounds,
        [raw_row(raw, row, names) for row in counted],
        just_missed((raw_row(raw, row, names, reason) for row, reason in hidden), bounds),
        notes=[*no_key(key), *_of_serving(raw, spec)],
    )


def explain_label(labels: Labels, maker: FromFuture, key: Mapping[str, Any], number: int) -> Reasons:
    """The rows after a row, which is number `number` of those that ask."""
    raw, keys = labels.raw, labels.keys
    names = _names(raw, maker, keys)
    judged = labels.judged(number, [one for one in dict.fromkeys((*_times(raw), *keys, *names)) if one])
    rows = [(raw_row(raw, row, names, reason or ""), reason) for reason, row in judged]
    bounds = Bounds(*labels.bounds(number), "(]")
    counted = [row for row, reason in rows if reason is None]
    missed: list[RawRow] = [row for row, reason in rows if reason is not None]
    notes = no_key(key)
    if raw.view.source.created_field is not None:
        notes.append(f"a row counts that became known by {Instant(labels.known_by(number))}")
    return Reasons(_made_by(maker.spec, maker, keys), key, bounds, counted, just_missed(missed, bounds), notes=notes)


def _names(raw: RawView, maker: FromHistory | FromFuture, keys: tuple[str, ...]) -> list[str]:
    """The columns to show of a history row: what is aggregated, what `where` reads, and attributes."""
    read = () if maker.where is None else columns_of(maker.where)
    attributes = (attribute.partition(":")[2] for attribute in maker.spec.history.attributes)
    return fields_beside(raw, keys, (*maker.spec.reads, *read, *attributes))


def _times(raw: RawView) -> tuple[str | None, str | None]:
    return raw.view.source.timestamp_field, raw.view.source.created_field


def _made_by(spec: AggregationSpec | LabelSpec, maker: FromHistory | FromFuture, keys: tuple[str, ...]) -> str:
    of = "rows" if not spec.reads else ", ".join(spec.reads)
    quantile = "" if maker.q is None else f" {maker.q}"
    condition = "" if spec.where is None else f" where {spec.where}"
    most = "" if spec.max_length is None else f", at most {spec.max_length}"
    moved = "" if isinstance(spec, LabelSpec) or spec.offset is None else f", moved back by {spec.offset}"
    grid = "" if isinstance(spec, LabelSpec) or spec.aligned_to is None else f", aligned to {spec.aligned_to}"
    return (
        f"{spec.kind}{quantile} of {of} of {spec.history.view} by {', '.join(keys)}{condition}, "
        f"window {maker.window}{_gap(spec)}{moved}{grid}{most}"
    )


def _gap(spec: AggregationSpec | LabelSpec) -> str:
    """How far after the row the window of a label begins."""
    if not isinstance(spec, LabelSpec) or not spec.gap.nanoseconds:
        return ""
    return f" from {spec.gap} after the row on"


def _of_serving(raw: RawView, spec: AggregationSpec) -> list[str]:
    available = spec.available_in(raw.view.source.available)
    if available is None:
        return []
    known = raw.view.source.created_field or raw.view.source.timestamp_field or ""
    return [f"a row can be used from {available.told(known)} on"]

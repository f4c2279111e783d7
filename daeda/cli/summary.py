"""The tables at the end of a run and of a plan."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from daeda.catalog.service import FeatureService
from daeda.cli.spans import DayTable, range_cell
from daeda.dataset.layout import Dataset
from daeda.errors import counted, shortened
from daeda.planning.days import MISSING_ADVICE, Action, DayPlan
from daeda.process.console import HarmlessConsole
from daeda.process.log import Fields, is_json
from daeda.process.messages import say
from daeda.settings.splits import in_order

if TYPE_CHECKING:
    from daeda.answers.days import BuiltDay

_STYLES = {
    "blocked": "red",
    "not built": "red",
    "stale": "yellow",
    "kept, stale": "yellow",
    "wait": "cyan",
    "waiting": "cyan",
    "build": "green",
    "built": "green",
    "rebuilt": "green",
    "extended": "green",
}
_PLANNED = {
    Action.BUILD: "build",
    Action.REBUILD: "stale: rebuild",
    Action.EXTEND: "stale: extend",
    Action.SKIP: "skip",
    Action.KEEP: "stale: keep",
    Action.BLOCKED: "blocked",
    Action.WAIT: "wait",
}
_KEPT = {"kept": "kept, stale"}
# As fingerprints tell them; so many or more are counted.
_OPERATOR, _MANY_OPERATORS = "operator ", 3


def print_run(title: str, days: Sequence[BuiltDay]) -> None:
    """A row per day: rows, seconds of each phase, and what was done; neighbours that were left alone share one."""
    if is_json():
        _log_run(title, days)
        return
    console = HarmlessConsole(stderr=True)
    # What was built has seconds of its own.
    table = DayTable(console, title, [(day.day, day if _was_built(day) else _outcomes(day)) for day in days])
    datasets = list(days[0].datasets) if days else []
    table.table.add_column("rows", justify="right")
    for dataset in datasets:
        table.table.add_column(f"{dataset} s", justify="right")
        table.table.add_column(dataset)
    for span in table.spans:
        there = [rows for index in span if (rows := _rows(days[index])) is not None]
        cells: list[str | Text] = []
        for built, outcome in zip(days[span[0]].datasets.values(), _outcomes(days[span[0]]), strict=True):
            cells += ["" if built.seconds is None else f"{built.seconds:.2f}", _state(outcome)]
        table.add_row(span, f"{sum(there):,}" if there else "", *cells)
    seconds = [sum(day.datasets[dataset].seconds or 0.0 for day in days) for dataset in datasets]
    rows_in_all = sum(_rows(day) or 0 for day in days)
    table.add_total(f"{rows_in_all:,}", *(cell for total in seconds for cell in (f"{total:.2f}", "")))
    table.show()


def _state(text: str) -> Text:
    """What becomes of a day, in the colour of its state, which is that of the word before a colon."""
    return Text(text, style=_STYLES.get(text.partition(":")[0], ""))


def _log_run(title: str, days: Sequence[BuiltDay]) -> None:
    """A line for each day and half that was built, was left as it is, or was not built, and one for all of them."""
    for day in days:
        for dataset, built in day.datasets.items():
            fields = Fields(day=day.day, half=dataset)
            if built.rows is not None:
                fields["rows"] = built.rows
            if built.seconds is not None:
                fields["seconds"] = built.seconds
            say(f"{dataset} {day.day}: {built.outcome}", **fields)
    rows_in_all = sum(_rows(day) or 0 for day in days)
    say(f"{title}: {counted(len(days), 'day')}, {rows_in_all:,} rows", rows=rows_in_all, days=len(days))


def _was_built(day: BuiltDay) -> bool:
    return any(built.seconds is not None for built in day.datasets.values())


def _outcomes(day: BuiltDay) -> tuple[str, ...]:
    return tuple(_KEPT.get(built.outcome, built.outcome) for built in day.datasets.values())


def _rows(day: BuiltDay) -> int | None:
    """Rows of the last dataset that is there."""
    return next((built.rows for built in reversed(day.datasets.values()) if built.rows is not None), None)


def print_plan(
    console: HarmlessConsole,
    plans: Mapping[Dataset, Sequence[DayPlan]],
    sources: Sequence[tuple[str, Path | str]],
    notes: Sequence[str] = (),
) -> None:
    """A row per day, or for neighbouring days that are planned alike, and the reasons; then which days look back beyond
    a view's first partition, and what is late."""
    days = next(iter(plans.values()), ())
    told = [_told(plans, index) for index in range(len(days))]
    table = DayTable(console, "plan", [(plan.day, what) for plan, what in zip(days, told, strict=True)])
    for dataset in plans:
        table.table.add_column(dataset)
    table.table.add_column("files read", justify="right")
    table.table.add_column("why", overflow="fold")
    for span in table.spans:
        actions, reasons = told[span[0]]
        files = range_cell([days[index].files for index in span])
        table.add_row(span, *map(_state, actions), files, shortened(_with_counts(reasons), 4))
    table.show()
    for sentence, cut in _cut_days(days):
        console.print(f"{sentence}: the windows of {shortened(cut, 3)} hold less than they could", soft_wrap=True)
    if any(plan.lacks_partitions for plan in days):
        console.print(f"missing partitions: {MISSING_ADVICE}", soft_wrap=True)
    for sentence in notes:
        console.print(sentence, soft_wrap=True)
    for view, path in sources:
        console.print(f"{view}: {path}", soft_wrap=True)


def splits_told(service: FeatureService, days: Sequence[dt.date]) -> tuple[str, ...]:
    """A sentence for each split, in the order of their days: how many days it has, and how many of them are planned."""
    sentences = []
    for name, split in in_order(service.splits):
        planned = sum(split.first <= day <= split.last for day in days)
        rest = "" if planned == len(split.days) else f", {planned} of them in feed_start to feed_end"
        sentences.append(f"split {name}: {split}, {counted(len(split.days), 'day')}{rest}")
    return tuple(sentences)


def _told(plans: Mapping[Dataset, Sequence[DayPlan]], index: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is told of a day: what becomes of it in each dataset, and each reason once."""
    chosen = [planned[index] for planned in plans.values()]
    reasons = dict.fromkeys(reason for day_plan in chosen for reason in day_plan.reasons)
    return tuple(_PLANNED[day_plan.action] for day_plan in chosen), tuple(reasons)


def _with_counts(reasons: Sequence[str]) -> list[str]:
    """The reasons, with many operators counted, so that inputs and labels are not lost behind them."""
    operators = [reason for reason in reasons if reason.startswith(_OPERATOR)]
    if len(operators) < _MANY_OPERATORS:
        return list(reasons)
    counts = {
        what: sum(reason.endswith(f" {what}") for reason in operators) for what in ("changed", "is new", "is gone")
    }
    told = ", ".join(f"{count} {what.removeprefix('is ')}" for what, count in counts.items() if count)
    at = reasons.index(operators[0])
    return [*reasons[:at], f"operators: {told}", *(reason for reason in reasons[at:] if reason not in operators)]


def _cut_days(plans: Iterable[DayPlan]) -> list[tuple[str, list[dt.date]]]:
    days: dict[str, list[dt.date]] = {}
    for plan in plans:
        for sentence in plan.cut:
            days.setdefault(sentence, []).append(plan.day)
    return list(days.items())

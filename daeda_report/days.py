"""The days of a report as they are published, and what train would do with them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from daeda.answers.days import PlannedDataset
from daeda.compiler.immature import null_columns
from daeda.dataset.fingerprint import immature_labels
from daeda.dataset.layout import DATASETS, Dataset, Layout
from daeda.dataset.manifest import Manifest
from daeda.dataset.published import Published, look_at_days
from daeda.operators.dag import Dag
from daeda_report.planned import Planned

# What a day is like, in the order in which the legend names them.
STATES = ("built", "extended", "stale", "waiting", "blocked", "missing")
_OF_PLAN = {"build": "missing", "rebuild": "stale", "extend": "stale", "keep": "stale", "blocked": "blocked"}
# The operator that takes over the unchanged columns of an extended day.
_EXTENDING = "extend"


@dataclass(frozen=True)
class DatasetDays:
    """The days of one dataset: manifests where a day is there, its state, and numbers of sentences that say why.

    The parts of a day that is `damaged` are not those that its manifest names.
    """

    manifests: tuple[Manifest | None, ...]
    states: tuple[str, ...]
    reasons: tuple[tuple[int, ...], ...]
    damaged: tuple[bool, ...]


@dataclass(frozen=True)
class DaysOfReport:
    """All of them, by dataset; `sentences` stand once, however many days have them."""

    layout: Layout
    days: tuple[dt.date, ...]
    datasets: Mapping[Dataset, DatasetDays]
    sentences: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, layout: Layout, dag: Dag, days: tuple[dt.date, ...], planned: Planned) -> DaysOfReport:
        """Look at the days."""
        sentences: dict[str, int] = {}
        names = DATASETS if dag.enrichments else DATASETS[:1]
        datasets = {name: _dataset(layout, name, dag, days, planned, sentences) for name in names}
        return cls(layout, days, datasets, list(sentences))

    @property
    def final(self) -> Dataset:
        """The dataset that is trained on."""
        return list(self.datasets)[-1]

    @property
    def manifests(self) -> tuple[Manifest | None, ...]:
        """Those of the final dataset."""
        return self.datasets[self.final].manifests

    @property
    def damaged(self) -> tuple[bool, ...]:
        """Whether the parts of each day of the final dataset are not those that were published."""
        return self.datasets[self.final].damaged

    @property
    def published(self) -> int:
        """How many days of the final dataset are there."""
        return sum(manifest is not None for manifest in self.manifests)

    def shown(self) -> dict[str, Any]:
        """For the page: by dataset, what there is of each day."""
        return {
            name: {
                "states": list(of.states),
                "reasons": [list(numbers) for numbers in of.reasons],
                "rows": [None if one is None else one.rows for one in of.manifests],
                "bytes": [None if one is None else sum(part.size for part in one.parts) for one in of.manifests],
                "parts": [None if one is None else len(one.parts) for one in of.manifests],
                "seconds": [None if one is None else round(sum(one.seconds.values()), 3) for one in of.manifests],
            }
            for name, of in self.datasets.items()
        }


def immature_columns(dag: Dag, days: DaysOfReport) -> list[frozenset[str]]:
    """For each day the columns that are NULL because a label was not mature; the label may be one of before."""
    skeletons = days.datasets["skeleton"].manifests
    lacking = [frozenset[str]() if one is None else immature_labels(one.fingerprint) for one in skeletons]
    return [labels | null_columns(dag, labels) if labels else labels for labels in lacking]


def _dataset(
    layout: Layout,
    name: Dataset,
    dag: Dag,
    days: Sequence[dt.date],
    planned: Planned,
    sentences: dict[str, int],
) -> DatasetDays:
    there = look_at_days(layout, name, days)
    own = {operator.name for operator in dag.operators}
    states, reasons = [], []
    for day in days:
        published, plan = there.get(day), None
        if day in planned.days:
            plan = planned.days[day].datasets.get(name)
        states.append(_state(published, plan, own))
        told = (*(plan.reasons if plan is not None else ()), *(published.damage if published is not None else ()))
        reasons.append(tuple(sentences.setdefault(one, len(sentences)) for one in dict.fromkeys(told)))
    manifests = tuple(there[day].manifest if day in there else None for day in days)
    damaged = tuple(day in there and bool(there[day].damage) for day in days)
    return DatasetDays(manifests, tuple(states), tuple(reasons), damaged)


def _state(published: Published | None, plan: PlannedDataset | None, own: set[str]) -> str:
    """What a day is like; what is published of a day that waits is told by its rows."""
    manifest = published.manifest if published is not None else None
    if plan is not None and plan.action == "wait":
        return "waiting"
    if plan is not None and plan.action in _OF_PLAN:
        return _OF_PLAN[plan.action]
    if manifest is None:
        return "missing"
    if published is not None and published.damage:
        return "stale"
    extended = any(name not in own and name.startswith(_EXTENDING) for name in manifest.seconds)
    return "extended" if extended else "built"

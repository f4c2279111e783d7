"""The checks of a service on days that are published: what is not judged yet is, and put into the manifests.

A day alone is judged when it is written, so that only checks that were changed since are judged here. Checks that
compare days are judged in the order of days, on the last dataset that the run makes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from daeda.checks.judge import DayFacts, due, judge, written_by_enrichment, written_by_skeleton
from daeda.checks.over_days import Days, days_needed, judge_over_days
from daeda.checks.rows import Rows
from daeda.dataset.fingerprint import immature_labels
from daeda.dataset.layout import Dataset, Layout
from daeda.dataset.manifest import DayName, Manifest, Verdict
from daeda.dataset.published import look_at_days
from daeda.dataset.stamps import remember_verdicts
from daeda.settings.checks import Check
from daeda.sql.locked import AllowedPaths, connect
from daeda.statistics.kept import statistics_of

Connect = Callable[[AllowedPaths], duckdb.DuckDBPyConnection]
Manifests = Mapping[Dataset, Mapping[dt.date, Manifest]]


@dataclass(frozen=True)
class Judging:
    """The checks of a service over its published days.

    `connect` opens a connection that reaches some files, `null_columns` tells which columns are NULL where some labels
    are not mature.
    """

    layout: Layout
    checks: Sequence[Check]
    labels: tuple[str, ...]
    connect: Connect = connect
    null_columns: Callable[[frozenset[str]], frozenset[str]] = frozenset

    def judge(self, datasets: Sequence[Dataset], days: Sequence[dt.date]) -> dict[dt.date, tuple[Verdict, ...]]:
        """The verdicts of each of the days that is published, of both halves; new ones are kept in the manifests."""
        if not self.checks:
            return {}
        manifests = self.manifests(datasets, days)
        last = datasets[-1]
        immature = {day: self._immature(own) for day, own in manifests["skeleton"].items()}
        over = Days(manifests[last], lambda manifest: statistics_of(self.layout, manifest), immature)
        found: dict[dt.date, tuple[Verdict, ...]] = {}
        for day in sorted(set(days)):
            for dataset in datasets:
                manifest = manifests[dataset].get(day)
                if manifest is None:
                    continue
                verdicts = self._alone(manifest, manifests["skeleton"].get(day))
                if dataset == last:
                    compared = [check for check in self.checks if check.compares_days]
                    verdicts += tuple(judge_over_days(check, day, over) for check in compared)
                if verdicts != manifest.checks:
                    name = DayName(manifest.service, dataset, day)
                    remember_verdicts(self.layout, name, manifest.parts, verdicts)
                found[day] = (*found.get(day, ()), *verdicts)
        return found

    def manifests(self, datasets: Sequence[Dataset], days: Sequence[dt.date]) -> Manifests:
        """Of the days; of the last dataset and the skeleton, of those too that they are compared with.

        A damaged day has none.
        """
        others = {
            each for check in self.checks if check.compares_days for day in days for each in days_needed(check, day)
        }
        found: dict[Dataset, Mapping[dt.date, Manifest]] = {}
        # What the enrichment fills in, and which labels are not mature, is told by the skeleton.
        for dataset in dict.fromkeys(("skeleton", *datasets)):
            looked = look_at_days(self.layout, dataset, sorted({*days, *others}))
            found[dataset] = {
                day: there.manifest for day, there in looked.items() if there.manifest is not None and not there.damage
            }
        return found

    def _alone(self, manifest: Manifest, skeleton: Manifest | None) -> tuple[Verdict, ...]:
        """The verdicts that the day alone decides: those that are known, and those of checks that were changed."""
        if manifest.dataset == "skeleton":
            checks = due(self.checks, written_by_skeleton(manifest.columns), enriched=False)
        else:
            columns = () if skeleton is None else skeleton.columns
            checks = due(self.checks, written_by_enrichment(columns), enriched=True)
        # What was not judged costs nothing to look at again.
        known = {one.check: one for one in manifest.checks if one.outcome != "not judged"}
        facts = self._facts(manifest, skeleton or manifest)
        return tuple(
            replace(known[check.text], severity=check.severity) if check.text in known else judge([check], facts)[0]
            for check in checks
        )

    def _facts(self, manifest: Manifest, skeleton: Manifest) -> DayFacts:
        directory = self.layout.day_dir(manifest.dataset, dt.date.fromisoformat(manifest.day))
        parts = [(str(directory / part.name), part.rows) for part in manifest.parts]
        types = {column.name: column.dtype for column in manifest.columns}
        contents = Rows(parts, types, self.labels, lambda: self.connect(AllowedPaths.of(path for path, _ in parts)))
        columns = {column.name: column for column in manifest.columns}
        return DayFacts(manifest.rows, columns, contents, immature=self._immature(skeleton))

    def _immature(self, skeleton: Manifest) -> frozenset[str]:
        labels = immature_labels(skeleton.fingerprint)
        # A day may be one of a pipeline of before, which had other labels.
        return labels | self.null_columns(labels) if labels else labels


def unjudged(checks: Sequence[Check], manifest: Manifest, skeleton: Manifest | None) -> int:
    """How many checks that a published day alone decides are to be judged anew."""
    columns = manifest.columns if skeleton is None else skeleton.columns
    enriched = manifest.dataset == "enriched"
    written = written_by_enrichment(columns) if enriched else written_by_skeleton(columns)
    known = {verdict.check for verdict in manifest.checks}
    return sum(check.text not in known for check in due(checks, written, enriched=enriched))

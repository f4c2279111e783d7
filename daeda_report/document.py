"""The content of a report: what the page shows at once, and apart from it what it shows of a column when asked.

Everything is columnar: lists with a value for each day of the report, null where there is none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from daeda.catalog.project import Project
from daeda.compiler.checks import checks_of
from daeda.dataset.layout import layout_of
from daeda.errors import counted
from daeda.operators.dag import Dag
from daeda.settings.splits import DayRange, in_order
from daeda_report.columns import described_columns, series_of
from daeda_report.days import DaysOfReport
from daeda_report.findings import Finding, ranked
from daeda_report.labels import described_labels
from daeda_report.operators import described_operators
from daeda_report.planned import Planned
from daeda_report.profiles import profiles_of
from daeda_report.read import read_views, software_of
from daeda_report.statistics import reference_of, statistics_of_days
from daeda_report.verdicts import described_checks, failed_checks


@dataclass(frozen=True)
class Document:
    """A report. `head` is what the page needs to begin, `details` what belongs to one column, by its number."""

    head: Mapping[str, Any]
    details: Sequence[Mapping[str, Any]] = ()
    findings: tuple[Finding, ...] = ()
    days: int = 0
    published: int = 0
    title: str = field(default="")

    @property
    def told(self) -> str:
        """What is said when it is written."""
        found = counted(len(self.findings), "finding")
        return f"{self.title}: {self.published} of {counted(self.days, 'day')} published, {found}"


def document_of(
    project: Project, dag: Dag, days: tuple[dt.date, ...], reference: DayRange | None, planned: Planned
) -> Document:
    """The report of a service; reads manifests and statistics of its published days."""
    layout = layout_of(project)
    seen = DaysOfReport.of(layout, dag, days, planned)
    chosen, told = reference_of(seen, reference)
    series = series_of(project, dag, seen, statistics_of_days(seen), chosen, chosen_by_hand=reference is not None)
    columns, details = described_columns(project, dag, seen, series)
    declared = checks_of(project, dag)
    findings = ranked(seen, series, failed_checks(seen, declared))
    service = project.service
    head = {
        "title": layout.title,
        "service": {
            "name": service.name,
            "version": service.version,
            "owner": service.owner,
            "description": service.description,
            "spine": service.spine.view,
            "grain": list(service.grain),
        },
        "days": [str(day) for day in days],
        "datasets": seen.shown(),
        "sentences": seen.sentences,
        "splits": [
            {"name": name, "first": str(split.first), "last": str(split.last)}
            for name, split in in_order(service.splits)
        ],
        "findings": [one.shown() for one in findings],
        "reference": {"days": list(chosen), "told": told} if chosen else None,
        "columns": columns,
        "labels": described_labels(project, dag, seen, series),
        "operators": described_operators(project, dag, seen),
        "checks": described_checks(seen, declared),
        "profiles": profiles_of(seen),
        "views": read_views(project, dag, seen),
        "software": software_of(seen),
        "notes": list(planned.notes),
        "problem": planned.problem,
    }
    return Document(head, details, findings, len(days), seen.published, layout.title)

"""`train --lineage`: what is told to a lineage catalog when a run is done."""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path

from daeda.catalog.project import Project
from daeda.cli.plan import TrainPlan
from daeda.dataset.layout import Layout
from daeda.dataset.manifest import Manifest
from daeda.dataset.published import look_at_days
from daeda.errors import counted
from daeda.lineage.destination import Destination, parse_destination
from daeda.process.extras import require
from daeda.process.messages import say


def lineage_destination(project: Project, arguments: argparse.Namespace) -> Destination | None:
    """Where events go, by the flag or by runtime.yaml; raises UsageError before the first day is built."""
    if arguments.lineage is not None:
        destination = parse_destination(arguments.lineage, Path.cwd(), "--lineage")
    elif project.runtime.lineage is not None:
        where = project.where("runtime", ("lineage",))
        destination = parse_destination(project.runtime.lineage, project.root, where)
    else:
        return None
    require("lineage")
    return destination


def tell_lineage(destination: Destination, plan: TrainPlan, layout: Layout, *, done: bool) -> None:
    """Send an event for each day that the run has published; of a run that failed, for those that are new."""
    from daeda.lineage.events import Events
    from daeda.lineage.sending import send

    events = Events(plan.project, plan.dag, layout, plan.paths)
    now = dt.datetime.now(dt.UTC)
    told = [events.of(manifest, now) for manifest in _published(plan, layout, done)]
    if told:
        send(destination, told)
        say(f"lineage of {counted(len(told), 'published day')}: {destination}")


def _published(plan: TrainPlan, layout: Layout, done: bool) -> list[Manifest]:
    found = []
    for dataset, days in plan.plans.items():
        there = look_at_days(layout, dataset, [day.day for day in days if day.builds])
        for day in days:
            manifest = there[day.day].manifest if day.day in there else None
            if manifest is not None and (done or manifest.parts != day.parts):
                found.append(manifest)
    return found

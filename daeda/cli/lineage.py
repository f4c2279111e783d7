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
from daeda.lineage.untold import Untold
from daeda.planning.days import Action
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
    from daeda.lineage.sending import authorization

    authorization()
    return destination


def expect_lineage(untold: Untold, plan: TrainPlan) -> None:
    """Note the days of a run before it begins, so that what it publishes is told even if it is killed."""
    for dataset, days in plan.plans.items():
        untold.note(dataset, [day.day for day in days if day.builds])


def tell_lineage(destination: Destination, untold: Untold, plan: TrainPlan, layout: Layout, *, done: bool) -> None:
    """Send an event for each day that the run has published; of a run that failed, for those that are new.

    Days of runs before that nobody was told of are told with them.
    """
    from daeda.lineage.events import Events
    from daeda.lineage.sending import send

    events = Events(plan.project, plan.dag, layout, plan.paths)
    now = dt.datetime.now(dt.UTC)
    published = _published(untold, plan, layout, done)
    if not published:
        return
    send(destination, [events.of(manifest, now) for manifest in published])
    for manifest in published:
        untold.told(manifest.dataset, [dt.date.fromisoformat(manifest.day)])
    say(f"lineage of {counted(len(published), 'published day')}: {destination}")


def _published(untold: Untold, plan: TrainPlan, layout: Layout, done: bool) -> list[Manifest]:
    found = []
    for dataset, days in plan.plans.items():
        # A day that is as the pipeline makes it, and no other one: the event has columns and fields of the pipeline.
        late = {day.day for day in days if day.action is Action.SKIP} & untold.days(dataset)
        there = look_at_days(layout, dataset, [day.day for day in days if day.builds or day.day in late])
        for day in days:
            manifest = there[day.day].manifest if day.day in there else None
            if manifest is not None and (done or day.day in late or manifest.parts != day.parts):
                found.append(manifest)
    return found

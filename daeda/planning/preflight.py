"""Checks before the first day: files, columns, types, timestamps, keys. Whatever they find is exit code 2."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import replace

from daeda.catalog.project import Project
from daeda.errors import InputError
from daeda.operators.dag import Dag
from daeda.operators.relational import Scan
from daeda.planning.checked import Checked, CheckedFile
from daeda.planning.days import Action, DayPlan
from daeda.planning.footers import check_footers
from daeda.planning.refusal import Refusal
from daeda.planning.sources import Sources
from daeda.planning.static_keys import check_static_keys
from daeda.sources.partitions import missing_days, missing_sentence
from daeda.storage.objects import before_the_first_day


@before_the_first_day()
def check_sources(project: Project, dag: Dag, sources: Sources, days: Iterable[dt.date]) -> Checked:
    """Check what the days would read, and return it; raises InputError with a line per view and kind of mistake."""
    checked: dict[str, CheckedFile] = {}
    refusals = _find_refusals(project, dag, sources, tuple(days), checked)
    if refusals:
        raise InputError(*dict.fromkeys(refusal.sentence for refusal in refusals))
    return Checked(sources.files, checked)


@before_the_first_day()
def block_refused(project: Project, dag: Dag, sources: Sources, plans: Sequence[DayPlan]) -> tuple[DayPlan, ...]:
    """The plans of the skeleton, those days blocked that `check_sources` would refuse."""
    refusals = _find_refusals(project, dag, sources, tuple(plan.day for plan in plans if plan.builds), {})
    reasons = {plan.day: tuple(refusal.sentence for refusal in refusals if plan.day in refusal.days) for plan in plans}
    return tuple(
        replace(plan, action=Action.BLOCKED, reasons=reasons[plan.day]) if plan.builds and reasons[plan.day] else plan
        for plan in plans
    )


def _find_refusals(
    project: Project, dag: Dag, sources: Sources, days: tuple[dt.date, ...], checked: dict[str, CheckedFile]
) -> list[Refusal]:
    """What would be refused; files that were looked at go to `checked`."""
    refusals: list[Refusal] = []
    for scan in sources.scans:
        refusals += _check_first_day(project, scan, sources, days)
        missing = {day: missing_days(scan, sources.files[scan.name], day) for day in days}
        lacking = [partition for partitions in missing.values() for partition in partitions]
        if lacking:
            sentence = missing_sentence(scan, sources.files[scan.name], lacking)
            refusals.append(Refusal(sentence, frozenset(day for day, held in missing.items() if held)))
    # What follows reads files, which makes no sense of days whose files are not there.
    refusals = refusals or check_footers(sources, days, checked)
    return refusals or (check_static_keys(dag, sources, days) if days else [])


def _check_first_day(project: Project, scan: Scan, sources: Sources, days: tuple[dt.date, ...]) -> list[Refusal]:
    declared = project.views[scan.view].source.first_day
    first = sources.files[scan.name].first_day
    if declared is None or first is None or first <= declared:
        return []
    sentence = (
        f"view '{scan.view}': source.first_day is {declared}, and the first partition is {first}: "
        "bring the earlier partitions back, or change first_day"
    )
    return [Refusal(sentence, frozenset(days))]

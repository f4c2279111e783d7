"""After a run: every day that was planned is there, by the manifests, whatever a half has said.

A manifest is held against what was planned, so that a day of before the run, or one that another run built meanwhile of
another configuration, does not pass for a day of this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from daeda.catalog.project import Project
from daeda.dataset.fingerprint import enriched_fingerprint, operator_digests, skeleton_fingerprint
from daeda.dataset.layout import Dataset, Layout, layout_of
from daeda.dataset.manifest import Fingerprint, Manifest
from daeda.dataset.published import Published, look_at_days
from daeda.dataset.stores import Stores
from daeda.errors import DayError, shortened
from daeda.operators.dag import Dag
from daeda.planning.configuration import function_codes
from daeda.planning.days import Action, DayPlan


def require_skeleton(project: Project, dag: Dag, plans: Sequence[DayPlan]) -> None:
    """Raise DayError unless the skeleton days are there as they were planned. `dag` is the skeleton's."""
    codes = function_codes(project, dag)
    plain = skeleton_fingerprint(operator_digests(dag.operators), {}, project.runtime.rows_per_part, codes)

    def without_inputs(plan: DayPlan) -> Fingerprint:
        if plan.immature is None:
            return plain
        digests = operator_digests(plan.immature.all_operators)
        return skeleton_fingerprint(digests, {}, project.runtime.rows_per_part, codes, plan.immature.labels)

    published = look_at_days(_layout(project), "skeleton", [plan.day for plan in plans])
    reasons = []
    for plan in plans:
        there = published.get(plan.day)
        reasons.append(_reason(plan, there, _with_inputs(without_inputs(plan), plan, there)))
    _refuse_lacking("skeleton", plans, reasons)


def require_enriched(project: Project, dag: Dag, plans: Sequence[DayPlan], stores: Stores) -> None:
    """Raise DayError unless the enriched days are there as they were planned, each of its skeleton. `dag` is whole."""
    days = [plan.day for plan in plans]
    published = look_at_days(_layout(project), "enriched", days)
    skeletons = look_at_days(_layout(project), "skeleton", days)
    reasons: list[str | None] = []
    for plan in plans:
        if plan.action is Action.WAIT:
            reasons.append(None)
            continue
        below = skeletons.get(plan.day)
        if below is None or below.manifest is None:
            reasons.append("its skeleton day is not there")
            continue
        wanted = enriched_fingerprint(dag, below.manifest.parts, stores)
        reasons.append(_reason(plan, published.get(plan.day), wanted))
    _refuse_lacking("enriched", plans, reasons)


def _reason(plan: DayPlan, there: Published | None, wanted: Fingerprint) -> str | None:
    """Why a day is not what was planned, None where it is. One that is kept, blocked or waits is whatever it was."""
    if plan.action in (Action.KEEP, Action.BLOCKED, Action.WAIT):
        return None
    if there is None or there.manifest is None:
        return "it was not published"
    if not plan.builds:
        return None
    differences = [*there.manifest.fingerprint.differences(wanted), *there.damage]
    return f"what is there is another: {shortened(differences, 3)}" if differences else None


def _with_inputs(plain: Fingerprint, plan: DayPlan, there: Published | None) -> Fingerprint:
    """What the plan knows of the inputs: those of a day that is built for the first time are digested by the day."""
    if plan.planned is not None:
        return plan.planned
    manifest: Manifest | None = there.manifest if there is not None else None
    return replace(plain, inputs=manifest.fingerprint.inputs if manifest is not None else {})


def _refuse_lacking(dataset: Dataset, plans: Sequence[DayPlan], reasons: Sequence[str | None]) -> None:
    lacking = {plan.day: reason for plan, reason in zip(plans, reasons, strict=True) if reason}
    if lacking:
        raise DayError(
            f"{dataset}: {len(lacking)} of {len(plans)} planned days are not there: {shortened(list(lacking))}; the "
            f"first because {next(iter(lacking.values()))}: run again to build them"
        )


def _layout(project: Project) -> Layout:
    return layout_of(project)

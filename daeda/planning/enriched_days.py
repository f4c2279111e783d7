"""The plan of the enriched half: what is to be done with each enriched day, given what happens to its skeleton day."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache

from daeda.catalog.project import Project
from daeda.dataset.fingerprint import enriched_fingerprint, enriched_identities
from daeda.dataset.identity import Recipes
from daeda.dataset.layout import layout_of
from daeda.dataset.manifest import Manifest
from daeda.dataset.published import Published, look_at_days
from daeda.dataset.stores import FindStores
from daeda.operators.dag import Dag
from daeda.planning.days import Action, DayPlan, compared, if_stale, obstructed, of_lower_versions, without_manifest
from daeda.planning.extension import enriched_recipes, vectors_kept
from daeda.storage.objects import before_the_first_day


@before_the_first_day()
def plan_enriched(
    project: Project,
    dag: Dag,
    skeleton: Iterable[DayPlan],
    on_stale: str,
    find_stores: FindStores,
    *,
    verify: bool = False,
    extend: bool = True,
) -> tuple[DayPlan, ...]:
    """The enriched days, given what happens to their skeleton days. `dag` is the whole one; `verify` as above.

    The stores are asked for where a published day is to be compared with them.
    """
    plans = tuple(skeleton)
    layout = layout_of(project)
    published = look_at_days(layout, "enriched", [plan.day for plan in plans], verify=verify)
    lower = (
        of_lower_versions(layout, "enriched", [plan.day for plan in plans if plan.day not in published])
        if extend
        else {}
    )
    # Found out once, and only where days go by another order.
    recipes = cache(lambda: enriched_recipes(dag))

    def plan_of(plan: DayPlan) -> DayPlan:
        of_day = published.get(plan.day)
        made = _enriched_day(of_day, dag, plan, on_stale, find_stores, recipes if extend else None)
        if of_day is not None or made.action is not Action.BUILD:
            return made
        version, manifest = lower.get(plan.day, (None, None))
        return _from_lower(made, dag, plan, version, manifest, find_stores, recipes)

    return tuple(plan_of(plan) for plan in plans)


def _enriched_day(
    published: Published | None,
    dag: Dag,
    skeleton: DayPlan,
    on_stale: str,
    find_stores: FindStores,
    recipes: Callable[[], Recipes] | None,
) -> DayPlan:
    day = skeleton.day
    if skeleton.action is Action.BLOCKED:
        return DayPlan(day, "enriched", Action.BLOCKED, ("its skeleton day is blocked",))
    if skeleton.action is Action.WAIT:
        waiting, outdated = skeleton.waiting, skeleton.outdated
        return DayPlan(day, "enriched", Action.WAIT, skeleton.reasons, waiting=waiting, outdated=outdated)
    if published is not None and published.obstacles:
        return obstructed(published, day, "enriched")
    if published is None or published.manifest is None:
        return without_manifest(published, day, "enriched", on_stale)
    damage, stamps = published.damage, published.stamps
    if skeleton.action is not Action.EXTEND and (skeleton.builds or skeleton.parts is None):
        reasons: tuple[str, ...] = ("its skeleton day is built anew", *damage)
        return DayPlan(day, "enriched", if_stale(on_stale), reasons, damage=damage, stamps=stamps)
    wanted = enriched_fingerprint(dag, skeleton.parts or (), find_stores())
    action, reasons = compared(published, published.manifest, wanted, on_stale)
    if skeleton.action is Action.EXTEND:
        action, reasons = if_stale(on_stale), ("its skeleton day is extended", *damage)
    plan = DayPlan(day, "enriched", action, reasons, damage=damage, stamps=stamps)
    if recipes is None or skeleton.identities is None or action is not Action.REBUILD or damage:
        return plan
    identities = enriched_identities(dag, skeleton.identities, find_stores())
    extension = vectors_kept(published.manifest, identities, wanted, dag, recipes)
    if extension is None:
        return plan
    told = reasons if skeleton.action is Action.EXTEND and not extension.vectors else (str(extension), *reasons)
    return replace(plan, action=Action.EXTEND, reasons=told, extension=extension)


def _from_lower(
    plan: DayPlan,
    dag: Dag,
    skeleton: DayPlan,
    version: int | None,
    manifest: Manifest | None,
    find_stores: FindStores,
    recipes: Callable[[], Recipes],
) -> DayPlan:
    """The plan of an enriched day that is in no place of its own, out of what a lower version has of it."""
    if manifest is None or skeleton.identities is None:
        return plan
    stores = find_stores()
    wanted = enriched_fingerprint(dag, skeleton.parts or (), stores)
    identities = enriched_identities(dag, skeleton.identities, stores)
    extension = vectors_kept(manifest, identities, wanted, dag, recipes, version)
    return plan if extension is None else replace(plan, reasons=(str(extension),), extension=extension)

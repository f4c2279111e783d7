"""The plan of a run: for each day, what is to be done and why. `plan`, `train` and both halves read it.

Here are the skeleton days, and what plans of both halves have in common; `enriched_days` has the other half.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from daeda.catalog.project import Project
from daeda.dataset.fingerprint import operator_digests, skeleton_fingerprint
from daeda.dataset.layout import Dataset, Layout, layout_of
from daeda.dataset.manifest import ColumnIdentities, Fingerprint, Manifest, Part
from daeda.dataset.published import Published, look_at_days
from daeda.dataset.versions import days_of_lower_versions
from daeda.errors import DayError, InputError, UsageError, counted, shortened
from daeda.operators.dag import Dag
from daeda.planning.configuration import function_codes
from daeda.planning.extension import Extension, Extensions
from daeda.planning.immature import ImmatureDay
from daeda.planning.maturity import Maturity, Waiting
from daeda.planning.sources import Sources
from daeda.sources.files import SourceFiles, parse_day
from daeda.sources.identity import Identities
from daeda.sources.partitions import missing_days
from daeda.storage.objects import before_the_first_day
from daeda.storage.state import InputFile

MISSING_ADVICE = (
    "add the partitions (a directory without rows is an empty day), or say source.missing_partitions: empty"
)


class Action(Enum):
    """What is to be done with a day."""

    BUILD = "build"
    SKIP = "skip"
    REBUILD = "rebuild"
    EXTEND = "extend"
    KEEP = "keep"
    BLOCKED = "blocked"
    WAIT = "wait"


@dataclass(frozen=True)
class DayPlan:
    """One day of one dataset; `reasons` say why it is rebuilt, kept, blocked, or for what it waits.

    `parts` are those that are published now, None where the day is not. `damage` says how what is there differs from
    what was published, `obstacles` what is in the way and not daeda's to delete. `stamps` are those of parts that were
    copied or touched, and whose bytes are as published. `planned` is the fingerprint that the day is to have, where the
    plan needed to know it. `immature` has the labels that are NULL on the day, `waiting` those that it waits for: with
    them the reasons begin. Such a day is `outdated` if it is published as another configuration made it.
    """

    day: dt.date
    dataset: Dataset
    action: Action
    reasons: tuple[str, ...] = ()
    files: int = 0
    cut: tuple[str, ...] = ()
    parts: tuple[Part, ...] | None = field(default=None, repr=False)
    damage: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    lacks_partitions: bool = False
    stamps: Mapping[str, str] = field(default_factory=dict, repr=False)
    planned: Fingerprint | None = field(default=None, repr=False)
    extension: Extension | None = field(default=None, repr=False)
    identities: ColumnIdentities | None = field(default=None, repr=False)
    immature: ImmatureDay | None = field(default=None, repr=False)
    waiting: tuple[Waiting, ...] = ()
    outdated: bool = False

    @property
    def builds(self) -> bool:
        """Whether work is to be done."""
        return self.action in (Action.BUILD, Action.REBUILD, Action.EXTEND)

    @property
    def reads_stores(self) -> bool:
        """Whether an enriched day needs vectors that are not in a published one."""
        return self.builds and (self.extension is None or bool(self.extension.vectors))

    @property
    def why_stale(self) -> tuple[str, ...]:
        """The reasons, without the labels that a day waits for."""
        return self.reasons[len(self.waiting) :]

    @property
    def replaces(self) -> bool:
        """Whether work is to be done in the place of a published day, which is stale."""
        return self.action in (Action.REBUILD, Action.EXTEND)


def chosen_days(project: Project, target: str | None) -> tuple[dt.date, ...]:
    """The days of the range, or the one target day; raises UsageError when it lies outside the range."""
    days = project.runtime.days
    if target is None:
        return days
    day = parse_day(target)
    whole = f"{days[0]} to {days[-1]} (feed_start and feed_end of {project.documents['runtime'].shown})"
    if day is None:
        raise UsageError(f"--target-date '{target}' is not a day: write YYYY-MM-DD, from {whole}")
    if day not in days:
        raise UsageError(f"--target-date {day} lies outside the range {whole}: choose a day of the range, or widen it")
    return (day,)


@before_the_first_day()
def plan_skeleton(
    project: Project,
    dag: Dag,
    sources: Sources,
    days: Iterable[dt.date],
    on_stale: str,
    *,
    verify: bool = False,
    extend: bool = True,
) -> tuple[DayPlan, ...]:
    """The skeleton days. `dag` is the skeleton's; with `verify` the parts of all published days are digested.

    Without `extend` a stale day is built anew, whatever it could keep, and one that is not there from its sources
    alone, whatever a lower version of the service has of it.
    """
    chosen = tuple(days)
    layout = layout_of(project)
    published = look_at_days(layout, "skeleton", chosen, verify=verify)
    identities = _Snapshot()
    code = (operator_digests(dag.operators), function_codes(project, dag))
    maturity = Maturity(dag, sources.files, project.runtime.data_until)
    extensions = None
    if extend:
        lower = of_lower_versions(layout, "skeleton", [day for day in chosen if day not in published])
        extensions = Extensions(dag, sources, code[1], lower)

    def plan_of(day: dt.date) -> DayPlan:
        if waiting := maturity.waiting(day):
            wanted = skeleton_fingerprint(code[0], {}, project.runtime.rows_per_part, code[1])
            return _waiting(published.get(day), day, waiting, wanted)
        immature = sources.immature.get(day)
        digests = code if immature is None else (operator_digests(immature.all_operators), code[1])
        plan = _skeleton_day(project, published.get(day), digests, sources, identities, day, on_stale, extensions)
        return plan if immature is None else replace(plan, immature=immature)

    return tuple(plan_of(day) for day in chosen)


def of_lower_versions(
    layout: Layout, dataset: Dataset, days: Iterable[dt.date]
) -> dict[dt.date, tuple[int, Manifest | None]]:
    """The version and manifest of days, which lack in their own, in the greatest lower version that has them."""
    found = days_of_lower_versions(layout, dataset, days if layout.version > 1 else ())
    return {day: (of.version, there.manifest) for day, (of, there) in found.items() if not there.damage}


def refuse_blocked(plans: Iterable[DayPlan]) -> None:
    """Raise InputError for days whose partitions are missing, or in whose place something else is."""
    blocked = [plan for plan in plans if plan.action is Action.BLOCKED]
    in_the_way = [sentence for plan in blocked for sentence in plan.obstacles]
    if in_the_way:
        raise InputError(shortened(in_the_way, 6))
    if blocked:
        reasons = sorted({reason for plan in blocked for reason in plan.reasons})
        raise InputError(
            f"{counted(len(blocked), 'day')} cannot be built, the first is {blocked[0].day}: {shortened(reasons)}: "
            f"{MISSING_ADVICE}"
        )


def refuse_stale(plans: Iterable[DayPlan]) -> None:
    """Raise DayError for days that would be rebuilt, now or when they have waited: what `--on-stale fail` asks for."""
    stale = [plan for plan in plans if plan.replaces or plan.outdated]
    if stale:
        raise DayError(
            f"stale: {shortened([f'{plan.day} ({plan.dataset})' for plan in stale])}; the first because "
            f"{shortened(stale[0].why_stale)}; build what is stale anew with --on-stale rebuild"
        )


def _waiting(published: Published | None, day: dt.date, waiting: tuple[Waiting, ...], wanted: Fingerprint) -> DayPlan:
    """A day whose labels are not known yet: it is left out, and what is published of it stays as it is.

    Whether it reads other inputs by now is not known either; whether another configuration made it is.
    """
    plan = day_that_waits(day, waiting)
    manifest = published.manifest if published is not None else None
    if manifest is None:
        return plan
    before = manifest.fingerprint
    outdated = tuple(before.differences(replace(wanted, inputs=before.inputs)))
    return replace(plan, reasons=(*plan.reasons, *outdated), parts=manifest.parts, outdated=bool(outdated))


def day_that_waits(day: dt.date, waiting: tuple[Waiting, ...]) -> DayPlan:
    """A skeleton day that is left out until these labels are known, and of which nothing is published."""
    return DayPlan(day, "skeleton", Action.WAIT, tuple(f"waiting: {label}" for label in waiting), waiting=waiting)


def refuse_waiting(plans: Iterable[DayPlan], target: str | None) -> None:
    """Raise InputError where every chosen day waits for its labels, and none is published or `target` names the day."""
    chosen = tuple(plans)
    if not chosen or any(plan.action is not Action.WAIT for plan in chosen):
        return
    if target is not None or all(plan.parts is None for plan in chosen):
        # Horizons move with the days, and of a day the label that matures last is told last.
        first = chosen[0]
        raise InputError(
            f"{counted(len(chosen), 'day')} cannot be built yet, the first to mature is {first.day}: "
            f"{first.waiting[-1]}: "
            "choose earlier days, add later data, or say data_until in runtime.yaml where a view is quiet"
        )


def told_waiting(plans: Iterable[DayPlan]) -> str | None:
    """The sentence about days that are left out until their labels are known; None where there is none."""
    waiting = [plan for plan in plans if plan.action is Action.WAIT]
    if not waiting:
        return None
    days = str(waiting[0].day) if len(waiting) == 1 else f"{waiting[0].day} to {waiting[-1].day}"
    first = waiting[0].waiting[-1]
    outdated = [str(plan.day) for plan in waiting if plan.outdated]
    stays = f"; still there as another configuration made them: {shortened(outdated)}" if outdated else ""
    return f"{counted(len(waiting), 'day')} left out, waiting for labels ({days}): {first}{stays}"


class _Snapshot:
    """Identities of files as they are while one plan is made: each file is looked at once."""

    def __init__(self) -> None:
        self._seen: dict[str, InputFile] = {}

    def of(
        self, needed: Mapping[str, Iterable[str]], before: Iterable[InputFile], files: Mapping[str, SourceFiles]
    ) -> dict[str, list[InputFile]]:
        """Those of the files that a day needs of each Scan; `before` are those that it read when it was published."""
        known: Identities | None = None
        for name, paths in needed.items():
            for path in paths:
                if path not in self._seen:
                    # Most files of a day were looked at for the day before.
                    known = known or Identities(before)
                    self._seen[path] = known.of(name, path, files[name])
        return {name: [self._seen[path] for path in paths] for name, paths in needed.items()}


def _skeleton_day(
    project: Project,
    published: Published | None,
    code: tuple[dict[str, str], dict[str, str]],
    sources: Sources,
    identities: _Snapshot,
    day: dt.date,
    on_stale: str,
    extensions: Extensions | None,
) -> DayPlan:
    missing = {
        f"{scan.view} has no partition for {partition}"
        for scan in sources.scans_of(day)
        for partition in missing_days(scan, sources.files[scan.name], day)
    }
    if missing:
        return DayPlan(day, "skeleton", Action.BLOCKED, tuple(sorted(missing)), lacks_partitions=True)
    if published is not None and published.obstacles:
        return obstructed(published, day, "skeleton")
    needed = sources.needed(day)
    count = sum(len(paths) for paths in needed.values())
    cut = tuple(_cut_windows(project, sources, day))
    immature = sources.immature[day].labels if day in sources.immature else ()
    version, manifest = None, published.manifest if published is not None else None
    if published is None and extensions is not None:
        version, manifest = extensions.lower.get(day, (None, None))
    if manifest is None:
        return without_manifest(published, day, "skeleton", on_stale, count, cut)
    inputs = identities.of(needed, manifest.inputs, sources.files)
    digests, functions = code
    new = skeleton_fingerprint(digests, inputs, project.runtime.rows_per_part, functions, immature)
    if published is None:
        # In no place of its own: it is built, out of what a lower version has of it.
        plan = replace(without_manifest(None, day, "skeleton", on_stale, count, cut), planned=new)
    else:
        action, reasons = compared(published, manifest, new, on_stale)
        damage, stamps = published.damage, published.stamps
        plan = DayPlan(day, "skeleton", action, reasons, count, cut, manifest.parts, damage, stamps=stamps, planned=new)
    if plan.action is Action.SKIP:
        return replace(plan, identities=manifest.identities)
    if extensions is None or plan.action not in (Action.BUILD, Action.REBUILD) or plan.damage:
        return plan
    columns = extensions.identities(inputs, day)
    extension = extensions.of(day, manifest, new, columns, version)
    if extension is None:
        return plan
    return replace(
        plan,
        action=Action.EXTEND if plan.action is Action.REBUILD else Action.BUILD,
        reasons=(str(extension), *plan.reasons),
        files=extensions.files(extension, day),
        extension=extension,
        identities=columns,
    )


def obstructed(published: Published, day: dt.date, dataset: Dataset) -> DayPlan:
    """A day in whose place something lies that is not daeda's to delete."""
    return DayPlan(day, dataset, Action.BLOCKED, published.obstacles, obstacles=published.obstacles)


def without_manifest(
    published: Published | None,
    day: dt.date,
    dataset: Dataset,
    on_stale: str,
    files: int = 0,
    cut: tuple[str, ...] = (),
) -> DayPlan:
    """A day that is to be built: nothing is there, or nothing that tells what it is."""
    damage = published.damage if published is not None else ()
    if not damage:
        return DayPlan(day, dataset, Action.BUILD, files=files, cut=cut)
    return DayPlan(day, dataset, if_stale(on_stale), damage, files, cut, damage=damage)


def compared(
    published: Published, manifest: Manifest, new: Fingerprint, on_stale: str
) -> tuple[Action, tuple[str, ...]]:
    """What is to be done with a published day that is wanted with another fingerprint, or the same, and why."""
    reasons = (*manifest.fingerprint.differences(new), *published.damage)
    return (if_stale(on_stale), reasons) if reasons else (Action.SKIP, ())


def if_stale(on_stale: str) -> Action:
    """What is to be done with a stale day."""
    return Action.KEEP if on_stale == "keep" else Action.REBUILD


def _cut_windows(project: Project, sources: Sources, day: dt.date) -> list[str]:
    """Views whose first partition lies inside the window that the day looks back over."""
    sentences = []
    for scan in sources.scans:
        first = sources.files[scan.name].first_day
        whole = scan.lookback.days if scan.lookback is not None else None
        if first is None or whole is None or (day - first).days >= whole:
            continue
        sentences.append(f"{scan.view} begins on {first}, inside the window of {scan.lookback}")
    return sorted(set(sentences))

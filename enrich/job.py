"""The enrichment of a run: days one after another, their parts through Ray, each day published whole."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from daeda.catalog.project import Project
from daeda.compiler.checks import checks_of
from daeda.dataset.layout import day_name, layout_of, part_number
from daeda.dataset.manifest import DayName, read_manifest
from daeda.dataset.profile import DayProfile, Meter, Waiting, added_up, measured, this_worker, write_profile
from daeda.dataset.progress import DayProgress
from daeda.dataset.publish.claims import OnLocked, claim_due_days, claims_of, release
from daeda.dataset.publish.publish import prepare_day
from daeda.dataset.publish.staging import RunStaging, open_staging
from daeda.dataset.stores import Stores
from daeda.errors import DaedaError, DayError, InputError, Interrupted
from daeda.operators.dag import Dag
from daeda.planning.extension import Extension
from daeda.process.host import probe_host
from daeda.process.messages import say
from enrich.extending import (
    NotAsPlanned,
    extend_enriched,
    planned_work,
    remove_copies,
    with_published,
    without_published,
)
from enrich.part.task import PartTask, Receipt
from enrich.preload import Preload, vector_columns
from enrich.publish import DayWork, States, publish_enriched, verify_skeleton
from enrich.ray.actors import WAIT_FOR_PARTS, WAIT_FOR_VECTORS
from enrich.ray.cluster import check_nodes
from enrich.ray.fitness import Fitness
from enrich.ray.limits import RayLimits, clamp
from enrich.ray.own_ray import RayLost
from enrich.ray.session import prepare_environment, ray_session
from enrich.ray.stream import PartStream
from enrich.ray.time_limits import TimeLimit, in_background
from enrich.reading import DayReader
from enrich.store.vectors import VectorSource

# One thread writes what the others make: more of them would wait for it.
MOST_THREADS = 8


@dataclass(frozen=True)
class EnrichRun:
    """What to build: the whole DAG, and the days, whose skeletons are published.

    `due` says which days are still to be built once this run alone may build them. With `profile` each day leaves what
    its steps took. `stores` are those that the days were planned with; without them they are as they are opened.
    `extensions` says which days keep vectors, and by which names, once this run alone may build them.
    """

    project: Project
    dag: Dag
    days: tuple[dt.date, ...]
    on_locked: OnLocked = "wait"
    due: Callable[[], tuple[dt.date, ...]] | None = None
    profile: bool = False
    stores: Stores | None = None
    extensions: Callable[[], Mapping[dt.date, Extension]] = dict


def build_enriched(run: EnrichRun) -> None:
    """Build the days in order. The first failure ends the run: DayError with the day, or Interrupted."""
    if not run.days:
        return
    layout = layout_of(run.project)
    time_limit = TimeLimit()
    with open_staging(layout) as staging, time_limit.signals():
        # Nobody may replace the skeletons that are read.
        days = claim_due_days(
            staging,
            "enriched",
            run.days,
            run.due,
            run.on_locked,
            minutes=run.project.runtime.timeouts.lock_minutes,
            reads=("skeleton",),
            check=time_limit.check,
        )
        if not days:
            return
        works = _extend_days(run, staging, [_plan_day(run, staging, day) for day in days], time_limit)
        if not works:
            return
        preload = Preload(run.project, run.dag, run.stores)
        with contextlib.closing(preload):
            _Run(run, staging, time_limit, preload).build(works, _ray_limits(run.project))


def _extend_days(run: EnrichRun, staging: RunStaging, works: list[DayWork], time_limit: TimeLimit) -> list[DayWork]:
    """Extend the days that keep all vectors, without the stores and without Ray; returns those that need both, with
    what they keep.
    """
    extensions, stores = run.extensions(), run.stores or {}
    chosen = [work for work in works if work.day in extensions and not extensions[work.day].vectors]
    left = [work for work in works if work.day not in extensions or extensions[work.day].vectors]
    if chosen:
        with DayProgress("enriched", [work.day for work in chosen], staging.status, staging.seen("enriched")):
            for work in chosen:
                time_limit.check()
                try:
                    extend_enriched(run.dag, staging, work, extensions[work.day], stores)
                except NotAsPlanned as reason:
                    _tell_whole(work, reason)
                    left.append(work)
                    continue
                except Interrupted:
                    raise
                except DaedaError as error:
                    raise DayError(f"day {work.day}: {error}") from error
                release(staging, claims_of([work.day], "enriched", "skeleton"))
    return [_keeping(run, staging, work, extensions) for work in sorted(left, key=lambda work: work.day)]


def _keeping(run: EnrichRun, staging: RunStaging, work: DayWork, extensions: Mapping[dt.date, Extension]) -> DayWork:
    """The work of a day that reads stores, with the vectors that it keeps."""
    extension = extensions.get(work.day)
    if extension is None or not extension.vectors:
        return work
    try:
        return planned_work(run.dag, staging.layout, work, extension, run.stores or {})
    except NotAsPlanned as reason:
        _tell_whole(work, reason)
        return work


def _tell_whole(work: DayWork, reason: NotAsPlanned) -> None:
    say(f"enriched {work.day}: not extended, and built anew: {reason}", day=work.day, half="enriched")


class _Run:
    """The days of one run, with what they share."""

    def __init__(self, run: EnrichRun, staging: RunStaging, time_limit: TimeLimit, preload: Preload) -> None:
        self._run = run
        self._staging = staging
        self._time_limit = time_limit
        self._preload = preload
        self._limits: RayLimits | None = None
        # When actors began to have nothing to do but the next day.
        self._turned = 0.0
        self._meters: dict[dt.date, Meter] = {}
        self._verified: dict[dt.date, States] = {}

    def build(self, works: list[DayWork], limits: RayLimits) -> None:
        """Enrich and publish the days. The stores are opened while Ray starts, and the first day is read once it is
        known how much of it fits.
        """
        days = [work.day for work in works]
        columns = {column for work in works for column in work.tasks[0].computed}
        asked = self._run.project.runtime.ray
        # No variable may be new any more while stores are read.
        prepare_environment(asked.address)
        opened = in_background(lambda: self._preload.open_for(columns))
        reader = DayReader(works, self._preload, self._verify, self._post, self._preloading)
        if asked.address is None:
            self._preload.give_room(limits)
            reader.start(opened)
        # Ray's C++ side takes SIGTERM for itself when it has started.
        with ray_session(limits, asked.address, asked.start_timeout_seconds) as ray_limits, self._time_limit.signals():
            fitness = Fitness.of_the_driver(str(self._staging.directory))
            self._limits = ray_limits
            if asked.address is not None:
                self._preload.give_room(ray_limits)
                reader.start(opened)
                check_nodes(fitness, ray_limits, self._time_limit.check)
            tasks = {work.day.isoformat(): _with_threads(work.tasks, ray_limits) for work in works}
            enriched = self._staging.seen("enriched")
            with (
                PartStream(tasks, ray_limits, fitness) as parts,
                contextlib.closing(reader),
                DayProgress("enriched", days, self._staging.status, enriched),
            ):
                reader.give(parts)
                # Actors start meanwhile.
                self._time_limit.start("the ids of the embedding stores", asked.day_timeout_minutes)
                self._time_limit.wait(opened)
                for number, work in enumerate(works):
                    try:
                        self._day(number, work, reader, parts)
                    except Interrupted:
                        raise
                    except RayLost as error:
                        raise error.with_sentence(f"day {work.day}: {error}") from error
                    except DaedaError as error:
                        raise DayError(f"day {work.day}: {error}") from error

    def _day(self, number: int, planned: DayWork, reader: DayReader, parts: PartStream) -> None:
        """Build one day, while the next one is read, and begun where actors have nothing left to do."""
        minutes = self._run.project.runtime.ray.day_timeout_minutes
        what = f"day {planned.day}"
        self._time_limit.start(what, minutes)
        self._tell(planned, "preload")
        parts.wait_for_actors(self._time_limit)
        # The start of the actors is no part of the day's time.
        self._time_limit.start(what, minutes)
        came = time.perf_counter()
        turned = self._turned or came
        read = self._time_limit.wait(reader.day(number))
        work = read.work
        self._time_limit.start(what, minutes)
        self._tell(work, "enrich")
        there = time.perf_counter()
        receipts = [parts.next_receipt(work.day.isoformat(), self._time_limit) for _ in work.tasks]
        self._turned = time.perf_counter()
        # From now on nobody needs the vectors of the day.
        reader.done()
        receipts.sort(key=lambda receipt: receipt.number)
        waiting = Waiting(parts.actors, self._turned - turned, *_waited(receipts), there - came, self._turned - there)
        seconds = {"preload": read.seconds, "enrich": self._turned - max(turned, read.posted)}
        self._publish(work, receipts, seconds, waiting)

    def _publish(self, work: DayWork, receipts: Sequence[Receipt], seconds: dict[str, float], waiting: Waiting) -> None:
        self._tell(work, "publish")
        with measured(self._meters.get(work.day), "publish"):
            verified = self._verified.pop(work.day)
            publish_enriched(self._staging, self._run.dag, work, receipts, seconds, self._preload.identities, verified)
        self._write_profile(work.day, receipts, waiting)
        release(self._staging, claims_of([work.day], "enriched", "skeleton"))
        remove_copies(work, self._staging)
        self._status(work).unlink()
        self._time_limit.stop()

    def _preloading(self, work: DayWork) -> contextlib.AbstractContextManager[None]:
        """Measures what is done for a day before its parts begin."""
        if self._run.profile:
            self._meters.setdefault(work.day, Meter())
        return measured(self._meters.get(work.day), "preload")

    def _verify(self, work: DayWork) -> DayWork:
        """Hold the skeleton against its manifest; the day with what is kept of the published one."""
        verified = verify_skeleton(work, self._staging.layout)
        found, states = self._with_published(work)
        self._verified[work.day] = {**verified, **states}
        return found

    def _post(self, parts: PartStream, work: DayWork, sources: Mapping[str, VectorSource]) -> None:
        """Let the parts of a day begin; the queue holds what says where its vectors are until they are done."""
        assert self._limits is not None
        parts.post(work.day.isoformat(), parts.put(sources), _with_threads(work.tasks, self._limits))

    def _with_published(self, work: DayWork) -> tuple[DayWork, States]:
        """The work with the published parts whose pages are copied; where these are damaged, that of a whole day."""
        if work.extended is None:
            return work, {}
        try:
            return with_published(work, self._staging)
        except NotAsPlanned as reason:
            _tell_whole(work, reason)
            return without_published(work), {}

    def _write_profile(self, day: dt.date, receipts: Sequence[Receipt], waiting: Waiting) -> None:
        """Leave the profile of a day: this process's own steps around those of the actors."""
        meter = self._meters.pop(day, None)
        if meter is not None:
            before, after = meter.usages
            usage = added_up((before, *(step for receipt in receipts for step in receipt.usage), after))
            profile = DayProfile(day, 1, usage, meter.began, worker=this_worker(), waiting=waiting)
            write_profile(self._staging.layout, "enriched", profile)

    def _tell(self, work: DayWork, phase: str) -> None:
        """Say in the status file of the day what happens to it."""
        path = self._status(work)
        status = {"day": work.day.isoformat(), "operator": phase, "rows": work.skeleton.rows}
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(json.dumps(status), encoding="utf-8")
        unfinished.rename(path)

    def _status(self, work: DayWork) -> Path:
        return self._staging.status / f"{work.day.isoformat()}.json"


def _waited(receipts: Sequence[Receipt]) -> tuple[float, float]:
    """Seconds that actors waited for these parts, and for their vectors."""
    waited = [usage for receipt in receipts for usage in receipt.waited]
    for_parts, for_vectors = (
        sum(usage.seconds for usage in waited if usage.operator == step) for step in (WAIT_FOR_PARTS, WAIT_FOR_VECTORS)
    )
    return for_parts, for_vectors


def _ray_limits(project: Project) -> RayLimits:
    """The limits of this run on this host; says where the host lowers what was asked for. A cluster has its own."""
    limits = clamp(project.runtime.ray, probe_host())
    sentence = limits.sentence()
    if sentence is not None and project.runtime.ray.address is None:
        say(sentence)
    return limits


def _plan_day(run: EnrichRun, staging: RunStaging, day: dt.date) -> DayWork:
    """The parts of a day; InputError when its skeleton is not published."""
    directory = staging.layout.day_dir("skeleton", day)
    manifest = read_manifest(directory, DayName(staging.layout.service, "skeleton", day))
    if manifest is None:
        raise InputError(
            f"day {day} has no skeleton in {directory}: "
            f"run `daeda pipeline train {run.project.service.name} --skeleton-only` first"
        )
    ready = prepare_day(staging, "enriched", day, uuid.uuid4().hex[:8])
    columns = vector_columns(run.dag)
    batch_rows = run.project.runtime.enrich_batch_rows
    local = directory if isinstance(directory, Path) else staging.work / f"skeleton-{day_name(day)}"
    tasks = tuple(
        PartTask(
            str(local / part.name),
            str(ready / part.name),
            part_number(part.name),
            batch_rows,
            columns,
            run.profile,
            unfinished=str(staging.work),
        )
        for part in manifest.parts
    )
    return DayWork(
        day, manifest, directory, local, ready, tasks,
        checks=checks_of(run.project, run.dag), labels=tuple(run.project.service.grain),
    )  # fmt: skip


def _with_threads(tasks: Sequence[PartTask], limits: RayLimits) -> list[PartTask]:
    """The parts of a day; where they are fewer than the actors of a node, an actor has the processors of the others."""
    threads = max(1, min(MOST_THREADS, limits.cpus // min(limits.actors, len(tasks))))
    return [replace(task, threads=threads) for task in tasks]

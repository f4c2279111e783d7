"""The skeleton of a run: one composite PTransform over the days, and the run itself."""

from __future__ import annotations

import _thread
import contextlib
import datetime as dt
import gc
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import apache_beam as beam

from beam_pipeline.day.extend import Chain, DayOperator, extending_chains
from beam_pipeline.history.partition_cache import forget_mapped
from beam_pipeline.runners.choice import BeamRunner
from beam_pipeline.runners.job_log import job_log
from beam_pipeline.runners.logging import quiet_portable_runner
from beam_pipeline.runners.portable import PortableJob, TimeLimits
from beam_pipeline.transforms import Days, transform_of
from beam_pipeline.workers.context import DayHandle, RunContext
from beam_pipeline.workers.day_slots import DaySlots, ThreadDaySlots
from beam_pipeline.workers.extending import given_up
from beam_pipeline.workers.immature import immature_labels
from beam_pipeline.workers.limits import DayLimits, limits_of_a_day, root_cause, stop_seconds
from beam_pipeline.workers.registry import SOFTWARE, forget_run, register_run, software
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
from daeda.catalog.project import Project
from daeda.compiler.checks import checks_of
from daeda.compiler.column_roles import column_kinds, sample_of
from daeda.compiler.identity import recipes_of
from daeda.dataset.layout import layout_of
from daeda.dataset.progress import DayProgress
from daeda.dataset.publish.claims import OnLocked, claim_due_days
from daeda.dataset.publish.publications import has_published
from daeda.dataset.publish.staging import RunStaging, open_staging
from daeda.errors import DayError, Interrupted, NotBuiltYet, shortened
from daeda.operators.dag import Dag
from daeda.operators.udf import RayUdfTransform
from daeda.planning.checked import Checked
from daeda.planning.configuration import function_codes
from daeda.planning.extension import Extension
from daeda.planning.sources import Sources
from daeda.process import interrupts
from daeda.process.host import probe_host, skeleton_memory
from daeda.process.messages import say
from daeda.sql.lower import SourceOperator

# Threads that hold days, per day worker: Beam splits days over them once and for all, day slots even that out.
_BUNDLES_PER_WORKER = 4
# How often it is seen that the run is stopping, and how long Beam may take to end behind its last day.
_LOOK_SECONDS = 0.1
_END_SECONDS = 5.0


class Skeleton(beam.PTransform):  # type: ignore[misc]
    """The source-side operators of a DAG as one linear chain over day handles."""

    def __init__(self, operators: Sequence[DayOperator], context: RunContext, label: str = "Skeleton") -> None:
        super().__init__(label)
        self._operators = operators
        self._context = context

    def expand(self, pcoll: beam.PCollection[DayHandle]) -> beam.PCollection[DayHandle]:
        """Apply each operator's PTransform in topological order."""
        for operator in self._operators:
            pcoll = pcoll | transform_of(operator, self._context)
        return pcoll


@dataclass(frozen=True)
class SkeletonRun:
    """What to build: the skeleton's DAG over its sources, and the days, on which runner.

    On a portable runner the job is given up after `worker_timeout` seconds in which no day was at work. `due` says
    which days are still to be built once this run alone may build them: another run may have built some meanwhile.
    With `profile` each day leaves what its operators took. `checked` is what was checked of the sources. `extensions`
    says which of the days are extended, and how, once this run alone may build them.
    """

    project: Project
    dag: Dag
    sources: Sources
    checked: Checked
    days: tuple[dt.date, ...]
    runner: BeamRunner
    worker_timeout: float
    on_locked: OnLocked = "wait"
    due: Callable[[], tuple[dt.date, ...]] | None = None
    profile: bool = False
    extensions: Callable[[], Mapping[dt.date, Extension]] = dict

    @property
    def day_workers(self) -> int:
        """Days at once, at most."""
        return min(self.project.runtime.day_workers or self.runner.parallelism, len(self.days))

    @property
    def operators(self) -> tuple[SourceOperator, ...]:
        """The operators of the chain, in topological order."""
        return tuple(_source_side(operator) for operator in self.dag.operators)


def build_skeleton(run: SkeletonRun) -> None:
    """Build the days; raises DayError with the root cause of the first failure, or Interrupted."""
    layout = layout_of(run.project)
    clamped = skeleton_memory(run.project.runtime.compute.duckdb_config.memory_limit, probe_host()).sentence()
    if clamped is not None:
        say(clamped)
    with open_staging(layout) as staging:
        minutes = run.project.runtime.timeouts.lock_minutes
        days = claim_due_days(staging, "skeleton", run.days, run.due, run.on_locked, minutes=minutes)
        if not days:
            return
        run = replace(run, days=days)
        context = run_context(run, staging)
        log = contextlib.nullcontext() if run.runner.in_process else job_log(staging.job_log)
        with (
            DayProgress("skeleton", run.days, staging.status, staging.seen("skeleton")),
            log,
            _left_uncollected(),
        ):
            _run_chains(run, context)


@contextmanager
def _left_uncollected() -> Iterator[None]:
    """What is there already stays for the run: Python need not look for garbage among it while days are built.

    A service of a thousand columns is more than a million objects, which take most of a second to look through.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _run_chains(run: SkeletonRun, context: RunContext) -> None:
    """Extend the days that can be, then build the others, with those that could not be extended after all."""
    extensions = {day: extension for day, extension in run.extensions().items() if day in run.days}
    for number, chain in enumerate(extending_chains(run.dag, context, extensions, run.sources.immature), start=1):
        _run_days(run, chain, f"-extend-{number}")
    reasons = given_up(context.run_dir, extensions)
    for day, reason in reasons.items():
        say(f"skeleton {day}: not extended, and built anew: {reason}", day=day, half="skeleton")
    rest = tuple(day for day in run.days if day in reasons or day not in extensions)
    if rest:
        _run_days(run, Chain(rest, run.operators, replace(context, days=rest)))


def run_context(run: SkeletonRun, staging: RunStaging) -> RunContext:
    """The constants of the run: limits are divided among the days at work. What was checked is left for its workers."""
    run.checked.write(staging.directory)
    project = run.project
    functions = function_codes(project, run.dag)
    recipes = recipes_of(run.dag, functions)
    immature = {day: one for day, one in run.sources.immature.items() if day in run.days}
    return RunContext(
        service=project.service.name,
        data_root=project.data_root,
        service_dir=str(project.service_dir),
        version=project.service.version,
        run_dir=str(staging.directory),
        limits=_limits(run),
        day_workers=run.day_workers,
        rows_per_part=project.runtime.rows_per_part,
        software=software([*SOFTWARE, *(run.dag.rolling_engines & {"polars"})]),
        label_columns=tuple(project.service.grain),
        profile=run.profile,
        sources=run.sources.places(),
        functions=functions,
        project_root=str(project.root),
        exports=run.sources.exports,
        days=run.days,
        has_checked=True,
        watched=not run.runner.in_process,
        recipes=recipes,
        column_kinds=column_kinds(project.service, run.dag),
        sample=sample_of(run.dag),
        immature=immature_labels(immature, run.dag, recipes),
        checks=checks_of(project, run.dag),
    )


def _limits(run: SkeletonRun) -> DayLimits:
    runtime = run.project.runtime
    config = runtime.compute.duckdb_config
    spill = str(run.project.root / config.temp_directory) if config.temp_directory else ""
    return replace(
        limits_of_a_day(run.day_workers, config.memory_limit, config.threads, spill),
        rolling_chunk_rows=runtime.rolling_chunk_rows,
        udf_chunk_rows=runtime.udf_chunk_rows,
        function_seconds=float(runtime.timeouts.function_seconds),
        day_minutes=float(runtime.timeouts.day_minutes),
        storage_seconds=float(runtime.timeouts.storage_seconds),
    )


def _run_days(run: SkeletonRun, chain: Chain, suffix: str = "") -> None:
    context = chain.context
    bundles = min(len(chain.days), run.day_workers * _BUNDLES_PER_WORKER)
    options = run.runner.options(bundles)
    slots = (
        ThreadDaySlots(run.day_workers)
        if run.runner.in_process
        else SharedDaySlots(Path(context.run_dir), run.day_workers).open()
    )
    register_run(context, slots)
    try:
        if not run.runner.in_process:
            quiet_portable_runner()
        # Before the handler of signals is ours: a job server that does not come up is interrupted like any command.
        pipeline = beam.Pipeline(runner=run.runner.start(options), options=options)
        with _stop_on_signal(slots):
            days = Days(chain.days, one_by_one=run.runner.makes_one_bundle)
            _ = pipeline | days | Skeleton(chain.operators, context)
            if isinstance(slots, ThreadDaySlots):
                _run_here(pipeline, slots)
            else:
                limits = TimeLimits(run.worker_timeout, context.limits.day_minutes)
                # Unlike all others, so that this job is found again among those of a cluster.
                job_name = f"daeda-{context.service}-{Path(context.run_dir).name.removeprefix('run-').lower()}{suffix}"
                job = PortableJob(run.runner, slots, limits, job_name, context.staging, lambda: _missing(chain))
                job.run(pipeline)
    finally:
        forget_run(context)
        forget_mapped(context.run_dir)
    _check_published(chain)


def _run_here(pipeline: beam.Pipeline, slots: ThreadDaySlots) -> None:
    # In a thread: a day that hangs, in a function of the user, is not waited for without an end.
    running: Future[None] = Future()
    threading.Thread(target=_run_into, args=(pipeline, running), daemon=True, name="pipeline").start()
    while not wait([running], timeout=_LOOK_SECONDS).done and slots.cause is None:
        pass
    failure = running.exception() if running.done() else None
    if failure is not None:
        slots.stop(failure)
    # Days in other threads may still write: nobody leaves before they have stopped.
    stopped = slots.cause is None or slots.wait_until_empty(stop_seconds(slots.cause))
    if stopped:
        # Beam ends by itself when its days have.
        wait([running], timeout=_END_SECONDS)
    failure = running.exception() if running.done() else slots.cause
    if failure is not None:
        _raise_root_cause(slots, failure, stopped)


def _run_into(pipeline: beam.Pipeline, running: Future[None]) -> None:
    try:
        pipeline.run().wait_until_finish()
    except BaseException as error:  # noqa: BLE001 - `_run_here` raises its root cause
        running.set_exception(error)
    else:
        running.set_result(None)


def _check_published(chain: Chain) -> None:
    """The runner said that all went well; a day that is not there contradicts it."""
    missing = _missing(chain)
    if missing:
        place = chain.context.staging.layout.version_dir
        raise DayError(
            f"the runner reported success, and {shortened(missing)} was not published in {place}: "
            "output_root must lie on storage that every worker reaches by the same path"
        )


def _missing(chain: Chain) -> list[dt.date]:
    """The days of a chain that are not published, but for those that it has given up."""
    context = chain.context
    left = given_up(context.run_dir, chain.days) if context.extending is not None else {}
    published = has_published(context.staging, "skeleton", chain.days)
    return [day for day in chain.days if day not in left and day not in published]


def _raise_root_cause(slots: ThreadDaySlots, failure: BaseException, stopped: bool) -> None:
    cause = slots.cause if slots.cause is not None else failure
    error = root_cause(cause, stopped)
    if error is not None:
        raise error from failure
    # Not foreseen, so shown whole.
    raise cause from None


@contextmanager
def _stop_on_signal(slots: DaySlots) -> Iterator[None]:
    """SIGINT and SIGTERM stop the run through its day slots: Beam's own threads would swallow an exception."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        interrupts.note(number)
        # Not from the handler itself: the code that was interrupted may hold the lock of the day slots, and the lock of
        # a `threading.Thread` that starts.
        _thread.start_new_thread(slots.stop, (Interrupted(f"interrupted by {signal.Signals(number).name}"),))

    interrupts.check_not_stopped()
    with interrupts.handled(stop):
        yield


def _source_side(operator: object) -> SourceOperator:
    if isinstance(operator, RayUdfTransform):
        raise NotBuiltYet(f"operator '{operator.name}' runs on Ray and not in the skeleton")
    return operator  # type: ignore[return-value]

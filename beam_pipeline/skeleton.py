"""The skeleton of a run: one composite PTransform over the days, and the run itself."""

from __future__ import annotations

import datetime as dt
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import apache_beam as beam

from beam_pipeline.context import DayHandle, DayLimits, RunContext
from beam_pipeline.gate import Gate, Stopped, close_gate, open_gate
from beam_pipeline.runner import new_pipeline, pipeline_options
from beam_pipeline.transforms import transform_of
from daeda.catalog.project import Project
from daeda.cli.progress import DayProgress
from daeda.dataset.fingerprint import operator_digests
from daeda.dataset.layout import Layout
from daeda.dataset.staging import RunStaging, open_staging
from daeda.errors import DaedaError, Interrupted, NotBuiltYet
from daeda.host import probe_host
from daeda.operators.dag import Dag
from daeda.operators.udf import RayUdfTransform
from daeda.sql.lower import SourceOperator

# Threads that hold days, per day worker: Beam splits days over them once and for all, the gate evens that out.
_BUNDLES_PER_WORKER = 4
# An interrupted statement of DuckDB returns in well under a second; the kernel looks between two chunks.
_STOP_SECONDS = 60.0
_MEMORY_SHARE = 0.6


class Skeleton(beam.PTransform):  # type: ignore[misc]
    """The source-side operators of a DAG as one linear chain over day handles."""

    def __init__(self, operators: Sequence[SourceOperator], context: RunContext) -> None:
        super().__init__("Skeleton")
        self._operators = operators
        self._context = context

    def expand(self, pcoll: beam.PCollection[DayHandle]) -> beam.PCollection[DayHandle]:
        """Apply each operator's PTransform in topological order."""
        for operator in self._operators:
            pcoll = pcoll | transform_of(operator, self._context)
        return pcoll


@dataclass(frozen=True)
class SkeletonRun:
    """What to build: the skeleton's DAG, the days, and Beam's own flags."""

    project: Project
    dag: Dag
    days: tuple[dt.date, ...]
    beam_flags: tuple[str, ...] = ()


def build_skeleton(run: SkeletonRun) -> None:
    """Build the days; raises DayError with the root cause of the first failure, or Interrupted."""
    layout = Layout(run.project.service_dir)
    with open_staging(layout) as staging:
        context = run_context(run, staging)
        with DayProgress("skeleton", run.days, staging.status, layout.dataset_dir("skeleton")):
            _run_days(run, context)


def run_context(run: SkeletonRun, staging: RunStaging) -> RunContext:
    """The constants of the run: limits are divided among the days at work."""
    project = run.project
    config = project.runtime.compute.duckdb_config
    host = probe_host()
    workers = min(project.runtime.day_workers, max(1, len(run.days)))
    memory = config.memory_limit or int(host.memory_bytes * _MEMORY_SHARE)
    threads = config.threads or host.cores
    temp = config.temp_directory
    limits = DayLimits(
        memory_bytes=memory // workers,
        threads=max(1, threads // workers),
        temp_directory=str(project.root / temp) if temp else "",
        rolling_chunk_rows=project.runtime.rolling_chunk_rows,
    )
    return RunContext(
        service=project.service.name,
        data_root=str(project.root / project.runtime.data_root),
        service_dir=str(project.service_dir),
        run_dir=str(staging.directory),
        limits=limits,
        rows_per_part=project.runtime.rows_per_part,
        operator_digests=operator_digests(run.dag.operators),
        label_columns=tuple(project.service.grain),
    )


def _run_days(run: SkeletonRun, context: RunContext) -> None:
    workers = min(run.project.runtime.day_workers, len(run.days))
    bundles = min(len(run.days), workers * _BUNDLES_PER_WORKER)
    options = pipeline_options(list(run.beam_flags), bundles)
    operators = [_source_side(operator) for operator in run.dag.operators]
    gate = open_gate(context.run_dir, workers)
    failure: BaseException | None = None
    with _stop_on_signal(gate):
        try:
            pipeline = new_pipeline(options)
            _ = pipeline | "Days" >> beam.Create([DayHandle(day) for day in run.days]) | Skeleton(operators, context)
            pipeline.run().wait_until_finish()
        except Exception as error:  # noqa: BLE001 - told below, by its root cause
            failure = error
            gate.stop(error)
        # Days in other threads may still write: nobody leaves before they have stopped.
        stopped = gate.wait_until_empty(_STOP_SECONDS)
    close_gate(context.run_dir)
    if failure is not None:
        _raise_root_cause(gate, failure, stopped)


def _raise_root_cause(gate: Gate, failure: BaseException, stopped: bool) -> None:
    cause = gate.cause if gate.cause is not None else failure
    late = "" if stopped else f" (a day did not stop within {_STOP_SECONDS:.0f} s)"
    if isinstance(cause, DaedaError) and not isinstance(cause, Stopped):
        raise type(cause)(f"{cause}{late}") from failure
    # Not foreseen, so shown whole.
    raise cause from None


@contextmanager
def _stop_on_signal(gate: Gate) -> Iterator[None]:
    """SIGINT and SIGTERM stop the run through the gate: Beam's own threads would swallow an exception."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        # Not from the handler itself: the gate's lock may be held by the code that was interrupted.
        threading.Thread(target=gate.stop, args=(Interrupted(f"interrupted by {signal.Signals(number).name}"),)).start()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _source_side(operator: object) -> SourceOperator:
    if isinstance(operator, RayUdfTransform):
        raise NotBuiltYet(f"operator '{operator.name}' runs on Ray and not in the skeleton")
    return operator  # type: ignore[return-value]

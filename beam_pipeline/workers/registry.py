"""The registry of runs in a process that builds days: their day slots, and whether it can work for them at all."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from beam_pipeline.workers.context import RunContext
from beam_pipeline.workers.day_slots import DaySlots
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
from daeda.dataset.publish.staging import was_here
from daeda.errors import ConfigurationError, Stopped, WorkerUnfit
from daeda.functions.loading import load_function
from daeda.installed import version_of
from daeda.storage.objects import limit_request_time

# What decides the bytes of a day, and has to be the same in every worker. That Python and Beam are is seen to by Beam.
SOFTWARE = ("daeda", "duckdb", "pyarrow", "numpy")

# The day slots of a run, by its directory.
_runs: dict[str, DaySlots] = {}
_lock = threading.Lock()


def software(names: Iterable[str] = SOFTWARE) -> dict[str, str]:
    """Versions of what decides the bytes of a day, by name; "none" for what is not installed."""
    return {name: _version(name) for name in names}


def register_run(context: RunContext, slots: DaySlots) -> None:
    """Set the day slots of a run in the process that started it."""
    with _lock:
        _runs[context.run_dir] = slots


def forget_run(context: RunContext) -> None:
    """Forget the day slots of a run."""
    with _lock:
        _runs.pop(context.run_dir, None)


def join_run(context: RunContext) -> DaySlots:
    """The day slots of the run: the driver's own in the driver's process, elsewhere the same slots by their files.

    Raises Stopped when the run has ended, and WorkerUnfit when this process cannot build days of it.
    """
    with _lock:
        if context.run_dir not in _runs:
            limit_request_time(context.limits.storage_seconds)
            _check_fit(context)
            is_worker = any("SdkHarness" in word for word in sys.orig_argv)
            if is_worker:
                # Beam's own pool gives its workers a pipe as stdout that nobody reads: what a function prints would
                # fill it, and whoever prints then would wait for ever.
                os.dup2(2, 1)
            # An engine waits for the end of a worker whose day hangs, and Flink ends a TaskManager for it.
            _runs[context.run_dir] = SharedDaySlots(Path(context.run_dir), context.day_workers, ends_with=is_worker)
        return _runs[context.run_dir]


def slots_of(context: RunContext) -> DaySlots:
    """The day slots of the run, also where this process has not joined it, or cannot."""
    with _lock:
        return _runs.get(context.run_dir) or SharedDaySlots(Path(context.run_dir), context.day_workers)


def stop_run(context: RunContext, cause: BaseException) -> None:
    """Stop the run because of `cause`; a process that never joined it has nothing to stop."""
    with _lock:
        slots = _runs.get(context.run_dir)
    if slots is not None:
        slots.stop(cause)


def _check_fit(context: RunContext) -> None:
    worker = f"the worker on {socket.gethostname()}"
    if not Path(context.run_dir).is_dir():
        if was_here(Path(context.run_dir)):
            raise Stopped(f"the run {Path(context.run_dir).name} has ended")
        raise WorkerUnfit(
            f"{worker} does not see {context.run_dir}: data_root and output_root must lie on storage that every worker "
            "reaches by the same path"
        )
    if not os.access(context.run_dir, os.R_OK | os.W_OK | os.X_OK):
        raise WorkerUnfit(
            f"{worker} may not write below {context.run_dir}: mount output_root for writing there, and start the "
            "worker as a user who may write what the driver writes"
        )
    differing = [
        f"{name} {here} instead of {context.software[name]}"
        for name, here in software(context.software).items()
        if here != context.software[name]
    ]
    if differing:
        raise WorkerUnfit(
            f"{worker} has {', '.join(differing)}: install the same versions there, or days would depend on who built "
            "them"
        )
    _check_functions(worker, context)


def _check_functions(worker: str, context: RunContext) -> None:
    """The user's functions are here, with the code that the driver has: days record the digest of that."""
    for path, code in context.functions.items():
        try:
            function = load_function(path, context.project_root)
        except ConfigurationError as error:
            raise WorkerUnfit(f"{worker}: {error}") from None
        if function.code != code:
            raise WorkerUnfit(
                f"{worker} has other code behind the function '{path}' than the driver: install the same there"
            )


@cache
def _version(name: str) -> str:
    try:
        return version_of(name)
    except PackageNotFoundError:
        return "none"

"""What a process knows of the runs that it builds days for: their gates, and whether it can work for them at all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from beam_pipeline.workers.context import RunContext
from beam_pipeline.workers.day_slots import DayGate
from beam_pipeline.workers.shared_day_slots import SharedGate
from daeda.errors import ConfigError, DayError
from daeda.functions.loading import load_function
from daeda.storage.objects import limit_request_time

# What decides the bytes of a day, and has to be the same in every worker.
SOFTWARE = ("daeda", "duckdb", "pyarrow", "numpy")

_gates: dict[str, DayGate] = {}
_lock = threading.Lock()


class WorkerUnfit(DayError):
    """A worker that cannot build days: it lacks the run's storage or functions, or has other versions of them."""


def software(names: Iterable[str] = SOFTWARE) -> dict[str, str]:
    """Versions of what decides the bytes of a day, by name; "none" for what is not installed."""
    return {name: _version(name) for name in names}


def open_gate(context: RunContext, gate: DayGate) -> None:
    """Use this gate for the run in this process, the driver's."""
    with _lock:
        _gates[context.run_dir] = gate


def close_gate(context: RunContext) -> None:
    """Forget the gate of a run."""
    with _lock:
        _gates.pop(context.run_dir, None)


def join_run(context: RunContext) -> DayGate:
    """The gate of the run: the driver's own in the driver's process, elsewhere one over the same places.

    Raises WorkerUnfit when this process cannot build days of the run.
    """
    with _lock:
        found = _gates.get(context.run_dir)
        if found is None:
            limit_request_time(context.limits.storage_seconds)
            _check_fit(context)
            found = _gates[context.run_dir] = SharedGate(Path(context.run_dir), context.day_workers)
        return found


def stop_run(context: RunContext, cause: BaseException) -> None:
    """Stop the run because of `cause`; a process that never joined it has nothing to stop."""
    with _lock:
        gate = _gates.get(context.run_dir)
    if gate is not None:
        gate.stop(cause)


def _check_fit(context: RunContext) -> None:
    worker = f"the worker on {socket.gethostname()}"
    if not Path(context.run_dir).is_dir():
        raise WorkerUnfit(
            f"{worker} does not see {context.run_dir}: data_root and output_root must lie on storage that every worker "
            "reaches by the same path"
        )
    here = software(context.software)
    other = [
        f"{name} {here[name]} instead of {wanted}" for name, wanted in context.software.items() if here[name] != wanted
    ]
    if other:
        raise WorkerUnfit(
            f"{worker} has {', '.join(other)}: install the same versions there, or days would depend on who built them"
        )
    _check_functions(worker, context)


def _check_functions(worker: str, context: RunContext) -> None:
    """The user's functions are here, with the code that the driver has: days record the digest of that."""
    for path, code in context.functions.items():
        try:
            found = load_function(path, context.project_root)
        except ConfigError as error:
            raise WorkerUnfit(f"{worker}: {error}") from None
        if found.code != code:
            raise WorkerUnfit(
                f"{worker} has other code behind the function '{path}' than the driver: install the same there"
            )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"

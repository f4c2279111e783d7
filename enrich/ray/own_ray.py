"""A Ray of the run's own: its start, its directory, and how one of its processes ended."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import ray
import ray._private.services
import ray._private.worker

from daeda.errors import DayError, first_line
from enrich.ray.channel import RayEnding, RayProcess, limited, send, starting
from enrich.ray.directory import RayDirectory
from enrich.ray.endings import AGAIN, ended_with, low_limits, not_started
from enrich.ray.idle_services import without_idle_services
from enrich.ray.initialize import initialize, on_loopback
from enrich.ray.limits import RayLimits

# Ray waits half a minute for what it starts.
STARTS = 3
_NOT_UP = "timed out during startup"
# ray_constants.DEFAULT_MIN_SYSTEM_RESERVED_MEMORY_BYTES.
LEAST_RESERVED_BYTES = 500 * 1024**2

# Kinds and handles of Ray's processes.
Started = list[tuple[str, Any]]
# The directory of the Ray that this process has started.
_OWN_DIRECTORIES: list[RayDirectory] = []


class RayLost(DayError):
    """Ray is gone, and whatever would be asked of it waits in vain."""


def check_node() -> None:
    """Raise RayLost when a process of the node that this one started has ended.

    Without its metadata Ray ends this process too, some time later and without a word.
    """
    node: Any = ray._private.worker._global_node
    for kind, process in node.dead_processes() if node is not None and node.head else ():
        raise RayLost(with_logs(f"Ray's {kind} {ended_with(process.returncode)}: {AGAIN}"))


def with_logs(sentence: str) -> str:
    """The sentence with the directory of the logs of this process's own Ray, which then stay there."""
    for directory in _OWN_DIRECTORIES:
        directory.named = True
        sentence += low_limits()
        return f"{sentence}; Ray's logs are in {directory.logs}"
    return sentence


@contextlib.contextmanager
def own_directory() -> Iterator[RayDirectory]:
    """The directory of a Ray that is started in the block."""
    directory = RayDirectory.make()
    _OWN_DIRECTORIES.append(directory)
    try:
        yield directory
    finally:
        _OWN_DIRECTORIES.remove(directory)
        directory.close()


def start_ray(limits: RayLimits, directory: RayDirectory, start_seconds: int) -> None:
    """Start Ray; on a machine that is too busy it gives up on itself, and is asked again. DayError when it does not."""
    late = f"Ray did not start within {start_seconds} s: raise ray.start_timeout_seconds (--ray-start-timeout-seconds)"
    with limited(start_seconds, late), starting(), on_loopback(), without_idle_services():
        for left in reversed(range(STARTS)):
            with _processes_reported() as started:
                error = _error_of_start(limits, directory)
            if error is None:
                break
            reason = _why_not_started(error, started)
            _end_started(started)
            if _NOT_UP not in str(error) or not left:
                raise DayError(with_logs(reason)) from error


def _error_of_start(limits: RayLimits, directory: RayDirectory) -> Exception | None:
    try:
        initialize(
            address="local",
            num_cpus=limits.cpus,
            object_store_memory=limits.object_store_bytes,
            include_dashboard=False,
            _node_ip_address="127.0.0.1",
            _temp_dir=str(directory.for_ray),
            **_isolation(limits),
        )
    except Exception as error:  # noqa: BLE001 - Ray has no class for it
        return error
    return None


def _why_not_started(error: Exception, started: Started) -> str:
    """What went wrong: a process that has ended, a machine that is too busy, or what Ray says."""
    for kind, process in started:
        if process.poll() is not None:
            return not_started(kind, process.poll())
    if _NOT_UP in str(error):
        return f"Ray did not start within its time, {STARTS} times: the machine is too busy for it now; run again"
    return f"Ray did not start ({type(error).__name__}: {first_line(error)}): {AGAIN}"


def _end_started(started: Started) -> None:
    """End what a start that failed has left, which Ray itself has lost sight of."""
    send(RayEnding())
    ray.shutdown()
    for _kind, process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()


@contextlib.contextmanager
def _processes_reported() -> Iterator[Started]:
    """The processes that Ray starts in the block, by kind. Each is reported to the supervisor at once: one of them may
    end while Ray waits for it.
    """
    started: Started = []
    original = ray._private.services.start_ray_process

    def start(command: Any, process_type: str, *rest: Any, **options: Any) -> Any:
        info = original(command, process_type, *rest, **options)
        started.append((process_type, info.process))
        send(RayProcess(process_type, info.process.pid))
        return info

    ray._private.services.start_ray_process = start
    try:
        yield started
    finally:
        ray._private.services.start_ray_process = original


def _isolation(limits: RayLimits) -> dict[str, Any]:
    """Resource isolation where it can work and the reserve is one that Ray accepts: it refuses to start otherwise."""
    cpus = limits.cpus - limits.worker_cpus
    if not limits.isolation or cpus < 1 or limits.reserved_memory_bytes < LEAST_RESERVED_BYTES:
        return {}
    return {
        "enable_resource_isolation": True,
        "system_reserved_cpu": float(cpus),
        "system_reserved_memory": limits.reserved_memory_bytes,
    }

"""Ray, started quietly within its limits, or joined where it runs already; and what is said when it ends early."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
import ray._private.ray_constants
import ray._private.services
import ray._private.utils
import ray._private.worker
import ray._raylet
import ray.util

from daeda.errors import DayError, InputError, first_line
from enrich.ray import environment
from enrich.ray.address import probe_address, unreachable
from enrich.ray.channel import is_supervised, limited, starting, tell_no_processes, tell_process
from enrich.ray.directory import RayDirectory
from enrich.ray.endings import AGAIN, ended_with, low_limits, not_started
from enrich.ray.limits import RayLimits, on_cluster

# Ray waits half a minute for what it starts.
STARTS = 3
START_SECONDS = 180
# Ray ends within two seconds; what has not ended by itself then is killed by the supervisor.
END_SECONDS = 20
_NOT_UP = "timed out during startup"
# ray_constants.DEFAULT_MIN_SYSTEM_RESERVED_MEMORY_BYTES.
LEAST_RESERVED_BYTES = 500 * 1024**2

# Kinds and handles of Ray's processes.
Started = list[tuple[str, Any]]
# The directory of the Ray that this process has started.
_OWN: list[RayDirectory] = []


@contextlib.contextmanager
def ray_session(
    limits: RayLimits, address: str | None = None, start_seconds: int = START_SECONDS
) -> Iterator[RayLimits]:
    """Ray within the limits while the block runs; a cluster at `address`, host:port, is joined, and left as it is.

    Gives the limits, with the CPUs of the cluster. A Ray that this process uses already is used, and left. InputError
    when there is no cluster at the address.

    Only in the main thread: the kernel ends Ray's processes together with the thread that started them.
    """
    if ray.is_initialized():
        yield limits if address is None else on_cluster(limits, _cluster_cpus())
        return
    environment.prepare(address)
    # Ray has read its variables when it was imported.
    native: Any = ray._raylet
    native.Config.initialize("")
    with _stdout_closed(), _own_directory() if address is None else contextlib.nullcontext() as directory:
        try:
            if directory is not None:
                _start(limits, directory, start_seconds)
            else:
                assert address is not None
                _join(address, start_seconds)
                limits = on_cluster(limits, _cluster_cpus())
            yield limits
        finally:
            # Of a cluster that was joined, only this process takes its leave.
            tell_no_processes()
            with limited(END_SECONDS, f"Ray did not end within {END_SECONDS} s: {AGAIN}"):
                ray.shutdown()


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
    """The sentence with the place of the logs of this process's own Ray, which then stay there."""
    for directory in _OWN:
        directory.named = True
        sentence += low_limits()
        return f"{sentence}; Ray's logs are in {directory.logs}"
    return sentence


@contextlib.contextmanager
def _stdout_closed() -> Iterator[None]:
    """Ray tells of dead workers on stdout, in a thread of its own; stdout is for the result of a command."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


@contextlib.contextmanager
def _own_directory() -> Iterator[RayDirectory]:
    directory = RayDirectory.make()
    _OWN.append(directory)
    try:
        yield directory
    finally:
        _OWN.remove(directory)
        directory.close()


def _start(limits: RayLimits, directory: RayDirectory, start_seconds: int) -> None:
    """Start Ray; on a machine that is too busy it gives up on itself, and is asked again. DayError when it does not."""
    late = f"Ray did not start within {start_seconds} s: raise ray.start_timeout_seconds (--ray-start-timeout-seconds)"
    with limited(start_seconds, late), starting(), _on_loopback():
        for left in reversed(range(STARTS)):
            with _processes_told() as started:
                error = _error_of_start(limits, directory)
            if error is None:
                break
            reason = _why_not_started(error, started)
            _end_started(started)
            if _NOT_UP not in str(error) or not left:
                raise DayError(with_logs(reason)) from error


def _error_of_start(limits: RayLimits, directory: RayDirectory) -> Exception | None:
    try:
        _init(
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
    tell_no_processes()
    ray.shutdown()
    for _kind, process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()


def _join(address: str, start_seconds: int) -> None:
    """Become a driver of a running cluster; InputError when that cannot be."""
    probe_address(address)
    late = str(unreachable(address, f"Ray has not joined it within {start_seconds} s"))
    with limited(start_seconds, late, InputError.exit_code), _where_it_listens(address):
        try:
            _init(address=address)
        except Exception as error:
            # Ray has no class for it: among others a ConnectionError, a RuntimeError, an AuthenticationError.
            raise unreachable(address, first_line(error)) from error


def _where_it_listens(address: str) -> contextlib.AbstractContextManager[None]:
    """Ray takes 127.0.0.1 to be this host's address in its network; a head that listens on the loopback alone, as that
    of a run's own Ray does, is not there.
    """
    host, _colon, port = address.rpartition(":")
    if not (host == "localhost" or host.startswith("127.")):
        return contextlib.nullcontext()
    try:
        here = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        probe_address(f"{here}:{port}")
    except InputError:
        return _on_loopback()
    return contextlib.nullcontext()


def _cluster_cpus() -> int:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return int(resources.get("CPU", 1))


def _init(**options: Any) -> None:
    _log_aside()
    with _native_stderr_closed(), _own_sigterm(), warnings.catch_warnings():
        # Ray forks and at once executes another program; no thread of Lance is missed there.
        warnings.filterwarnings("ignore", message="lance is not fork-safe", category=UserWarning)
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)


@contextlib.contextmanager
def _processes_told() -> Iterator[Started]:
    """The processes that Ray starts in the block, by kind. The supervisor is told of each at once: one of them may end
    while Ray waits for it.
    """
    started: Started = []
    original = ray._private.services.start_ray_process

    def start(command: Any, process_type: str, *rest: Any, **options: Any) -> Any:
        info = original(command, process_type, *rest, **options)
        started.append((process_type, info.process))
        tell_process(process_type, info.process.pid)
        return info

    ray._private.services.start_ray_process = start
    try:
        yield started
    finally:
        ray._private.services.start_ray_process = original


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """Ray's own idea of where this node is becomes 127.0.0.1 while it starts, which all its servers are bound to then.

    Ray takes the variable for it from the environment when it is imported; its other processes read it anew.
    """
    constants = ray._private.ray_constants
    original = constants.ENABLE_RAY_CLUSTER
    constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = original


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Ray sets no handler of SIGTERM while the block runs. Its own ends the process in the middle of the start, and
    leaves behind for a minute what had been started.
    """
    original = ray._private.utils.set_sigterm_handler
    ray._private.utils.set_sigterm_handler = lambda handler: None
    try:
        yield
    finally:
        ray._private.utils.set_sigterm_handler = original


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


def _log_aside() -> None:
    """What Ray's Python side logs goes where its C++ side writes, and not before the sentence that matters."""
    if not is_supervised():
        return
    native = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    for handler in logging.getLogger("ray").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(native)


@contextlib.contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """What writes to descriptor 2 writes to nowhere while the block runs: Ray announces there that it is silent.

    A supervisor keeps that from the terminal anyway.
    """
    if is_supervised():
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)

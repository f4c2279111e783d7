"""Ray while a block runs: started quietly within its limits, or joined where it runs already."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import ray
import ray._raylet
import ray.util

from daeda.errors import InputError, first_line
from enrich.ray import environment
from enrich.ray.address import probe_address, unreachable
from enrich.ray.channel import RayEnding, limited, send
from enrich.ray.endings import AGAIN
from enrich.ray.initialize import initialize, on_loopback, stdout_closed
from enrich.ray.limits import RayLimits, on_cluster
from enrich.ray.own_ray import own_directory, start_ray

START_SECONDS = 180
# Ray ends within two seconds; what has not ended by itself then is killed by the supervisor.
END_SECONDS = 20


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
    with stdout_closed(), own_directory() if address is None else contextlib.nullcontext() as directory:
        try:
            if directory is not None:
                start_ray(limits, directory, start_seconds)
            else:
                assert address is not None
                _join(address, start_seconds)
                limits = on_cluster(limits, _cluster_cpus())
            yield limits
        finally:
            # Of a cluster that was joined, only this process takes its leave.
            send(RayEnding())
            with limited(END_SECONDS, f"Ray did not end within {END_SECONDS} s: {AGAIN}"):
                ray.shutdown()


def _join(address: str, start_seconds: int) -> None:
    """Become a driver of a running cluster; InputError when that cannot be."""
    probe_address(address)
    late = str(unreachable(address, f"Ray has not joined it within {start_seconds} s"))
    with limited(start_seconds, late, InputError.exit_code), _reached_at(address):
        try:
            initialize(address=address)
        except Exception as error:
            # Ray has no class for it: among others a ConnectionError, a RuntimeError, an AuthenticationError.
            raise unreachable(address, first_line(error)) from error


def _reached_at(address: str) -> contextlib.AbstractContextManager[None]:
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
        return on_loopback()
    return contextlib.nullcontext()


def _cluster_cpus() -> int:
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return int(resources.get("CPU", 1))

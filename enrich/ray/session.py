"""Ray while a block runs: started quietly within its limits, or joined where it runs already."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import ray
import ray._raylet

from enrich.ray import environment
from enrich.ray.channel import RayEnding, limited, send
from enrich.ray.cluster import cluster_cpus, join_cluster
from enrich.ray.endings import AGAIN
from enrich.ray.initialize import stdout_closed
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
        yield limits if address is None else on_cluster(limits, cluster_cpus())
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
                join_cluster(address, start_seconds)
                limits = on_cluster(limits, cluster_cpus())
            yield limits
        finally:
            # Of a cluster that was joined, only this process takes its leave.
            send(RayEnding())
            with limited(END_SECONDS, f"Ray did not end within {END_SECONDS} s: {AGAIN}"):
                ray.shutdown()

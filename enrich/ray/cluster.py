"""A Ray cluster that runs already: joined, and left as it is."""

from __future__ import annotations

import contextlib

import ray
import ray.util

from daeda.errors import InputError, first_line
from enrich.ray.address import probe_address, unreachable
from enrich.ray.channel import limited
from enrich.ray.initialize import initialize, on_loopback


def join_cluster(address: str, start_seconds: int) -> None:
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


def cluster_cpus() -> int:
    """All CPUs of the cluster that this process uses."""
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return int(resources.get("CPU", 1))

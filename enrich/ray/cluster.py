"""A Ray cluster that runs already: how it is joined, what its nodes have, and how its loss is noticed."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import ray
import ray._private.worker
import ray._raylet
import ray.exceptions
import ray.util
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from daeda.errors import InputError, counted, first_line
from daeda.settings.runtime import RayEnvelope
from enrich.ray import here
from enrich.ray.address import check_token_given, other_versions, probe_address, refuses_token, unreachable
from enrich.ray.channel import ClusterLost, RayProcess, limited, send
from enrich.ray.endings import AGAIN, ended_with
from enrich.ray.fitness import CODE, PACKAGES, Fitness
from enrich.ray.initialize import initialize, on_loopback
from enrich.ray.limits import Node, RayLimits, on_cluster
from enrich.ray.own_ray import RayLost
from enrich.ray.time_limits import POLL_SECONDS

# A head that answers nobody for so long is gone. One that keeps its state elsewhere may come back sooner; Ray itself
# gives it up after a minute, and ends this process without a word.
HEAD_SECONDS = 30.0
LOOK_SECONDS = 2.0
# What the system says of the process at the other end of a socket: pid, user and group.
_CREDENTIALS = struct.Struct("3i")


class ClusterGone(RayLost):
    """The cluster that was joined is gone, and would not hear that this process takes its leave."""


# The address of the cluster that this process has joined, and what was found out about its end.
_joined: list[str] = []
_lost: list[str] = []
# A descriptor of the cluster's process on this host, which can be read when the process has ended.
_raylet: list[int] = []
_RAYLET = "raylet on this host"


def join(address: str, start_seconds: int) -> None:
    """Become a driver of a running cluster; InputError when that cannot be."""
    probe_address(address)
    check_token_given(address)
    late = str(unreachable(address, f"Ray has not joined it within {start_seconds} s"))
    with limited(start_seconds, late, InputError.exit_code), _reached_at(address):
        _check_token(address)
        try:
            initialize(address=address)
        except Exception as error:
            # Ray has no class for it: among others a ConnectionError and a RuntimeError.
            raise other_versions(address, str(error)) or unreachable(address, first_line(error)) from error
    _report_node()


def _check_token(address: str) -> None:
    """Ray itself asks for half a minute, and says then that nothing is there."""
    native: Any = ray._raylet
    try:
        native.GcsClient(address=address)
    except ray.exceptions.AuthenticationError as error:
        raise refuses_token(address) from error
    except Exception as error:
        # Among others a RuntimeError and an RpcError of the native side.
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


def limits_on(requested: RayEnvelope, address: str) -> tuple[RayLimits, str]:
    """The limits of a run on the cluster that was joined, and the line that says what they are on its nodes."""
    nodes = [
        Node(
            node["NodeID"],
            node["NodeManagerAddress"],
            int(node["Resources"].get("CPU", 0)),
            int(node["Resources"].get("memory", 0)),
            int(node["Resources"].get("object_store_memory", 0)),
        )
        for node in _nodes_alive()
    ]
    if not any(node.cpus for node in nodes):
        raise InputError(
            f"the Ray cluster at ray.address {address} has {counted(len(nodes), 'node')} and no CPU: start its nodes "
            "with --num-cpus"
        )
    return on_cluster(requested, sorted(nodes, key=lambda node: node.address))


def check_nodes(fitness: Fitness, limits: RayLimits, check: Callable[[], None]) -> None:
    """Raise InputError with a line for each node that cannot work for the run, whatever is missing there; one that is
    lost meanwhile is passed over. `check` is called while nodes are waited for.
    """
    by_value: Any = ray.cloudpickle
    by_value.register_pickle_by_value(here)
    try:
        look: Any = ray.remote(num_cpus=0, max_retries=0)(here.look)
        asked = {
            look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(
                fitness.directory, PACKAGES, CODE
            ): node
            for node in limits.nodes
        }
    finally:
        by_value.unregister_pickle_by_value(here)
    problems = []
    waiting = list(asked)
    while waiting:
        check()
        ready, waiting = ray.wait(waiting, timeout=POLL_SECONDS)
        for answer in ready:
            problem = _problem(fitness, answer, asked[answer])
            if problem is not None:
                problems.append(problem)
    if problems:
        raise InputError(*dict.fromkeys(problems))


def _problem(fitness: Fitness, answer: Any, node: str) -> str | None:
    try:
        seen: Any = ray.get(answer)
    except ray.exceptions.RayError as error:
        alive = [one for one in _nodes_alive() if one["NodeID"] == node]
        return f"the worker on {alive[0]['NodeManagerAddress']} does not answer: {first_line(error)}" if alive else None
    return fitness.problem(seen)


def _nodes_alive() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def _report_node() -> None:
    """See which process is the node of this host, and tell the supervisor: without it, Ray ends this process without a
    word.
    """
    node: Any = ray._private.worker._global_node
    if sys.platform != "linux" or node is None:
        return
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(node.raylet_socket_name)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, _user, _group = _CREDENTIALS.unpack(credentials)
    send(RayProcess(_RAYLET, pid))
    # It may be one that this process cannot see.
    with contextlib.suppress(OSError):
        _raylet.append(os.pidfd_open(pid))


@contextlib.contextmanager
def head_watched(address: str) -> Iterator[None]:
    """While the block runs, a thread looks whether the head of the cluster answers."""
    stopped = threading.Event()
    _joined.append(address)
    threading.Thread(target=_watch_head, args=(address, stopped), daemon=True, name="head watch").start()
    try:
        yield
    finally:
        stopped.set()
        _joined.clear()
        _lost.clear()
        while _raylet:
            os.close(_raylet.pop())


def check_cluster() -> None:
    """Raise ClusterGone when the cluster that was joined is known to be gone, or its node on this host."""
    if any(_has_ended(descriptor) for descriptor in _raylet):
        raise ClusterGone(f"Ray's {_RAYLET} {ended_with(None)}: {AGAIN}")
    for sentence in _lost:
        raise ClusterGone(sentence)


def _has_ended(descriptor: int) -> bool:
    ended = select.poll()
    ended.register(descriptor, select.POLLIN)
    return bool(ended.poll(0))


def check_head() -> None:
    """Raise ClusterGone when the head of the cluster that was joined does not answer now: what went wrong just now went
    wrong for that.
    """
    for address in _joined:
        try:
            probe_address(address)
        except InputError as error:
            raise ClusterGone(_head_gone(address)) from error


def _watch_head(address: str, stopped: threading.Event) -> None:
    answered = time.monotonic()
    while not stopped.wait(LOOK_SECONDS):
        try:
            probe_address(address)
        except InputError:
            if time.monotonic() - answered > HEAD_SECONDS and not stopped.is_set():
                _lost.append(_head_gone(address))
                send(ClusterLost(_head_gone(address)))
                return
        else:
            answered = time.monotonic()


def _head_gone(address: str) -> str:
    return (
        f"the head of the Ray cluster at ray.address {address} does not answer any more: {AGAIN} when the cluster is up"
    )

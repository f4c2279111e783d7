"""Ray while a block runs: started quietly within its limits, or joined where it runs already."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import ray
import ray._raylet

from daeda.process.messages import say
from enrich.ray import cluster, environment
from enrich.ray.channel import RayEnding, limited, send
from enrich.ray.endings import AGAIN
from enrich.ray.initialize import stdout_closed
from enrich.ray.limits import RayLimits
from enrich.ray.own_ray import RayLost, own_directory, start_ray

START_SECONDS = 180
# Ray ends within two seconds; what has not ended by itself then is killed by the supervisor.
END_SECONDS = 20


def prepare_environment(address: str | None) -> None:
    """Set what Ray reads, before a thread that reads stores is at work beside the start of Ray; see
    `environment.prepare`.
    """
    if not ray.is_initialized():
        environment.prepare(address)


@contextlib.contextmanager
def ray_session(
    limits: RayLimits, address: str | None = None, start_seconds: int = START_SECONDS
) -> Iterator[RayLimits]:
    """Ray within the limits while the block runs; a cluster at `address`, host:port, is joined, and left as it is.

    Gives the limits; on a cluster those of its nodes, which it says. A Ray that this process uses already is used, and
    left. InputError when there is no cluster at the address, or when it does not take the run.

    Only in the main thread: the kernel ends Ray's processes together with the thread that started them.
    """
    if ray.is_initialized():
        yield limits if address is None else _limits_on(limits, address)
        return
    prepare_environment(address)
    # Ray has read its variables when it was imported.
    native: Any = ray._raylet
    native.Config.initialize("")
    with stdout_closed():
        if address is None:
            with own_directory() as directory, _ended():
                start_ray(limits, directory, start_seconds)
                yield limits
        else:
            with _ended():
                cluster.join(address, start_seconds)
                with cluster.head_watched(address):
                    yield _limits_on(limits, address)


@contextlib.contextmanager
def _ended() -> Iterator[None]:
    """What the block starts is ended. Of a cluster that was joined, only this process takes its leave.

    One that is lost would be waited for, and a node that is lost would have Ray end this process before it says so.
    """
    try:
        yield
    except RayLost:
        send(RayEnding())
        raise
    except BaseException:
        _end()
        raise
    _end()


def _end() -> None:
    send(RayEnding())
    with limited(END_SECONDS, f"Ray did not end within {END_SECONDS} s: {AGAIN}"):
        ray.shutdown()


def _limits_on(limits: RayLimits, address: str) -> RayLimits:
    found, sentence = cluster.limits_on(limits.requested, address)
    say(sentence)
    return found

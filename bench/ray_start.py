"""A Ray of a run's own until the first of its actors asks for a part, in a process of its own.

    python -m bench.ray_start as_is | with_all

`with_all` has what Ray and Ray Data start by themselves and a run leaves out: three services, two agents, three actors.
Prints the seconds, those of the processor that all processes together took by then, and how many processes there are.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import sys
import tempfile
import time

import psutil

from daeda.process.host import probe_host
from daeda.settings.runtime import RayEnvelope
from enrich.part.task import PartTask
from enrich.ray import own_ray, stream
from enrich.ray.fitness import Fitness
from enrich.ray.limits import clamp
from enrich.ray.session import ray_session
from enrich.ray.time_limits import TimeLimit

_PARTS = 8


class _Begun(Exception):
    """Actors have begun; nothing is to be built."""


def main() -> None:
    if sys.argv[1] == "with_all":
        own_ray.without_idle_services = contextlib.nullcontext
        stream.no_data_actors = contextlib.nullcontext
    limits = clamp(RayEnvelope(), probe_host())
    tasks = {str(dt.date(2024, 1, 1)): [PartTask("none", "none", number, 1, ()) for number in range(_PARTS)]}
    busy = time.process_time()
    started = time.perf_counter()
    told = {}
    with (
        contextlib.suppress(_Begun),
        ray_session(limits),
        stream.PartStream(tasks, limits, Fitness.of_the_driver(tempfile.gettempdir())) as parts,
    ):
        parts.wait_for_actors(TimeLimit())
        told["seconds"] = time.perf_counter() - started
        times = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
        told["cpu_seconds"] = time.process_time() - busy + sum(one.user + one.system for one in times)
        told["processes"] = 1 + len(times)
        raise _Begun
    print(json.dumps(told), flush=True)
    # Nothing is waited for that ends by itself.
    os._exit(0)


if __name__ == "__main__":
    main()

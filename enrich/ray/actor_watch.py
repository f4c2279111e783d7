"""The watch over the actors: what an actor had whose node is gone is given to others, and actors that only die end the
run.

Ray starts an actor anew that died, where it has a place for it. On a cluster that lost a node it may have none, and the
input of the actor would wait for one for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import ray
import ray._private.state
import ray._private.worker
import ray.exceptions

from enrich.ray.endings import ActorsLost, actors_lost
from enrich.ray.own_ray import with_logs
from enrich.ray.part_queue import Life

LOOK_SECONDS = 1.0
# More deaths than this, for each actor, without a part done in between, and none will be done.
MOST_RESTARTS = 3


class ActorWatch:
    """Looks at the actors that have a part, in a thread of its own: Ray's answer may take a minute."""

    def __init__(self, queue: Any, actors: int, fail: Callable[[BaseException], None]) -> None:
        self._queue = queue
        self._actors = actors
        self._fail = fail
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="actor watch")
        self._done = -1
        self._restarts_before = 0

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; what is asked now is not waited for."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                self._look()
            except ray.exceptions.RayActorError:
                # The queue has ended, and the run with it.
                return
            except Exception as error:  # noqa: BLE001 - raised again where the receipts are waited for
                if not self._stopped.is_set():
                    self._fail(error)
                return

    def _look(self) -> None:
        done, at_work = ray.get(self._queue.progress.remote())
        state: Any = ray._private.state.state
        actors: dict[str, dict[str, Any]] = state.actor_table(None, ray._private.worker.global_worker.current_job_id)
        nodes = {node["NodeID"] for node in ray.nodes() if node["Alive"]}  # type: ignore[no-untyped-call]
        for position, life in at_work.items():
            if is_lost(actors.get(life.actor), life):
                ray.get(self._queue.lose.remote(position, life, life.node not in nodes))
        restarts = sum(int(actor["NumRestarts"]) for actor in actors.values())
        if done != self._done:
            self._done, self._restarts_before = done, restarts
        if restarts - self._restarts_before > MOST_RESTARTS * self._actors:
            deaths = restarts - self._restarts_before
            self._fail(ActorsLost(with_logs(actors_lost(f"{deaths} deaths without a part done in between"))))


def is_lost(actor: dict[str, Any] | None, life: Life) -> bool:
    """Whether an actor, as Ray knows it, has not this life any more."""
    if actor is None or actor["State"] != "ALIVE":
        return True
    return (actor["Address"]["NodeID"], actor["Pid"]) != (life.node, life.pid)

"""Ray Data's own actors: on a cluster, those of the run and not those that all jobs share; elsewhere there are none.

Ray Data keeps three actors with a name for all jobs of a cluster, on the node of the driver that came first. A run of
another driver would be lost with that node. In a Ray of the run's own nobody but the run asks them anything, and what
they would answer is known: statistics that nobody reads, nodes that are there as long as the run, and where its actors
are, which is here. Each of them is a process that imports Ray Data, beside the actors that the run waits for.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import ray
import ray.data._internal.cluster_autoscaler.default_autoscaling_coordinator as coordinator
import ray.data._internal.execution.node_trackers.actor_location as location
import ray.data._internal.execution.operators.actor_pool_map_operator as actor_pool
import ray.data._internal.stats as stats
import ray.data._internal.utils.cached_ray_internals as internals
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

# How Ray Data finds its actors, and where it has taken that from.
_GETTERS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("get_or_create_actor_location_tracker", (actor_pool, internals)),
    ("get_or_create_stats_actor", (stats,)),
    ("get_or_create_autoscaling_coordinator", (coordinator,)),
)


@contextlib.contextmanager
def own_data_actors() -> Iterator[None]:
    """While the block runs, Ray Data uses actors on this node that end with this process."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    tracker: Any = location.ActorLocationTracker
    statistics: Any = stats._StatsActor
    coordinating: Any = ray.remote(num_cpus=0)(coordinator._AutoscalingCoordinatorActor)
    options = {"num_cpus": 0, "scheduling_strategy": here}
    with _instead(*(actor.options(**options).remote() for actor in (tracker, statistics, coordinating))):
        yield


@contextlib.contextmanager
def no_data_actors() -> Iterator[None]:
    """While the block runs, Ray Data has no actors of its own. Only in a Ray whose nodes stay as they are."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    there = {node["NodeID"]: node["Resources"] for node in nodes if node["Alive"]}
    # An actor that is not found in the answer is where it was when it came.
    tracker = _StandIn({"get_actor_locations": ray.put({})})
    statistics = _StandIn({"gen_dataset_id": ray.put(uuid.uuid4().hex)})
    with _instead(tracker, statistics, _StandIn({"get_reserved_resources": ray.put(there)})):
        yield


@dataclass(frozen=True)
class _StandIn:
    """Takes the place of an actor: its methods do nothing, and those that are waited for give what is known.

    It travels to the actors of the run, which tell it where they are.
    """

    answers: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, method: str) -> _Method:
        if method.startswith("_"):
            raise AttributeError(method)
        return _Method(self.answers.get(method))


@dataclass(frozen=True)
class _Method:
    answer: Any

    def remote(self, *_given: object, **_named: object) -> Any:
        """The answer, whatever is asked."""
        return self.answer


# Of the runs that are at work in this process, what each has in place of the actors; the newest one counts.
_in_place: list[tuple[Any, ...]] = []
_lock = threading.Lock()


@contextlib.contextmanager
def _instead(*actors: Any) -> Iterator[None]:
    """While the block runs, Ray Data finds these: a tracker of locations, an actor of statistics, and a coordinator.

    The thread of a run that was given up may leave the block when the next run is in it already, which keeps its own.
    """
    with _lock:
        _in_place.append(actors)
        for number, (getter, modules) in enumerate(_GETTERS):
            for module in modules:
                there = getattr(module, getter)
                if not isinstance(there, _Getter):
                    setattr(module, getter, _Getter(number, there))
    try:
        yield
    finally:
        with _lock:
            _in_place[:] = [others for others in _in_place if others is not actors]


@dataclass(frozen=True)
class _Getter:
    """In place of a function of Ray Data that finds an actor: it asks that one where no run is at work."""

    number: int
    original: Callable[[], Any]

    def __call__(self) -> Any:
        """The actor, or what a run has in its place."""
        with _lock:
            newest = _in_place[-1] if _in_place else None
        return self.original() if newest is None else newest[self.number]

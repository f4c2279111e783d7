"""Ray Data's own actors: on a cluster, those of the run and not those that it shares with every other job.

Ray Data keeps three actors with a name for all jobs of a cluster, on the node of the driver that came first. A run of
another driver would be lost with that node.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import ray
import ray.data._internal.cluster_autoscaler.default_autoscaling_coordinator as coordinator
import ray.data._internal.execution.node_trackers.actor_location as location
import ray.data._internal.execution.operators.actor_pool_map_operator as actor_pool
import ray.data._internal.stats as stats
import ray.data._internal.utils.cached_ray_internals as internals
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy


@contextlib.contextmanager
def own_data_actors() -> Iterator[None]:
    """While the block runs, Ray Data uses actors on this node that end with this process."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    tracker: Any = location.ActorLocationTracker
    statistics: Any = stats._StatsActor
    coordinating: Any = ray.remote(num_cpus=0)(coordinator._AutoscalingCoordinatorActor)
    with contextlib.ExitStack() as originals:
        for getter, actor_class, modules in (
            ("get_or_create_actor_location_tracker", tracker, (actor_pool, internals)),
            ("get_or_create_stats_actor", statistics, (stats,)),
            ("get_or_create_autoscaling_coordinator", coordinating, (coordinator,)),
        ):
            actor = actor_class.options(num_cpus=0, scheduling_strategy=here).remote()
            for module in modules:
                originals.callback(setattr, module, getter, getattr(module, getter))
                setattr(module, getter, lambda actor=actor: actor)
        yield

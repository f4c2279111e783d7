"""What the enrichment may use: the requested ceilings, the host it is on, and the smaller of both.

Ray clamps nothing itself: it accepts 16 CPUs on two cores and then runs slower than with two. A container's limits are
in its cgroup and not in what the operating system reports about the machine, so both are read.

    requested 16 CPUs, 64 GiB, store 20 GiB   on a host of 2 cores, 24 GiB
    ->        2 CPUs, 24 GiB, store 8 GiB, 1 worker CPU, 2 actors
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from daeda.errors import counted, shortened
from daeda.process.host import Host, size_text
from daeda.settings.runtime import RayEnvelope

GIB = 1024**3

# Ray refuses to start with less (ray_constants.OBJECT_STORE_MINIMUM_MEMORY_BYTES).
RAY_MINIMUM_STORE_BYTES = 75 * 1024**2
# Objects in the store and the heaps of the actors that read them are needed at the same time; the heaps need more.
STORE_SHARE_PERCENT = 40
# On a small host the reserve would take everything; it never takes more than this share of the memory.
RESERVE_SHARE_PERCENT = 50


@dataclass(frozen=True)
class RayLimits:
    """The limits of this run on a host: counts and bytes, all at least 1.

    On a cluster they are those of the smallest of its nodes, and `nodes` says how many actors of each node work at
    once, by its id.
    """

    requested: RayEnvelope
    cpus: int
    memory_bytes: int
    object_store_bytes: int
    reserved_memory_bytes: int
    worker_cpus: int
    actors: int
    isolation: bool
    nodes: Mapping[str, int] = field(default_factory=dict)

    @property
    def all_actors(self) -> int:
        """The actors of the run."""
        return sum(self.nodes.values()) if self.nodes else self.actors

    @property
    def actor_cpus(self) -> float:
        """The logical CPUs of an actor."""
        return min(1.0, self.worker_cpus / self.actors)

    def sentence(self) -> str | None:
        """One line that names every ceiling that this host lowered, or None when it lowered none."""
        changes = self._changes()
        if not changes:
            return None
        return f"resource envelope clamped to what this host and ray.memory allow: {', '.join(changes)}"

    def _changes(self) -> list[str]:
        asked = self.requested
        changes = []
        if self.cpus < asked.num_cpus:
            changes.append(f"CPUs {asked.num_cpus} -> {self.cpus}")
        for what, before, after in (
            ("memory", asked.memory, self.memory_bytes),
            ("object store", asked.object_store_memory, self.object_store_bytes),
            ("reserved memory", asked.reserved_memory, self.reserved_memory_bytes),
        ):
            if after < before:
                changes.append(f"{what} {size_text(before)} -> {size_text(after)}")
        return changes


@dataclass(frozen=True)
class Node:
    """A node of a cluster: its id and address, and what Ray was told that it has; `memory_bytes` without the store."""

    name: str
    address: str
    cpus: int
    memory_bytes: int
    object_store_bytes: int


def on_cluster(requested: RayEnvelope, nodes: Sequence[Node]) -> tuple[RayLimits, str]:
    """The limits of a run on a cluster, and the line that says what they are on each of its nodes.

    The envelope holds for each node: sixteen of them have up to sixteen times what was asked for. A node without CPUs
    has no actors; at least one of the nodes has some.
    """
    limits = {node: _on_node(requested, node) for node in nodes if node.cpus}
    smallest = replace(
        min(limits.values(), key=lambda of_node: (of_node.cpus, of_node.actors)),
        object_store_bytes=min(of_node.object_store_bytes for of_node in limits.values()),
        nodes={node.name: of_node.actors for node, of_node in limits.items()},
    )
    less = [f"{node.address} ({', '.join(changes)})" for node in limits if (changes := limits[node]._changes())]
    sentence = (
        f"the resource envelope holds for each node of the Ray cluster ({counted(len(nodes), 'node')}): CPUs "
        f"{requested.num_cpus}, memory {size_text(requested.memory)}, object store "
        f"{size_text(requested.object_store_memory)}; {counted(smallest.all_actors, 'actor')} in all"
    )
    if less:
        sentence += f"; clamped to what they have: {shortened(less)}"
    if len(limits) < len(nodes):
        sentence += f"; without CPUs, and so without actors: {counted(len(nodes) - len(limits), 'node')}"
    return smallest, sentence


def _on_node(requested: RayEnvelope, node: Node) -> RayLimits:
    """The envelope on a node of a cluster. What the object store has is given; what is asked for bounds its use."""
    host = Host(node.cpus, node.memory_bytes + node.object_store_bytes, None, isolation=False)
    store = max(1, min(requested.object_store_memory, node.object_store_bytes))
    return replace(clamp(requested, host), object_store_bytes=store)


def _workers(asked: RayEnvelope, cpus: int) -> tuple[int, int]:
    """CPUs of workers, and actors."""
    worker_cpus = max(1, cpus - max(0, asked.reserved_cpus))
    return worker_cpus, max(min(cpus, 2), worker_cpus * asked.actor_percent // 100)


def clamp(requested: RayEnvelope, host: Host) -> RayLimits:
    """The smaller of request and host. Never refuses: a request below what can run at all is raised to it.

    The object store stays within /dev/shm and within 40 % of the memory that the reserve leaves, unless that is
    less than Ray's minimum; then Ray gets its minimum and places it in /tmp itself if /dev/shm is too small.
    """
    cpus = max(1, min(requested.num_cpus, host.cores))
    memory = max(1, min(requested.memory, host.memory_bytes))
    reserve = max(0, min(requested.reserved_memory, memory * RESERVE_SHARE_PERCENT // 100))
    bounds = [requested.object_store_memory, (memory - reserve) * STORE_SHARE_PERCENT // 100]
    if host.shm_free_bytes is not None:
        bounds.append(host.shm_free_bytes)
    worker_cpus, actors = _workers(requested, cpus)
    return RayLimits(
        requested=requested,
        cpus=cpus,
        memory_bytes=memory,
        object_store_bytes=max(RAY_MINIMUM_STORE_BYTES, min(bounds)),
        reserved_memory_bytes=reserve,
        worker_cpus=worker_cpus,
        actors=actors,
        isolation=host.isolation,
    )

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daeda.process.host import Host, SkeletonMemory, probe_host, skeleton_memory
from daeda.settings.runtime import RayEnvelope
from enrich.ray.limits import GIB, RAY_MINIMUM_STORE_BYTES, Node, RayLimits, clamp, on_cluster


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


MACHINE = {
    "proc/self/status": "Name:\tpython\nCpus_allowed_list:\t0-6,8",
    "proc/meminfo": "MemTotal:       33554432 kB\nMemFree: 1 kB",
    "proc/self/cgroup": "0::/",
}


def test_bare_machine(tmp_path: Path) -> None:
    assert probe_host(plant(tmp_path, MACHINE)) == Host(8, 32 * GIB, None, isolation=False)


@pytest.mark.parametrize(
    ("files", "cores", "gib"),
    [
        pytest.param({"sys/fs/cgroup/cpu.max": "max 100000", "sys/fs/cgroup/memory.max": "max"}, 8, 32, id="v2 max"),
        pytest.param({"sys/fs/cgroup/cpu.max": "350000 100000"}, 3, 32, id="v2 part of a CPU is dropped"),
        pytest.param({"sys/fs/cgroup/cpu.max": "50000 100000"}, 1, 32, id="v2 half a CPU is one"),
        pytest.param({"sys/fs/cgroup/memory.max": str(5 * GIB)}, 8, 5, id="v2 memory"),
        pytest.param(
            {
                "proc/self/cgroup": "0::/a/b",
                "sys/fs/cgroup/a/b/memory.max": "max",
                "sys/fs/cgroup/a/memory.max": str(6 * GIB),
                "sys/fs/cgroup/a/b/cpu.max": "400000 100000",
                "sys/fs/cgroup/a/cpu.max": "200000 100000",
            },
            2,
            6,
            id="v2 the strictest ancestor",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "3:memory:/docker/x\n2:cpu,cpuacct:/docker/x\n0::/",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": str(7 * GIB),
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            2,
            7,
            id="v1 container whose path is the host's",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "3:memory:/\n2:cpu:/",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            8,
            32,
            id="v1 unlimited",
        ),
    ],
)
def test_limits(tmp_path: Path, files: dict[str, str], cores: int, gib: int) -> None:
    host = probe_host(plant(tmp_path, MACHINE | files))
    assert (host.cores, host.memory_bytes) == (cores, gib * GIB)


V2 = {"sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids", "sys/fs/cgroup/cgroup.subtree_control": ""}


@pytest.mark.parametrize(
    ("files", "possible"),
    [
        pytest.param(V2, True, id="writable v2"),
        pytest.param(V2 | {"sys/fs/cgroup/cgroup.controllers": "pids"}, False, id="without cpu and memory"),
        pytest.param(V2 | {"proc/self/cgroup": "4:memory:/\n0::/"}, False, id="hybrid"),
        pytest.param(V2 | {"proc/self/cgroup": "1:name=systemd:/\n0::/"}, True, id="named v1 group"),
        pytest.param({}, False, id="no cgroup"),
    ],
)
def test_isolation(tmp_path: Path, files: dict[str, str], possible: bool) -> None:
    assert probe_host(plant(tmp_path, MACHINE | files)).isolation is possible


def test_isolation_needs_a_writable_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    assert probe_host(plant(tmp_path, MACHINE | V2)).isolation is False


def test_shared_memory_is_measured(tmp_path: Path) -> None:
    (tmp_path / "dev/shm").mkdir(parents=True)
    assert (probe_host(plant(tmp_path, MACHINE)).shm_free_bytes or 0) > 0


def test_this_host() -> None:
    host = probe_host()
    assert 1 <= host.cores <= (os.cpu_count() or 1)
    assert host.memory_bytes > GIB // 8


def limits(requested: RayEnvelope, host: Host) -> tuple[int, int, int, int, int]:
    found = clamp(requested, host)
    return found.cpus, found.memory_bytes, found.object_store_bytes, found.worker_cpus, found.actors


def test_a_host_with_room_gives_what_was_asked() -> None:
    roomy = Host(cores=64, memory_bytes=256 * GIB, shm_free_bytes=128 * GIB, isolation=True)
    assert clamp(RayEnvelope(), roomy) == RayLimits(
        RayEnvelope(), 16, 64 * GIB, 20 * GIB, 4 * GIB, 15, 12, isolation=True
    )
    assert clamp(RayEnvelope(), roomy).sentence() is None


def test_small_host() -> None:
    small = Host(cores=2, memory_bytes=24 * GIB, shm_free_bytes=12 * GIB, isolation=False)
    assert limits(RayEnvelope(), small) == (2, 24 * GIB, 8 * GIB, 1, 2)
    assert clamp(RayEnvelope(), small).sentence() == (
        "resource envelope clamped to what this host and ray.memory allow: "
        "CPUs 16 -> 2, memory 64.0 GiB -> 24.0 GiB, object store 20.0 GiB -> 8.0 GiB"
    )


def test_shared_memory_bounds_the_store() -> None:
    host = Host(cores=16, memory_bytes=64 * GIB, shm_free_bytes=3 * GIB, isolation=False)
    assert clamp(RayEnvelope(), host).object_store_bytes == 3 * GIB
    assert clamp(RayEnvelope(), host).sentence() == (
        "resource envelope clamped to what this host and ray.memory allow: object store 20.0 GiB -> 3.0 GiB"
    )


def test_tiny_host_is_not_refused() -> None:
    tiny = Host(cores=1, memory_bytes=GIB // 8, shm_free_bytes=64 * 1024**2, isolation=False)
    assert limits(RayEnvelope(), tiny) == (1, GIB // 8, RAY_MINIMUM_STORE_BYTES, 1, 1)
    assert clamp(RayEnvelope(), tiny).sentence() == (
        "resource envelope clamped to what this host and ray.memory allow: CPUs 16 -> 1, memory 64.0 GiB -> 0.1 GiB, "
        "object store 20.0 GiB -> 75 MiB, reserved memory 4.0 GiB -> 64 MiB"
    )


@pytest.mark.parametrize(
    ("cores", "worker_cpus", "actors"), [(1, 1, 1), (2, 1, 2), (3, 2, 2), (4, 3, 2), (8, 7, 5), (16, 15, 12)]
)
def test_actors(cores: int, worker_cpus: int, actors: int) -> None:
    host = Host(cores=cores, memory_bytes=64 * GIB, shm_free_bytes=None, isolation=False)
    assert limits(RayEnvelope(), host)[3:] == (worker_cpus, actors)


def test_nonsense_is_raised_to_what_can_run() -> None:
    host = Host(cores=4, memory_bytes=8 * GIB, shm_free_bytes=8 * GIB, isolation=False)
    asked = RayEnvelope.model_construct(
        num_cpus=0, memory=0, object_store_memory=0, reserved_cpus=-1, reserved_memory=-1
    )
    assert limits(asked, host) == (1, 1, RAY_MINIMUM_STORE_BYTES, 1, 1)
    assert clamp(asked, host).sentence() is None


def test_a_share_of_the_worker_cpus_runs_actors() -> None:
    host = Host(cores=16, memory_bytes=64 * GIB, shm_free_bytes=None, isolation=False)
    assert clamp(RayEnvelope(actor_percent=100), host).actors == 15
    assert clamp(RayEnvelope(actor_percent=34), host).actors == 5
    assert clamp(RayEnvelope(actor_percent=1), host).actors == 2


def test_memory_of_the_skeleton() -> None:
    host = Host(cores=2, memory_bytes=10 * GIB, shm_free_bytes=None, isolation=False)
    assert skeleton_memory(None, host) == SkeletonMemory(None, 6 * GIB)
    assert skeleton_memory(None, host).sentence() is None
    assert skeleton_memory(4 * GIB, host) == SkeletonMemory(4 * GIB, 4 * GIB)
    assert skeleton_memory(4 * GIB, host).sentence() is None
    assert skeleton_memory(64 * GIB, host).sentence() == (
        "memory of the skeleton clamped to this host: 64.0 GiB -> 10.0 GiB"
    )


def test_a_ceiling_of_memory_lowers_the_store_on_any_host() -> None:
    roomy = Host(cores=64, memory_bytes=256 * GIB, shm_free_bytes=128 * GIB, isolation=True)
    found = clamp(RayEnvelope(memory=8 * GIB), roomy)
    assert (found.memory_bytes, found.object_store_bytes) == (8 * GIB, 4 * GIB * 40 // 100)
    assert found.sentence() == (
        "resource envelope clamped to what this host and ray.memory allow: object store 20.0 GiB -> 1.6 GiB"
    )


def test_the_envelope_holds_for_each_node_of_a_cluster() -> None:
    big = Node("a", "10.0.0.1", 64, 200 * GIB, 50 * GIB)
    small = Node("b", "10.0.0.2", 2, 5 * GIB, 3 * GIB)
    without_cpus = Node("c", "10.0.0.3", 0, 5 * GIB, GIB)
    found, sentence = on_cluster(RayEnvelope(), [without_cpus, big, small])
    assert sentence == (
        "the resource envelope holds for each node of the Ray cluster (3 nodes): CPUs 16, memory 64.0 GiB, object "
        "store 20.0 GiB; 14 actors in all; clamped to what they have: 10.0.0.2 (CPUs 16 -> 2, memory 64.0 GiB -> 8.0 "
        "GiB, object store 20.0 GiB -> 3.0 GiB); without CPUs, and so without actors: 1 node"
    )
    # As many at once as each node has room for; vectors and threads as the smallest has.
    assert (found.nodes, found.all_actors) == ({"a": 12, "b": 2}, 14)
    assert (found.cpus, found.actors, found.object_store_bytes, found.actor_cpus) == (2, 2, 3 * GIB, 0.5)


def test_a_cluster_of_equal_nodes_with_room() -> None:
    nodes = [Node(str(number), f"10.0.0.{number}", 16, 60 * GIB, 30 * GIB) for number in range(100)]
    found, sentence = on_cluster(RayEnvelope(), nodes)
    assert (found.cpus, found.all_actors, found.object_store_bytes, found.actor_cpus) == (16, 1200, 20 * GIB, 1.0)
    assert sentence == (
        "the resource envelope holds for each node of the Ray cluster (100 nodes): CPUs 16, memory 64.0 GiB, object "
        "store 20.0 GiB; 1,200 actors in all"
    )

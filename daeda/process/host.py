"""The host that a run is on: cores and memory that it may use.

A container's limits are in its cgroup and not in what the operating system reports about the machine, so both are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Host:
    """What this process can use here.

    `cores` is at least 1. `shm_free_bytes` is None where there is no /dev/shm. `isolation` says whether Ray's resource
    isolation can work; where it cannot, switching it on hangs for half a minute.
    """

    cores: int
    memory_bytes: int
    shm_free_bytes: int | None
    isolation: bool


# Of the memory of a host, what the skeleton takes unless it is told otherwise: Python and the page cache need the rest.
SKELETON_SHARE_PERCENT = 60


@dataclass(frozen=True)
class SkeletonMemory:
    """Memory of the days at work together, in bytes: what was asked for, or less where the host has less."""

    asked_bytes: int | None
    nbytes: int

    def sentence(self) -> str | None:
        """One line that says what this host lowered, or None when it lowered nothing."""
        if self.asked_bytes is None or self.nbytes >= self.asked_bytes:
            return None
        asked, given = size_text(self.asked_bytes), size_text(self.nbytes)
        return f"memory of the skeleton clamped to this host: {asked} -> {given}"


def skeleton_memory(asked_bytes: int | None, host: Host) -> SkeletonMemory:
    """The ceiling of the skeleton; without one, a share of the host."""
    if asked_bytes is None:
        return SkeletonMemory(None, host.memory_bytes * SKELETON_SHARE_PERCENT // 100)
    return SkeletonMemory(asked_bytes, min(asked_bytes, host.memory_bytes))


def size_text(size: int) -> str:
    """1.5 GiB for 1610612736; below a tenth of a GiB in MiB, so that a small size does not read as 0."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 // 10 else f"{size / 2**20:.0f} MiB"


def probe_host(root: Path = Path("/")) -> Host:
    """Look at the host below `root` ("/", or a copy of its files in a test). What is absent is no limit."""
    groups = _own_groups(root)
    memory = [_physical_memory(root), *_memory_limits(root, groups)]
    cores = [_allowed_cpus(root), *_cpu_quotas(root, groups)]
    return Host(
        cores=max(1, min(cores)),
        memory_bytes=min(memory),
        shm_free_bytes=_free_bytes(root / "dev/shm"),
        isolation=_isolation_possible(root, groups),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _own_groups(root: Path) -> dict[str, str]:
    """The process's cgroup by controller; the key of the v2 hierarchy is "".

    "4:memory:/a" and "0::/b" give {"memory": "/a", "": "/b"}.
    """
    groups: dict[str, str] = {}
    for line in _read(root / "proc/self/cgroup").splitlines():
        _number, controllers, group = line.split(":", 2)
        groups |= dict.fromkeys(controllers.split(","), group)
    return groups


def _group_and_ancestors(mount: Path, group: str) -> Iterator[Path]:
    """The directories whose limits hold for `group`, itself first.

    In a container the recorded path is often the host's and does not exist below the mount; the mount itself then
    is the container's own group, which is why it is always among the ancestors.
    """
    path = PurePosixPath(group.lstrip("/"))
    for directory in (path, *path.parents):
        yield mount / directory


def _files(root: Path, groups: dict[str, str], v1_controller: str, v1_file: str, v2_file: str) -> Iterator[Path]:
    """The files that may hold a limit, of both cgroup versions: a hybrid host has both."""
    mounts = root / "sys/fs/cgroup"
    for mount in (mounts, mounts / "unified"):
        for directory in _group_and_ancestors(mount, groups.get("", "/")):
            yield directory / v2_file
    for controller in (v1_controller, "cpu,cpuacct") if v1_controller == "cpu" else (v1_controller,):
        for directory in _group_and_ancestors(mounts / controller, groups.get(v1_controller, "/")):
            yield directory / v1_file


def _memory_limits(root: Path, groups: dict[str, str]) -> Iterator[int]:
    """Every finite limit; v1 writes "unlimited" as a number above any memory, so the minimum drops it."""
    for path in _files(root, groups, "memory", "memory.limit_in_bytes", "memory.max"):
        text = _read(path)
        if text.isdigit() and int(text) > 0:
            yield int(text)


def _cpu_quotas(root: Path, groups: dict[str, str]) -> Iterator[int]:
    """Whole CPUs of every finite quota, rounded down: a part of a CPU does not carry another busy actor."""
    for path in _files(root, groups, "cpu", "cpu.cfs_quota_us", "cpu.max"):
        text = _read(path)
        if path.name == "cpu.cfs_quota_us" and text:
            text = f"{text} {_read(path.with_name('cpu.cfs_period_us'))}"
        match text.split():
            case [quota, period] if quota.isdigit() and period.isdigit() and int(period) > 0:
                yield max(1, int(quota) // int(period))


def _allowed_cpus(root: Path) -> int:
    """How many CPUs the process may run on, from the list in /proc ("0-1,4" is three)."""
    for line in _read(root / "proc/self/status").splitlines():
        name, _colon, value = line.partition(":")
        if name == "Cpus_allowed_list":
            bounds = [part.strip().split("-") for part in value.split(",")]
            return sum(int(bound[-1]) - int(bound[0]) + 1 for bound in bounds)
    return os.cpu_count() or 1


def _physical_memory(root: Path) -> int:
    """MemTotal in bytes."""
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _free_bytes(directory: Path) -> int | None:
    try:
        status = os.statvfs(directory)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize


def _isolation_possible(root: Path, groups: dict[str, str]) -> bool:
    """Whether /sys/fs/cgroup is a writable cgroup v2 that manages CPU and memory, with no controller left in v1."""
    mount = root / "sys/fs/cgroup"
    managed = _read(mount / "cgroup.controllers").split()
    writable = all(os.access(path, os.W_OK) for path in (mount, mount / "cgroup.subtree_control"))
    v1_controllers = [name for name in groups if name and not name.startswith("name=")]
    return {"cpu", "memory"} <= set(managed) and writable and not v1_controllers

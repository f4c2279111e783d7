"""What is found of a host, with planted faults: limits of a cgroup, disks that are full, read-only or without locks."""

from __future__ import annotations

import datetime as dt
import errno
import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from daeda.doctor import file_system, machine
from daeda.doctor.file_system import look_at_directory
from daeda.doctor.finding import Finding, Probe, run_probes
from daeda.errors import InputError
from tests.clocks import set_clock

ANYTHING_THERE = "see whether its disk or server answers at all, or raise --seconds"


def _host(root: Path, *, memory: int, cpus: str) -> Path:
    """A copy of what a host tells of itself, with the limits of a cgroup and without /dev/shm."""
    for name, text in {
        "proc/self/cgroup": "0::/", "proc/meminfo": "MemTotal: 67108864 kB", "sys/fs/cgroup/memory.max": str(memory),
        "sys/fs/cgroup/cpu.max": cpus,
    }.items():  # fmt: skip
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def _found(root: Path, *, enriches: bool) -> dict[str, Finding]:
    return {finding.what: finding for finding in run_probes(machine.machine_probes(root, enriches=enriches))}


def test_limits_of_a_cgroup_are_told_and_little_memory_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    found = _found(_host(tmp_path, memory=512 * 2**20, cpus="150000 100000"), enriches=True)
    assert found["CPUs"] == Finding("ok", "CPUs", "1 of 64: this process, or its cgroup, has no more")
    assert found["memory"].state == "warning"
    assert found["memory"].seen.startswith("0.5 GiB of ")
    assert found["memory"].advice == "give the container 2 GiB or more: less is spilled to disk, or fails"
    assert (found["/dev/shm"].state, found["/dev/shm"].seen) == ("warning", "not there")
    assert found["/dev/shm"].advice.startswith("start the container with --shm-size=2g")


def test_shared_memory_is_nothing_to_a_project_without_ray(tmp_path: Path) -> None:
    assert _found(_host(tmp_path, memory=8 * 2**30, cpus="max 100000"), enriches=False)["/dev/shm"].state == "ok"


def test_no_temporary_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp', '/var/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", refuse)
    [finding] = run_probes([Probe("temporary directory", machine._temporary)])
    assert finding == Finding(
        "wrong", "temporary directory", "No usable temporary directory found in ['/tmp', '/var/tmp']",
        "set TMPDIR to one that is writable",
    )  # fmt: skip


def test_a_clock_that_was_never_set(monkeypatch: pytest.MonkeyPatch) -> None:
    class Early(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Early:
            return cls(1970, 1, 1, tzinfo=tz)

    monkeypatch.setattr(machine.dt, "datetime", Early)
    [finding] = machine._clock()
    assert (finding.state, finding.seen) == ("wrong", "1970-01-01 00:00:00 UTC")


def _look(directory: Path, *, shared: bool = True) -> list[Finding]:
    return list(look_at_directory("output_root", directory, "choose another output_root", shared=shared))


def test_a_sound_directory_is_left_as_it_was(tmp_path: Path) -> None:
    [finding] = _look(tmp_path / "not" / "yet")
    assert (finding.state, finding.what) == ("ok", "output_root")
    assert finding.seen.startswith(f"{tmp_path}/not/yet: ")
    assert finding.seen.endswith(" GiB, writable, locks work")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("")
    [finding] = _look(tmp_path / "output" / "days")
    assert finding == Finding(
        "wrong", "output_root", f"{tmp_path}/output/days: nothing can be made in {tmp_path}/output (Not a directory)",
        "choose another output_root",
    )  # fmt: skip


def test_a_directory_in_which_nothing_can_be_made() -> None:
    [finding] = _look(Path("/proc/daeda"))
    assert finding.state == "wrong"
    assert finding.seen.startswith("/proc/daeda: nothing can be made in /proc (")


@pytest.mark.parametrize(
    ("kind", "shared", "state"), [("flock", True, "wrong"), ("flock", False, "warning"), ("lockf", True, "warning")]
)
def test_locks_that_do_not_hold(
    kind: str, shared: bool, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(file_system._KINDS, kind, lambda file, how: None)
    [finding] = _look(tmp_path, shared=shared)
    assert finding.state == state
    assert finding.seen.endswith(f"writable; {kind} does not hold against another process")
    assert finding.advice == "mount it with locks (NFS: without nolock), or choose another output_root"


def test_locks_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: object, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setitem(file_system._KINDS, "flock", refuse)
    assert _look(tmp_path)[0].seen.endswith("writable; flock is refused (No locks available)")


def test_a_lock_that_somebody_keeps_is_told(tmp_path: Path) -> None:
    for name in ("flock", "lockf"):
        (tmp_path / name).touch()
    with (tmp_path / "flock").open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert file_system._try_in_another_process(tmp_path) == ["held", "free"]


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there: Sequence[int] = (4096, 4096, 1000, 10, 10, 9, 9, 9, 0, 255)
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(there))
    [finding] = _look(tmp_path)
    assert (finding.state, finding.seen) == ("wrong", f"{tmp_path}: 0 MiB free of 4 MiB, writable, locks work")
    assert finding.advice == "make room, or choose another output_root"


@pytest.mark.parametrize(
    ("seconds", "words"), [(-90.0, "90.0 s ahead of this host"), (90.0, "90.0 s behind this host")]
)
def test_a_server_of_files_with_another_clock(
    seconds: float, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, file_system, time=lambda: time.time() + seconds)
    skewed = _look(tmp_path)[1]
    assert (skewed.state, skewed.what, skewed.seen) == ("warning", f"clock of {tmp_path}", words)


def test_a_probe_that_hangs_or_fails_holds_up_no_other() -> None:
    ended = threading.Event()

    def hang() -> list[Finding]:
        ended.wait()
        return []

    def refuse() -> list[Finding]:
        raise InputError("one sentence", "and another")

    def fail() -> list[Finding]:
        raise ZeroDivisionError("division by zero")

    probes = [
        Probe("disk", hang, 0.05), Probe("lake", refuse), Probe("library", fail),
        Probe("CPUs", lambda: [Finding("ok", "CPUs", "2")]),
    ]  # fmt: skip
    assert run_probes(probes) == [
        Finding(
            "wrong",
            "disk",
            "no answer within 0.05 s",
            "see whether its disk or server answers at all, or raise --seconds",
        ),
        Finding("wrong", "lake", "one sentence"),
        Finding("wrong", "lake", "and another"),
        Finding("wrong", "library", "ZeroDivisionError: division by zero", "not foreseen: is a library broken?"),
        Finding("ok", "CPUs", "2"),
    ]
    ended.set()

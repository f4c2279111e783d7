"""This host as a run may use it: what its cgroup gives, shared memory, temporary files, and the time."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from daeda.doctor.file_system import look_at_directory
from daeda.doctor.finding import Finding, Probe
from daeda.process.host import probe_host, size_text

_LEAST_MEMORY = 2 * 2**30
# Less than Ray gives its object store at the least.
_LEAST_SHARED = 128 * 2**20
# Before it no version of daeda was there.
_EARLIEST = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


def machine_probes(root: Path = Path("/"), *, enriches: bool) -> list[Probe]:
    """The probes of the host below `root`; `enriches` says whether a project here starts Ray."""
    return [
        Probe("CPUs", lambda: _cpus(root)),
        Probe("memory", lambda: _memory(root)),
        Probe("/dev/shm", lambda: _shared_memory(root, enriches)),
        Probe("temporary directory", _temporary),
        Probe("clock", _clock),
    ]


def _cpus(root: Path) -> Iterator[Finding]:
    cores, there = probe_host(root).cores, os.cpu_count() or 1
    seen = f"{cores}" if cores >= there else f"{cores} of {there}: this process, or its cgroup, has no more"
    yield Finding("ok", "CPUs", seen)


def _memory(root: Path) -> Iterator[Finding]:
    given = probe_host(root).memory_bytes
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    seen = size_text(given) if given >= there else f"{size_text(given)} of {size_text(there)}: its cgroup has no more"
    if given < _LEAST_MEMORY:
        yield Finding("warning", "memory", seen, "give the container 2 GiB or more: less is spilled to disk, or fails")
    else:
        yield Finding("ok", "memory", seen)


def _shared_memory(root: Path, enriches: bool) -> Iterator[Finding]:
    free = probe_host(root).shm_free_bytes
    seen = "not there" if free is None else f"{size_text(free)} free"
    if enriches and (free is None or free < _LEAST_SHARED):
        cure = "start the container with --shm-size=2g: until then Ray keeps its objects in /tmp, which is slow"
        yield Finding("warning", "/dev/shm", seen, cure)
    else:
        yield Finding("ok", "/dev/shm", seen)


def _temporary() -> Iterator[Finding]:
    try:
        directory = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        yield Finding(
            "wrong", "temporary directory", str(error.strerror or error), "set TMPDIR to one that is writable"
        )
        return
    yield from look_at_directory("temporary directory", directory, "set TMPDIR to another directory")


def _clock() -> Iterator[Finding]:
    now = dt.datetime.now(tz=dt.UTC)
    zone = time.strftime("%Z")
    seen = f"{now:%Y-%m-%d %H:%M:%S} UTC" + (f"; this host's zone is {zone}, days are UTC" if zone != "UTC" else "")
    if now < _EARLIEST:
        yield Finding("wrong", "clock", seen, "set the clock: relative days and certificates of servers go by it")
    else:
        yield Finding("ok", "clock", seen)

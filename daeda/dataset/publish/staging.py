"""Staging: every run works in a directory of its own, which it locks; what dead runs left is cleared or repaired.

The lock is `flock` on a file inside the run's directory. The kernel releases it when the last process that holds it
ends, however it ends, so a directory whose lock can be had belongs to nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from daeda.dataset.layout import DATASETS, MANIFEST_NAME, Dataset, Layout
from daeda.dataset.publish.objects import check_conditions, clear_unfinished
from daeda.errors import InputError, NotRegular, refusal
from daeda.process.locks import take
from daeda.sources.entries import is_known_none
from daeda.storage.location import ObjectPath
from daeda.storage.objects import before_the_first_day, client
from daeda.storage.regular import open_regular, read_regular, regular_descriptor

_LOCK = "run.lock"
_STAGING_LOCK = "staging.lock"
_ASIDE = "aside"
CLAIMS = "claims"
# How often the directory of a run is removed while somebody still writes there, and how long after each other.
_REMOVALS = 10
_REMOVAL_SECONDS = 0.05


@dataclass(frozen=True)
class RunStaging:
    """The staging directory of one run."""

    layout: Layout
    directory: Path

    @property
    def work(self) -> Path:
        """Intermediates of days at work."""
        return self.directory / "work"

    @property
    def status(self) -> Path:
        """Small status files, one per day at work: progress is read from them."""
        return self.directory / "status"

    @property
    def partition_cache(self) -> Path:
        """What is made of the partitions of histories once, for all days of the run."""
        return self.directory / "narrowed"

    @property
    def ready(self) -> Path:
        """Days that are written and not yet published."""
        return self.directory / "ready"

    @property
    def aside(self) -> Path:
        """Days that were replaced, until they are deleted."""
        return self.directory / _ASIDE

    @property
    def claims(self) -> Path:
        """The days that belong to the run."""
        return self.directory / CLAIMS

    @property
    def publications(self) -> Path:
        """What the run has published, recorded before each day is moved into place."""
        return self.directory / "publications"

    @property
    def faults(self) -> Path:
        """How attempts at days ended that did not publish them."""
        return self.directory / "faults"

    @property
    def job_log(self) -> Path:
        """What a runner logs of the run's job; outside of the directory, which goes with the run."""
        return self.layout.scratch_dir / "_logs" / f"{self.directory.name}.log"

    def seen(self, dataset: Dataset) -> Path:
        """Local directory in which the manifest of a day shows up when it is published."""
        days = self.layout.dataset_dir(dataset)
        return days if isinstance(days, Path) else self.directory / "published" / dataset


@contextlib.contextmanager
def open_staging(layout: Layout) -> Iterator[RunStaging]:
    """A new staging directory, locked while the block runs and removed after it.

    What earlier runs left behind is repaired first. Raises InputError when the output root cannot be written.
    """
    check_writable(layout)
    if isinstance(layout.version_dir, ObjectPath):
        with before_the_first_day():
            check_conditions(client(), layout.version_dir)
            clear_unfinished(layout)
    with open_local_staging(layout) as staging:
        yield staging


@contextlib.contextmanager
def open_local_staging(layout: Layout) -> Iterator[RunStaging]:
    """The same for a run that publishes nothing: object storage is left alone."""
    directory = layout.staging / f"run-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:8]}"
    staging = RunStaging(layout, directory)
    with contextlib.ExitStack() as stack:
        try:
            refuse_stranger(layout.staging)
            layout.staging.mkdir(parents=True, exist_ok=True)
            with one_at_a_time(layout):
                _repair(layout)
                _make(staging)
                lock = stack.enter_context(_locked(directory))
                holder = {"host": socket.gethostname(), "process": os.getpid(), "since": time.time()}
                lock.write(json.dumps(holder).encode())
        except OSError as error:
            shutil.rmtree(directory, ignore_errors=True)
            raise InputError(f"output root {layout.output_root}: {refusal(error)}") from error
        try:
            yield staging
        finally:
            _restore_aside(layout, directory)
            _remove(directory)


def _remove(directory: Path) -> None:
    """Remove what a run has left. What cannot be removed is left to the next run, which clears it.

    A straggler that writes while its directory is emptied keeps it from going: once it is gone, it stays so.
    """
    for _ in range(_REMOVALS):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(_REMOVAL_SECONDS)


def _make(staging: RunStaging) -> None:
    """All directories at once: what a straggler of a dead run asks for later is not there any more, and stays so."""
    by_dataset = (staging.ready, staging.aside, staging.publications, staging.claims)
    below = [parent / dataset for parent in by_dataset for dataset in DATASETS]
    for path in (
        staging.directory, staging.work, staging.status, staging.partition_cache, staging.faults, *by_dataset, *below
    ):  # fmt: skip
        path.mkdir()


def check_writable(layout: Layout) -> None:
    """Raise InputError unless days can be written below the output root. Writes nothing.

    Of object storage it is known that it can be listed; that it can be written is seen when the run begins.
    """
    root = layout.scratch_dir.parent if layout.version == 1 else layout.scratch_dir.parent.parent
    if isinstance(layout.version_dir, ObjectPath):
        with before_the_first_day():
            client().listing(layout.version_dir / "_staging")
        _check_directory(layout.scratch_dir, f"staging_root {root}", "choose another staging_root")
    else:
        _check_directory(layout.scratch_dir, f"output root {root}", "choose another --output-root")


def check_spill(directory: Path) -> None:
    """Raise InputError unless a day can spill there. Writes nothing that stays."""
    _check_directory(directory, f"temp_directory {directory}", "choose another one (compute.duckdb_config)")


def _check_directory(path: Path, what: str, choose: str) -> None:
    """Raise InputError unless a directory is there and can be written, or the nearest one above it."""
    while not _is_there(path):
        path = path.parent
    if not path.is_dir():
        raise InputError(f"{what}: {path} is not a directory: {choose}")
    refuse_unwritable(path, what, choose)


def refuse_unwritable(path: Path, what: str, choose: str) -> None:
    """Raise InputError unless a directory can be made in this one: permissions alone do not say so, as in /proc."""
    if not os.access(path, os.W_OK | os.X_OK):
        raise InputError(f"{what}: {path} cannot be written by this user: change its permissions, or {choose}")
    probe = path / f".daeda-probe-{os.getpid()}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"{what}: nothing can be made in {path} ({reason}): {choose}") from error


def _is_there(path: Path) -> bool:
    try:
        # A link to nothing is in the way of a directory.
        return path.exists() or path.is_symlink()
    except PermissionError:
        # It lies in a directory that cannot be searched: that one is there, and cannot be written.
        return False


def repair(layout: Layout) -> None:
    """Put back days that a dead run had set aside, and remove what it left in staging."""
    refuse_stranger(layout.staging)
    if layout.staging.is_dir():
        with one_at_a_time(layout):
            _repair(layout)


@contextlib.contextmanager
def live_runs(layout: Layout) -> Iterator[list[Path]]:
    """The directories of the runs that are alive, after a repair. While the block runs, nobody else is in one."""
    with one_at_a_time(layout):
        _repair(layout)
        yield sorted(layout.staging.glob("run-*"))


@contextlib.contextmanager
def still_ours(staging: RunStaging) -> Iterator[bool]:
    """Whether no other run has removed this one as dead; none can while the block runs.

    A worker in another process may outlive its driver, and must not publish then.
    """
    try:
        lock = opened_lock(staging.layout.staging / _STAGING_LOCK)
    except FileNotFoundError:
        yield False
        return
    with lock:
        take(lock, staging.layout.staging / _STAGING_LOCK)
        yield staging.aside.is_dir()


def lock_text(directory: Path) -> str:
    """What the run of a directory wrote into its lock: JSON of host, process and since."""
    return read_regular(directory / _LOCK).decode(errors="replace")


def driver_alive(directory: Path) -> bool:
    """Whether somebody holds the lock of a run's directory; for workers in other processes, which do not hold it."""
    try:
        with open_regular(directory / _LOCK) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def was_here(directory: Path) -> bool:
    """Whether the directory of a run that is not there lay where this process looks: runs have worked beside it."""
    return (directory.parent / _STAGING_LOCK).exists()


def _repair(layout: Layout) -> None:
    for directory in sorted(layout.staging.glob("run-*")):
        refuse_stranger(directory)
        # A run that ends at this moment removes its directory itself.
        with contextlib.suppress(BlockingIOError, FileNotFoundError), _locked(directory):
            _restore_aside(layout, directory)
            shutil.rmtree(directory)


@contextlib.contextmanager
def one_at_a_time(layout: Layout) -> Iterator[None]:
    """Between a run's making of its directory and its lock on it, no other run may take it for a dead one's."""
    with opened_lock(layout.staging / _STAGING_LOCK) as lock:
        take(lock, layout.staging / _STAGING_LOCK)
        yield


def _restore_aside(layout: Layout, directory: Path) -> None:
    # On object storage nothing is set aside.
    if isinstance(layout.version_dir, ObjectPath):
        return
    for dataset in DATASETS:
        aside = directory / _ASIDE / dataset
        if any(path.is_symlink() for path in (directory, aside.parent, aside)):
            continue  # no run has made it, and what it leads to is none of ours
        for kept in sorted(aside.glob("dt=*")):
            published = layout.version_dir / dataset / kept.name
            # The new day is in place: the old one has done its service, and goes with the directory.
            if kept.is_symlink():
                continue
            if not os.path.lexists(published):
                kept.rename(published)
            elif published.is_dir() and not published.is_symlink():
                carry_over(kept, published)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[FileIO]:
    # Without a buffer: it would be written again, and refused again, when the file is closed.
    with opened_lock(directory / _LOCK) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield lock


def opened_lock(path: Path) -> FileIO:
    """The file of a lock, made if it is not there; never through a link, and never a FIFO, which would wait.

    Raises InputError where something else has its name, and FileNotFoundError where its directory is gone.
    """
    try:
        descriptor = regular_descriptor(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW)
    except NotRegular as error:
        raise InputError(f"{refusal(error)}: it is a lock of daeda's: remove what has its name") from error
    except OSError as error:
        if not os.path.lexists(path) or (path.is_file() and not path.is_symlink()):
            raise
        raise InputError(f"{path} is no file, and a lock of daeda's: remove what has its name") from error
    return os.fdopen(descriptor, "ab", buffering=0)


def refuse_stranger(directory: Path) -> None:
    """Raise InputError where a link or a file stands in for a directory that daeda makes, fills and deletes."""
    if directory.is_symlink():
        raise InputError(f"{directory} is a link, which is not followed: remove it, or name another output root")
    if directory.exists() and not directory.is_dir():
        raise InputError(
            f"{directory} is no directory, as daeda makes one there: remove it, or name another output root"
        )


def carry_over(old: Path, new: Path) -> None:
    """Take along what somebody put beside the parts of a day under a name that readers pass over (`_…`, `.…`)."""
    for path in sorted(old.iterdir()):
        hidden = is_known_none(path.name) and not path.name.startswith(MANIFEST_NAME)
        if hidden and not os.path.lexists(new / path.name):
            path.rename(new / path.name)

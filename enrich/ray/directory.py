"""The directory of a run's own Ray: nobody else reaches it, and of a run that Ray let down its logs stay.

<temporary directory>/daeda-ray-k3x9q2ab/     0700
    r/session_.../sockets, logs, ...          Ray's, while it runs
    logs/                                     what is left when a message has named it, and nothing else
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from daeda.errors import DayError, refusal
from enrich.ray.channel import RayDirectoryUsed, send

PREFIX = "daeda-ray-"
LOGS = "logs"
# The longest path of a socket that Linux takes, and what Ray adds to its directory: the name of the session with the
# date and a process id of seven digits, and that of the longest socket.
SOCKET_BYTES = 107
RAY_ADDS_BYTES = len("/session_2024-01-02_03-04-05_678901_1234567/sockets/plasma_store")
_OWN_BYTES = len(f"/{PREFIX}12345678/r")
LONGEST_PARENT_BYTES = SOCKET_BYTES - RAY_ADDS_BYTES - _OWN_BYTES
# Where a socket has room if the temporary directory of the user is too deep.
_SHORT = ("/tmp", "/dev/shm", "/var/tmp")


@dataclass
class RayDirectory:
    """The directory of one Ray, locked while it is used, also by the supervisor.

    `named` says that a message has named its logs.
    """

    path: Path
    lock: int
    named: bool = False

    @classmethod
    def make(cls) -> RayDirectory:
        """A new directory; what dead runs left beside it goes. DayError where there is no room for one."""
        parent = _parent()
        _clear_dead(parent)
        try:
            while (locked := _make_locked(parent)) is None:
                pass
        except OSError as error:
            raise DayError(f"Ray has no directory for its sockets and logs: {refusal(error)}") from error
        path, lock = locked
        send(RayDirectoryUsed(str(path)))
        return cls(path, lock)

    @property
    def for_ray(self) -> Path:
        """What Ray takes as its temporary directory. Ray opens it to everybody, again and again; the one around it
        stays closed.
        """
        return self.path / "r"

    @property
    def logs(self) -> Path:
        """Where the logs will be when Ray has ended."""
        return self.path / LOGS

    def close(self) -> None:
        """Ray has ended: keep its logs if a message named them, and nothing else."""
        if self.named:
            keep_logs(self.path)
        else:
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)
        send(RayDirectoryUsed(None))


def hold(path: Path) -> int | None:
    """Keep other runs from clearing the directory until the descriptor is closed; None if it is gone."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def keep_logs(path: Path, stderr: bytes = b"") -> Path:
    """Leave nothing but the logs of the sessions, and what was written on `stderr`; returns where they are."""
    logs = path / LOGS
    logs.mkdir(exist_ok=True)
    for session in sorted(path.glob("r/session_*/logs")):
        if session.parent.is_symlink():
            continue
        # A Ray that was late is asked again, in a session of its own.
        for file in session.iterdir():
            with contextlib.suppress(OSError):
                file.rename(_free(logs, file.name))
    if stderr:
        _free(logs, "stderr.log").write_bytes(stderr)
    for empty in [entry for entry in logs.iterdir() if entry.is_dir()]:
        with contextlib.suppress(OSError):
            empty.rmdir()
    shutil.rmtree(path / "r", ignore_errors=True)
    return logs


def _free(directory: Path, name: str) -> Path:
    candidates: Iterator[Path] = (directory / f"{name}{suffix}" for suffix in ("", *(f".{n}" for n in range(1, 99))))
    return next(path for path in candidates if not path.exists())


def _parent() -> Path:
    """The temporary directory, or a shorter one where the sockets would not fit into it."""
    chosen = tempfile.gettempdir()
    for directory in (chosen, *_SHORT):
        if len(os.fsencode(directory)) <= LONGEST_PARENT_BYTES and os.access(directory, os.W_OK | os.X_OK):
            return Path(directory)
    raise DayError(
        f"Ray has no directory for its sockets: {chosen} is longer than {LONGEST_PARENT_BYTES} bytes, and none of "
        f"{', '.join(_SHORT)} can be written: set TMPDIR to a shorter directory"
    )


def _make_locked(parent: Path) -> tuple[Path, int] | None:
    """A new directory and its lock; None where another run took it for a dead one before it was locked."""
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    fcntl.flock(lock, fcntl.LOCK_SH)
    if path.exists():
        return path, lock
    os.close(lock)
    return None


def _clear_dead(parent: Path) -> None:
    """Remove what runs left that were killed together with their supervisor; kept logs stay."""
    for path in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if path.is_symlink() or path.stat().st_uid != os.getuid() or (path / LOGS).exists():
                continue
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)

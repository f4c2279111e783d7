"""What a day spills to a chosen disk goes with the day, and what a killed one has left with the next that begins."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from beam_pipeline.session.spill_directory import SpillDirectory

KILLED = """
import os, signal, sys
from pathlib import Path
from beam_pipeline.session.spill_directory import SpillDirectory

made = SpillDirectory(Path(sys.argv[1]), "dt=2024-01-01-dead")
(made.path / "columns-0.arrow").write_bytes(b"rows")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_day_left_goes_and_a_day_at_work_stays(tmp_path: Path) -> None:
    alive = SpillDirectory(tmp_path / "disk", "dt=2024-01-01-alive")
    (alive.path / "columns-0.arrow").write_bytes(b"rows")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "disk")], check=False)
    assert killed.returncode == -9
    dead = tmp_path / "disk" / "daeda-spill-dt=2024-01-01-dead"
    assert sorted(path.name for path in dead.iterdir()) == ["columns-0.arrow", "lock"]
    begun = SpillDirectory(tmp_path / "disk", "dt=2024-01-02-next")
    assert sorted((tmp_path / "disk").iterdir()) == sorted([alive.path, begun.path])
    assert (alive.path / "columns-0.arrow").read_bytes() == b"rows"
    begun.close()
    alive.close()
    assert list((tmp_path / "disk").iterdir()) == []


def test_a_removal_that_is_cut_off_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = SpillDirectory(tmp_path, "dt=2024-01-01-first")
    for number in range(20):
        (first.path / f"columns-{number}.arrow").touch()
    removed: list[str] = []
    unlink = Path.unlink

    def some(self: Path, missing_ok: bool = False) -> None:
        if len(removed) == 10:
            raise OSError(errno.EIO, "Input/output error")
        removed.append(self.name)
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", some)
    first.close()
    monkeypatch.undo()
    assert len(list(first.path.iterdir())) == 11
    SpillDirectory(tmp_path, "dt=2024-01-02-next").close()
    assert list(tmp_path.iterdir()) == []


def test_what_others_have_put_there_stays(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lock").touch()
    (elsewhere / "kept").touch()
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "daeda-spill-link").symlink_to(elsewhere)
    (disk / "daeda-spill-without-a-lock").mkdir()
    (disk / "daeda-spill-file").touch()
    (disk / "other").mkdir()
    before = sorted(disk.iterdir())
    SpillDirectory(disk, "dt=2024-01-01-next").close()
    assert sorted(disk.iterdir()) == before
    assert (elsewhere / "kept").exists()


def test_where_there_are_no_locks_nobody_is_taken_for_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    first = SpillDirectory(tmp_path, "dt=2024-01-01-first")
    second = SpillDirectory(tmp_path, "dt=2024-01-02-second")
    assert sorted(tmp_path.iterdir()) == [first.path, second.path]
    monkeypatch.undo()
    SpillDirectory(tmp_path, "dt=2024-01-03-third").close()
    assert sorted(tmp_path.iterdir()) == [first.path, second.path]

"""The directory of a run's own Ray: closed, short enough for sockets, and cleared."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from daeda.errors import DayError
from enrich.ray import directory as directories
from enrich.ray.directory import LONGEST_PARENT_BYTES, RayDirectory


def test_the_directory_is_closed_to_others_and_goes(directory: RayDirectory) -> None:
    """What Ray opens to everybody lies below it."""
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    assert directory.for_ray.parent == directory.path
    directory.close()
    assert not directory.path.exists()


def test_what_a_killed_run_left_is_cleared_and_what_another_run_uses_or_a_message_names_is_not(
    directory: RayDirectory, tmp_path: Path
) -> None:
    named = tmp_path / "daeda-ray-named"
    (named / "logs").mkdir(parents=True)
    dead = tmp_path / "daeda-ray-dead"
    (dead / "r" / "session_1").mkdir(parents=True)
    second = RayDirectory.make()
    assert sorted(tmp_path.iterdir()) == sorted([named, directory.path, second.path])
    # A run that was killed, and its supervisor, which still reads its logs.
    held = directories.hold(second.path)
    assert held is not None
    os.close(second.lock)
    third = RayDirectory.make()
    assert second.path.exists()
    os.close(held)
    fourth = RayDirectory.make()
    assert sorted(tmp_path.iterdir()) == sorted([named, directory.path, third.path, fourth.path])
    for one in (third, fourth, directory):
        one.close()


def test_sockets_fit_into_any_temporary_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60)
    deep.mkdir()
    monkeypatch.setattr(directories.tempfile, "gettempdir", lambda: str(deep))
    ray_directory = RayDirectory.make()
    try:
        assert len(os.fsencode(ray_directory.path.parent)) <= LONGEST_PARENT_BYTES
        path = ray_directory.for_ray / "session_2024-01-02_03-04-05_678901_1234567" / "sockets" / "plasma_store"
        path.parent.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    finally:
        ray_directory.close()


def test_no_place_for_sockets_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directories.tempfile, "gettempdir", lambda: "/" + "d" * 60)
    monkeypatch.setattr(directories, "_SHORT", ("/nowhere",))
    with pytest.raises(DayError) as caught:
        RayDirectory.make()
    assert str(caught.value) == (
        f"Ray has no directory for its sockets: /{'d' * 60} is longer than {LONGEST_PARENT_BYTES} bytes, and none of "
        "/nowhere can be written: set TMPDIR to a shorter directory"
    )

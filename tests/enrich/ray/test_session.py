"""Ray that does not start, that is told what it may listen on, and what is said of it."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daeda.errors import DayError, InputError
from daeda.process.host import Host
from enrich.ray import directory as directories
from enrich.ray import session
from enrich.ray.directory import LONGEST_PARENT_BYTES, RayDirectory
from enrich.ray.environment import clean
from enrich.ray.limits import RequestedLimits, clamp

LATE = "The current node timed out during startup. This could happen because some of the raylet failed to startup"
LIMITS = clamp(RequestedLimits(), Host(2, 2**33, 2**30, isolation=False))


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RayDirectory:
    """A directory of a Ray that is never started."""
    monkeypatch.setattr(directories, "_parent", lambda: tmp_path)
    made = RayDirectory.make()
    made.for_ray.mkdir()
    monkeypatch.setattr(session, "_OWN", [made])
    return made


def starts(monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> list[Any]:
    """Let Ray's start fail so often, and then go well; returns what is called."""
    called: list[Any] = []

    left = list(errors)

    def init(**options: Any) -> None:
        called.append(options["num_cpus"])
        if left:
            raise left.pop(0)

    monkeypatch.setattr(session, "_init", init)
    monkeypatch.setattr(session.ray, "shutdown", lambda: called.append("shutdown"))
    return called


def test_ray_that_was_late_is_asked_again(monkeypatch: pytest.MonkeyPatch, directory: RayDirectory) -> None:
    called = starts(monkeypatch, Exception(LATE))
    session._start(LIMITS, directory, 60)
    assert called == [LIMITS.cpus, "shutdown", LIMITS.cpus]
    assert not directory.named


def test_ray_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch, directory: RayDirectory) -> None:
    monkeypatch.setattr(session, "STARTS", 2)
    starts(monkeypatch, *[Exception(LATE)] * 2)
    with pytest.raises(DayError) as caught:
        session._start(LIMITS, directory, 60)
    assert str(caught.value) == (
        "Ray did not start within its time, 2 times: the machine is too busy for it now; run again; "
        f"Ray's logs are in {directory.logs}"
    )


def test_what_ray_says_of_its_start_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, directory: RayDirectory
) -> None:
    called = starts(monkeypatch, ValueError("no such thing\nand more"))
    with pytest.raises(DayError) as caught:
        session._start(LIMITS, directory, 60)
    assert called == [LIMITS.cpus, "shutdown"]
    assert str(caught.value) == (
        "Ray did not start (ValueError: no such thing): days that were published stay, run again to go on; "
        f"Ray's logs are in {directory.logs}"
    )


def test_a_process_of_ray_that_ends_while_it_starts_is_named(
    monkeypatch: pytest.MonkeyPatch, directory: RayDirectory
) -> None:
    """The process is started as Ray starts its own, killed, and another one is left behind."""
    processes: list[subprocess.Popen[bytes]] = []

    class Info:
        def __init__(self) -> None:
            self.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            processes.append(self.process)

    def init(**options: Any) -> None:
        services = session.ray._private.services
        services.start_ray_process([], "log_monitor", True)
        services.start_ray_process([], "gcs_server", True).process.kill()
        processes[1].wait()
        raise RuntimeError("Failed to start GCS.")

    monkeypatch.setattr(session.ray._private.services, "start_ray_process", lambda *given, **options: Info())
    monkeypatch.setattr(session, "_init", init)
    monkeypatch.setattr(session.ray, "shutdown", lambda: None)
    with pytest.raises(DayError) as caught:
        session._start(LIMITS, directory, 60)
    assert str(caught.value) == (
        "Ray did not start: its gcs_server was ended by SIGKILL: days that were published stay, run again to go on; "
        f"Ray's logs are in {directory.logs}"
    )
    assert [process.poll() for process in processes] == [-9, -9]


def test_a_cluster_that_does_not_take_the_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**options: Any) -> None:
        raise RuntimeError("AuthenticationError: wrong token\nsee the documentation")

    monkeypatch.setattr(session, "_init", init)
    monkeypatch.setattr(session, "probe_address", lambda address: None)
    with pytest.raises(InputError) as caught:
        session._join("head.example:6379", 60)
    assert str(caught.value) == (
        "no Ray cluster at ray.address head.example:6379 (AuthenticationError: wrong token): start its head with "
        "`ray start --head`, correct --ray-address, or leave it out, and the run starts a Ray of its own"
    )


def test_the_directory_is_closed_to_others_and_goes(directory: RayDirectory) -> None:
    """What Ray opens to everybody lies below it."""
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    assert directory.for_ray.parent == directory.path
    directory.close()
    assert not directory.path.exists()


def test_logs_that_a_message_names_stay_and_nothing_else(directory: RayDirectory) -> None:
    logs = directory.for_ray / "session_1" / "logs"
    logs.mkdir(parents=True)
    (logs / "raylet.out").write_text("it broke")
    (directory.for_ray / "session_latest").symlink_to(directory.for_ray / "session_1")
    (directory.for_ray / "session_1" / "spilled").write_bytes(b"x" * 1000)
    assert session.with_logs("it broke") == f"it broke; Ray's logs are in {directory.path / 'logs'}"
    directory.close()
    assert [str(path.relative_to(directory.path)) for path in sorted(directory.path.rglob("*"))] == [
        "logs",
        "logs/raylet.out",
    ]


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
    made = RayDirectory.make()
    try:
        assert len(os.fsencode(made.path.parent)) <= LONGEST_PARENT_BYTES
        path = made.for_ray / "session_2024-01-02_03-04-05_678901_1234567" / "sockets" / "plasma_store"
        path.parent.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    finally:
        made.close()


def test_no_place_for_sockets_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directories.tempfile, "gettempdir", lambda: "/" + "d" * 60)
    monkeypatch.setattr(directories, "_SHORT", ("/nowhere",))
    with pytest.raises(DayError) as caught:
        RayDirectory.make()
    assert str(caught.value) == (
        f"Ray has no directory for its sockets: /{'d' * 60} is longer than {LONGEST_PARENT_BYTES} bytes, and none of "
        "/nowhere can be written: set TMPDIR to a shorter directory"
    )


def test_what_the_environment_says_to_ray_is_taken_out_and_told() -> None:
    given = {"RAY_ADDRESS": "10.0.0.1:6379", "RAY_CLIENT_MODE": "0", "RAY_AUTH_TOKEN_PATH": "/x", "HOME": "/home/a"}
    own = dict(given)
    assert clean(own, None) == (
        "not passed on to Ray: RAY_ADDRESS, RAY_AUTH_TOKEN_PATH of the environment; "
        "a run joins a cluster by --ray-address alone"
    )
    assert own == {"HOME": "/home/a"}
    joined = dict(given)
    assert clean(joined, "10.0.0.2:6379") == (
        "not passed on to Ray: RAY_ADDRESS of the environment; the cluster is 10.0.0.2:6379"
    )
    assert joined == {"RAY_AUTH_TOKEN_PATH": "/x", "HOME": "/home/a"}
    assert clean({"HOME": "/home/a", "RAY_CLIENT_MODE": "0"}, None) is None

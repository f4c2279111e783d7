"""Ray that does not start, and what is said of it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from daeda.errors import DayError
from daeda.process.host import Host
from daeda.settings.runtime import RayEnvelope
from enrich.ray import own_ray
from enrich.ray.directory import RayDirectory
from enrich.ray.limits import clamp

LATE = "The current node timed out during startup. This could happen because some of the raylet failed to startup"
LIMITS = clamp(RayEnvelope(), Host(2, 2**33, 2**30, isolation=False))


def starts(monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> list[Any]:
    """Let Ray's start fail so often, and then go well; returns what is called."""
    called: list[Any] = []

    left = list(errors)

    def init(**options: Any) -> None:
        called.append(options["num_cpus"])
        if left:
            raise left.pop(0)

    monkeypatch.setattr(own_ray, "initialize", init)
    monkeypatch.setattr(own_ray.ray, "shutdown", lambda: called.append("shutdown"))
    return called


def test_ray_that_was_late_is_asked_again(monkeypatch: pytest.MonkeyPatch, directory: RayDirectory) -> None:
    called = starts(monkeypatch, Exception(LATE))
    own_ray.start_ray(LIMITS, directory, 60)
    assert called == [LIMITS.cpus, "shutdown", LIMITS.cpus]
    assert not directory.named


def test_ray_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch, directory: RayDirectory) -> None:
    monkeypatch.setattr(own_ray, "STARTS", 2)
    starts(monkeypatch, *[Exception(LATE)] * 2)
    with pytest.raises(DayError) as caught:
        own_ray.start_ray(LIMITS, directory, 60)
    assert str(caught.value) == (
        "Ray did not start within its time, 2 times: the machine is too busy for it now; run again; "
        f"Ray's logs are in {directory.logs}"
    )


def test_what_ray_says_of_its_start_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, directory: RayDirectory
) -> None:
    called = starts(monkeypatch, ValueError("no such thing\nand more"))
    with pytest.raises(DayError) as caught:
        own_ray.start_ray(LIMITS, directory, 60)
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
        services = own_ray.ray._private.services
        services.start_ray_process([], "log_monitor", True)
        services.start_ray_process([], "gcs_server", True).process.kill()
        processes[1].wait()
        raise RuntimeError("Failed to start GCS.")

    monkeypatch.setattr(own_ray.ray._private.services, "start_ray_process", lambda *given, **options: Info())
    monkeypatch.setattr(own_ray, "initialize", init)
    monkeypatch.setattr(own_ray.ray, "shutdown", lambda: None)
    with pytest.raises(DayError) as caught:
        own_ray.start_ray(LIMITS, directory, 60)
    assert str(caught.value) == (
        "Ray did not start: its gcs_server was ended by SIGKILL: days that were published stay, run again to go on; "
        f"Ray's logs are in {directory.logs}"
    )
    assert [process.poll() for process in processes] == [-9, -9]


def test_logs_that_a_message_names_stay_and_nothing_else(directory: RayDirectory) -> None:
    logs = directory.for_ray / "session_1" / "logs"
    logs.mkdir(parents=True)
    (logs / "raylet.out").write_text("it broke")
    (directory.for_ray / "session_latest").symlink_to(directory.for_ray / "session_1")
    (directory.for_ray / "session_1" / "spilled").write_bytes(b"x" * 1000)
    assert own_ray.with_logs("it broke") == f"it broke; Ray's logs are in {directory.path / 'logs'}"
    directory.close()
    assert [str(path.relative_to(directory.path)) for path in sorted(directory.path.rglob("*"))] == [
        "logs",
        "logs/raylet.out",
    ]

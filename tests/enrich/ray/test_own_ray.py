"""Ray that does not start, and what is said of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ray

from daeda.errors import DayError
from daeda.process.host import Host
from daeda.settings.runtime import RayEnvelope
from enrich.ray import own_ray
from enrich.ray.directory import RayDirectory
from enrich.ray.idle_services import STAND_IN, without_idle_services
from enrich.ray.limits import clamp

REPOSITORY = Path(__file__).parents[3]
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


def test_the_node_of_a_run_has_no_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that does not tell its port in 15 seconds ends the node: it has stand-ins, and waits for no port."""
    started: list[list[str]] = []
    monkeypatch.setattr(ray._private.services, "start_ray_process", lambda command, *_: started.append(command))
    raylet = ["raylet", "--node_id=1", "--dashboard_agent_command=python agent.py", "--runtime_env_agent_port=0"]
    with without_idle_services():
        ray._private.services.start_ray_process(raylet, "raylet")  # type: ignore[call-arg]
        ray._private.services.start_ray_process(["gcs", "--metrics-agent-port=0"], "gcs_server")  # type: ignore[call-arg]
    node, metadata = started
    flags = dict(argument.split("=", 1) for argument in node[1:])
    assert metadata == ["gcs", "--metrics-agent-port=0"]
    assert flags["--node_id"] == "1"
    assert {value for flag, value in flags.items() if flag.endswith("port")} == {"-1"}
    assert {value for flag, value in flags.items() if flag.endswith("command")} == {f"sh -c '{STAND_IN}'"}
    assert len(flags) == len(node) - 1


def test_no_worker_asks_for_an_environment() -> None:
    """It would wait for an agent that a run's own Ray does not have."""
    sources = [path.read_text() for path in (REPOSITORY / "enrich").rglob("*.py")]
    assert not [source for source in sources if re.search(r"\bruntime_env\b", source)]

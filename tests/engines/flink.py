"""Flink out of the jars of the cache: Beam's job server, with a Flink in it or in front of a cluster."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.beam_pipeline.runners.conftest import free_port
from tests.engines.processes import Server, serving, start, wait_until

JOB_SERVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"
JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
# Where Flink 1.19 and its serializers reach into Java 17.
_OPENED = (
    "io", "lang", "lang.reflect", "net", "nio", "text", "time", "util", "util.concurrent", "util.concurrent.atomic",
    "util.concurrent.locks",
)  # fmt: skip
# What a TaskManager is given; no day of a test lies in its heap.
_MEMORY = {
    "taskmanager.cpu.cores": "2.0",
    "taskmanager.memory.framework.heap.size": "128mb",
    "taskmanager.memory.framework.off-heap.size": "0mb",
    "taskmanager.memory.jvm-metaspace.size": "256mb",
    "taskmanager.memory.jvm-overhead.max": "192mb",
    "taskmanager.memory.jvm-overhead.min": "192mb",
    "taskmanager.memory.managed.size": "64mb",
    "taskmanager.memory.network.max": "64mb",
    "taskmanager.memory.network.min": "64mb",
    "taskmanager.memory.task.heap.size": "192mb",
    "taskmanager.memory.task.off-heap.size": "0mb",
}
# Half of what a server takes that lives for some minutes is its compiler's.
SHORT_LIVED = ("-XX:TieredStopAtLevel=1",)
Configuration = Mapping[str, Any]
# Restarts without an end, as a cluster in production has them; the pauses are short.
RESTARTS: Configuration = {
    "restart-strategy": {
        "type": "exponential-delay",
        "exponential-delay": {"initial-backoff": "500 ms", "max-backoff": "2 s", "reset-backoff-threshold": "1 h"},
    }
}


def java_words(jars: Sequence[Path], main_class: str, megabytes: int, options: Sequence[str] = ()) -> list[str]:
    """The command of a Java process of Flink, without its arguments."""
    opened = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in _OPENED]
    opened += ["--add-opens=java.base/sun.nio.ch=ALL-UNNAMED", "--add-exports=java.base/sun.net.util=ALL-UNNAMED"]
    logged = ["-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"]
    # One collector thread: there are more processes here than cores.
    size = ["-XX:+UseSerialGC", f"-Xmx{megabytes}m"]
    return ["java", *size, *options, *opened, *logged, "-cp", ":".join(map(str, jars)), main_class]


def write_configuration(directory: Path, configuration: Configuration) -> Path:
    """A directory of Flink's configuration."""
    directory.mkdir(parents=True, exist_ok=True)
    # JSON is YAML.
    (directory / "config.yaml").write_text(json.dumps(configuration))
    return directory


@contextlib.contextmanager
def job_server(
    jars: Path,
    directory: Path,
    master: str = "[local]",
    configuration: Configuration | None = None,
    options: Sequence[str] = (),
) -> Iterator[str]:
    """Beam's job server, in front of the cluster `master` or with a Flink of its own; yields its address. `options` are
    for Java.
    """
    written = write_configuration(directory / "job-server", configuration or {})
    words = [
        *java_words(sorted(jars.glob("*.jar")), JOB_SERVER, 768, options), "--job-host=localhost", "--job-port=0",
        "--artifact-port=0", "--expansion-port=-1", f"--flink-master={master}", f"--flink-conf-dir={written}",
        f"--artifacts-dir={directory / 'artifacts'}",
    ]  # fmt: skip
    with serving(words, directory / "job-server.log") as server:
        yield f"localhost:{server.said('JobService started on localhost:([0-9]+)')[1]}"


@dataclass
class Cluster:
    """A JobManager and TaskManagers of so many `slots` each; any of them can be killed and started again.

    `inside` are words before the program of a TaskManager, by its number, that put it on a host of its own, whose
    address `hosts` has; the JobManager is on `host`. A cluster that `has_beam` needs no jars of a job.
    """

    jars: Path
    directory: Path
    slots: int = 1
    configuration: Configuration = field(default_factory=dict)
    host: str = "localhost"
    hosts: Mapping[int, str] = field(default_factory=dict)
    inside: Mapping[int, Sequence[str]] = field(default_factory=dict)
    has_beam: bool = False
    job_manager: Server | None = None
    task_managers: dict[int, Server] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rest_port, self.rpc_port = free_port(), free_port()
        self._started = 0

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *error: object) -> None:
        for server in (*self.task_managers.values(), self.job_manager):
            if server is not None:
                server.kill()

    @property
    def address(self) -> str:
        """Where Flink's REST is: what a job server calls the master."""
        return f"{self.host}:{self.rest_port}"

    def start_job_manager(self) -> None:
        """Start the JobManager, and wait until it answers."""
        words = [*java_words(self._jars_of_flink(), JOB_MANAGER, 384), "--configDir", self._configured(self.host)]
        self.job_manager = start(words, self._log("job-manager"))
        wait_until("an answer of the JobManager", self._answers)

    def start_task_manager(self, number: int) -> None:
        """Start a TaskManager, and wait until the JobManager counts it."""
        named = f"{number}-{self._started}"
        host = self.hosts.get(number, self.host)
        words = [*self.inside.get(number, ()), *java_words(self._jars_of_flink(), TASK_MANAGER, 320)]
        words += ["--configDir", str(self._configured(host))]
        for option, value in {**_MEMORY, "taskmanager.resource-id": named}.items():
            words += ["-D", f"{option}={value}"]
        self.task_managers[number] = start(words, self._log(f"task-manager-{number}"))
        wait_until(f"TaskManager {named} at the JobManager", lambda: named in self.task_manager_names())

    def asked(self, path: str) -> Any:
        """The answer of Flink's REST; raises OSError where there is none."""
        with urllib.request.urlopen(f"http://{self.address}/{path}", timeout=10) as answer:
            return json.load(answer)

    def jobs(self) -> dict[str, str]:
        """The state of every job, by its id."""
        return {job["jid"]: job["state"] for job in self.asked("jobs/overview")["jobs"]}

    def running(self) -> set[str]:
        """The jobs that have not ended."""
        return {job for job, state in self.jobs().items() if state not in ("FINISHED", "FAILED", "CANCELED")}

    def cancel(self, job: str) -> None:
        """Ask for the end of a job."""
        request = urllib.request.Request(f"http://{self.address}/jobs/{job}?mode=cancel", method="PATCH")
        urllib.request.urlopen(request, timeout=10).close()

    def task_manager_names(self) -> set[str]:
        """The TaskManagers that the JobManager counts."""
        return {one["id"] for one in self.asked("taskmanagers")["taskmanagers"]}

    def _answers(self) -> bool:
        assert self.job_manager is not None
        assert self.job_manager.alive, self.job_manager.log.read_text()[-3000:]
        with contextlib.suppress(OSError):
            self.asked("config")
            return True
        return False

    def _configured(self, host: str) -> Path:
        directory = self.directory / f"configuration-{self._started}"
        settings = {
            "jobmanager": {
                # The JobManager's own parts call it localhost, wherever others reach it.
                "rpc": {"address": self.host, "port": self.rpc_port}, "bind-host": "0.0.0.0",
                "memory": {"process": {"size": "1g"}},
            },
            "rest": {"address": self.host, "port": self.rest_port, "bind-address": self.host},
            "taskmanager": {"bind-host": host, "host": host, "numberOfTaskSlots": self.slots},
            # Sooner than after Flink's own 50 s it is seen that a process is gone.
            "heartbeat": {"interval": 1000, "timeout": 10_000},
            "io": {"tmp": {"dirs": str(directory)}},
            "blob": {"storage": {"directory": str(directory)}},
        }  # fmt: skip
        return write_configuration(directory, {**settings, **self.configuration})

    def _jars_of_flink(self) -> list[Path]:
        jars = sorted(self.jars.glob("*.jar"))
        return jars if self.has_beam else [path for path in jars if not path.name.startswith("beam-")]

    def _log(self, name: str) -> Path:
        self._started += 1
        return self.directory / f"{name}-{self._started}.log"


@contextlib.contextmanager
def cluster(jars: Path, directory: Path, task_managers: int = 2, **options: Any) -> Iterator[Cluster]:
    """A cluster that is up, its TaskManagers numbered from 1."""
    directory.mkdir(parents=True, exist_ok=True)
    with Cluster(jars, directory, **options) as started:
        started.start_job_manager()
        for number in range(1, 1 + task_managers):
            started.start_task_manager(number)
        yield started

"""The enrichment with a Ray of its own, and what is killed of it: the driver, an actor, the node, its metadata."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import psutil

from enrich.ray.idle_services import STAND_IN
from tests.faults.scene import Days, alive, bytes_of_days, left_in_staging, size_of_days
from tests.faults.warm import REPOSITORY, TAG

SECONDS_TO_END = 10.0
# On a busy machine Ray does not start within its half minute, and is asked up to three times.
SECONDS_TO_BEGIN = 240.0

# `python -m enrich` with parts that take a while, so that it can be met at work.
SLOW = """
import sys
from enrich.ray.supervisor import supervised

def slow():
    import time
    import enrich.ray.stream

    class Slow(enrich.ray.stream.PartWorker):
        def result(self, task, vectors):
            time.sleep(0.1)
            return super().result(task, vectors)

    enrich.ray.stream.PartWorker = Slow
    from enrich.command import main
    return main(sys.argv[1:])

raise SystemExit(supervised(slow))
"""


def has_logs(process: psutil.Process) -> bool:
    """Whether the Ray of a process has begun to log: its server of metadata is the first that does."""
    return any(True for path in ray_directories([process]) for _ in path.glob("r/session_*/logs/gcs_server.out"))


def ray_directories(processes: list[psutil.Process]) -> list[Path]:
    """The directories of Ray that the processes work in, as their arguments name them; a process may go meanwhile."""
    found: set[str] = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found |= set(re.findall(r"(/[\w/]+/daeda-ray-\w{8})/", " ".join(process.cmdline())))
    return [Path(directory) for directory in sorted(found)]


@dataclass
class RayScene:
    """Two days of a skeleton, a store, and the wanted bytes."""

    KINDS: ClassVar[tuple[str, ...]] = (
        "driver SIGKILL",
        "driver SIGTERM",
        "driver SIGINT",
        "actor",
        "node",
        "metadata",
        "agent",
        "enrichment",
    )
    # What is killed, by what its command holds, and how a run that ends with it tells of it.
    VICTIMS: ClassVar[dict[str, tuple[str, str]]] = {
        "actor": ("ray::MapWorker", "an actor was lost"),
        "node": ("raylet/raylet", "Ray's raylet (was ended by SIGKILL|ended)"),
        "metadata": ("gcs/gcs_server", "Ray's gcs_server (was ended by SIGKILL|ended)"),
        "agent": (f"sh -c {STAND_IN}", "Ray's raylet ended"),
        "enrichment": ("", "the enrichment was ended by SIGKILL"),
    }

    root: Path
    wanted: Days = field(default_factory=dict)
    bytes_compared: int = 0

    @classmethod
    def make(cls, root: Path) -> RayScene:
        sys.path.insert(0, str(REPOSITORY / "tests" / "enrich"))
        from tests.enrich.tiny_project import enriched_by_hand, write_project

        root.mkdir(parents=True, exist_ok=True)
        write_project(root)
        (root / "slow.py").write_text(SLOW)
        return cls(root, enriched_by_hand(root))

    @property
    def service_dir(self) -> Path:
        return self.root / "output" / "likes"

    def kill(self, kind: str, seconds: float, *, rerun: bool = True) -> str:
        """Kill one thing, `seconds` after the run has begun to write; then check, and run again."""
        left_before = left_in_staging(self.service_dir)
        process = self.start("slow.py")
        try:
            until = time.monotonic() + SECONDS_TO_BEGIN
            while not self.has_begun(left_before):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < until, f"nothing was written within {SECONDS_TO_BEGIN} s"
                time.sleep(0.02)
            time.sleep(seconds)
            ended = process.poll() is not None
            self._strike(kind, process)
            stdout, stderr = process.communicate(timeout=300)
        finally:
            # Whatever went wrong here, what comes next must not meet this run.
            process.kill()
            process.communicate()
        self._check_end(kind, process.returncode, stdout, stderr)
        self.check_after_fault()
        assert not set(left_before) & set(left_in_staging(self.service_dir))
        if rerun:
            self.check_after_rerun()
        return "" if ended else f"ray {kind}"

    def kill_at_the_start(self, kind: str) -> None:
        """Kill a process of Ray as soon as it is there and logs are, while Ray still starts; then check."""
        process = self.start("-m", "enrich")
        try:
            until = time.monotonic() + SECONDS_TO_BEGIN
            while not (victims := self._victims(kind, process)) or not has_logs(victims[0]):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < until
                time.sleep(0.02)
            victims[0].kill()
            stdout, stderr = process.communicate(timeout=300)
        finally:
            process.kill()
            process.communicate()
        assert process.returncode == 1, stderr
        self._check_end(kind, process.returncode, stdout, stderr)
        self.check_after_fault()

    def has_begun(self, left_before: list[str]) -> bool:
        """Whether a run that was not among those has begun to write; what dead ones left is cleared meanwhile."""
        runs = [path for path in self.service_dir.glob("_staging/run-*") if path.name not in left_before]
        with contextlib.suppress(FileNotFoundError):
            return any(True for run in runs for _ in run.glob("ready/enriched/*/dt=*/*"))
        return False

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            *words,
            "--runtime-config-path",
            "config/training/runtime.yaml",
            "--on-stale",
            "keep",
        ]
        environment = {**os.environ, TAG: str(self.root), "PYTHONPATH": str(REPOSITORY), "TZ": "UTC", **environment}
        return subprocess.Popen(
            command, cwd=self.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run_to_its_end(self) -> None:
        process = self.start("-m", "enrich")
        _, stderr = process.communicate(timeout=180)
        assert process.returncode == 0, stderr

    def _strike(self, kind: str, process: subprocess.Popen[str]) -> None:
        what, _, name = kind.partition(" ")
        if what == "driver":
            process.send_signal(signal.Signals[name])
            return
        victims = self._victims(kind, process)
        assert victims, [process.cmdline() for process in self.alive()]
        victims[0].kill()

    def _victims(self, kind: str, process: subprocess.Popen[str]) -> list[psutil.Process]:
        if kind == "enrichment":
            # The supervisor's child.
            return psutil.Process(process.pid).children()
        victims = []
        for member in self.alive():
            with contextlib.suppress(psutil.NoSuchProcess):
                # The node has the commands of its agents among its arguments.
                if self.VICTIMS[kind][0] in " ".join(member.cmdline()[:1]):
                    victims.append(member)
        return victims

    def _check_end(self, kind: str, code: int, stdout: str, stderr: str) -> None:
        assert "Traceback" not in stderr, stderr
        for line in stderr.splitlines():
            assert line.startswith(("enriched 2024-01-0", "resource envelope clamped", "error: ")), stderr
        match kind.split():
            case ["driver", name]:
                assert code in (0, 130, -int(signal.Signals[name])), (code, stderr)
            case ["actor"]:
                # It is replaced.
                assert code == 0, (code, stderr)
            case _:
                assert code in (0, 1), (code, stderr)
        if code == 1:
            assert stdout == ""
            self._check_sentence(self.VICTIMS[kind][1], stderr.splitlines()[-1])

    def _check_sentence(self, what: str, line: str) -> None:
        """One sentence: what ended, what stays, what to do, and where the logs are, which are there."""
        day, whose = r"(day 2024-01-0\d: )?", "(Ray's logs are|what its libraries wrote is)"
        match = re.fullmatch(f"error: {day}(Ray did not start: its|{what}).*: .*; {whose} in (.*)", line)
        assert match, line
        assert "days that were published stay, run again to go on" in line
        whose, logs = match[match.re.groups - 1], Path(match[match.re.groups])
        if not whose.startswith("Ray's"):
            # It ended behind the last day, when Ray's own directory was gone already.
            logs.unlink()
            return
        assert (logs / "gcs_server.out").exists()
        assert [path.name for path in logs.parent.iterdir()] == ["logs"]
        shutil.rmtree(logs.parent)

    def check_after_fault(self) -> None:
        """Days are whole, and nothing of the run is left."""
        until = time.monotonic() + SECONDS_TO_END
        while left := self.alive():
            assert time.monotonic() < until, [process.cmdline() for process in left]
            time.sleep(0.1)
        for day, parts in bytes_of_days(self.service_dir, "enriched").items():
            assert parts == self.wanted[day], day
        self.bytes_compared += size_of_days(self.service_dir, "enriched")

    def check_after_rerun(self) -> None:
        """A plain run ends well, with the wanted bytes, and leaves nothing in staging."""
        self.run_to_its_end()
        assert bytes_of_days(self.service_dir, "enriched") == self.wanted
        self.bytes_compared += size_of_days(self.service_dir, "enriched")
        assert left_in_staging(self.service_dir) == []
        shutil.rmtree(self.service_dir / "enriched")

    def alive(self) -> list[psutil.Process]:
        """What is alive of the run, Ray's agents included."""
        return alive(str(self.root))

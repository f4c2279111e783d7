"""The enrichment with a Ray of its own, and what is killed of it: the driver, an actor, the node, its metadata."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import psutil

from tests.faults.scene import Days, alive, bytes_of_days, left_in_staging, size_of_days
from tests.faults.warm import REPOSITORY, TAG

# Ray's own agents live for a minute after a driver that was killed; they know nothing of the data.
AGENTS = ("DashboardAgent", "RuntimeEnvAgent", "dashboard/agent.py", "runtime_env/agent/main.py", "log_monitor.py")
SECONDS_TO_END = 10.0
# On a busy machine Ray does not start within its half minute, and is asked up to three times.
SECONDS_TO_BEGIN = 240.0

# `python -m enrich` with parts that take a while, so that it can be met at work.
SLOW = """
import sys
from enrich.supervisor import supervised

def slow():
    import time
    import enrich.cluster

    class Slow(enrich.cluster.PartWorker):
        def result(self, task, vectors):
            time.sleep(0.1)
            return super().result(task, vectors)

    enrich.cluster.PartWorker = Slow
    from enrich.options import main
    return main(sys.argv[1:])

raise SystemExit(supervised(slow))
"""


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
    )

    root: Path
    wanted: Days = field(default_factory=dict)
    bytes_compared: int = 0

    @classmethod
    def make(cls, root: Path) -> RayScene:
        sys.path.insert(0, str(REPOSITORY / "tests" / "enrich"))
        from tiny_project import write_project

        root.mkdir(parents=True, exist_ok=True)
        write_project(root)
        (root / "slow.py").write_text(SLOW)
        scene = cls(root)
        scene.run_to_its_end()
        scene.wanted = bytes_of_days(scene.service_dir, "enriched")
        assert len(scene.wanted) == 2
        shutil.rmtree(scene.service_dir / "enriched")
        return scene

    @property
    def service_dir(self) -> Path:
        return self.root / "output" / "likes"

    def kill(self, kind: str, seconds: float, *, rerun: bool = True) -> str:
        """Kill one thing, `seconds` after the run has begun to write; then check, and run again."""
        left_before = left_in_staging(self.service_dir)
        process = self.start("slow.py")
        try:
            until = time.monotonic() + SECONDS_TO_BEGIN
            while not self._has_begun(left_before):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < until, f"nothing was written within {SECONDS_TO_BEGIN} s"
                time.sleep(0.02)
            time.sleep(seconds)
            ended = process.poll() is not None
            self._strike(kind, process)
            _, stderr = process.communicate(timeout=120)
        finally:
            # Whatever went wrong here, what comes next must not meet this run.
            process.kill()
            process.communicate()
        self._check_end(kind, process.returncode, stderr)
        self.check_after_fault()
        assert not set(left_before) & set(left_in_staging(self.service_dir))
        if rerun:
            self.check_after_rerun()
        return "" if ended else f"ray {kind}"

    def _has_begun(self, left_before: list[str]) -> bool:
        """Whether a run that was not among those has begun to write; what dead ones left is cleared meanwhile."""
        runs = [path for path in self.service_dir.glob("_staging/run-*") if path.name not in left_before]
        with contextlib.suppress(FileNotFoundError):
            return any(True for run in runs for _ in run.glob("ready/enriched/*/dt=*/*"))
        return False

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            *words,
            "--runtime-config-path",
            "config/training/runtime.yaml",
            "--on-stale",
            "keep",
        ]
        environment = {**os.environ, TAG: str(self.root), "PYTHONPATH": str(REPOSITORY), "TZ": "UTC"}
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
        wanted = {"actor": "ray::MapWorker", "node": "raylet/raylet", "metadata": "gcs/gcs_server"}[what]
        victims = [one for one in self.writers() if wanted in " ".join(one.cmdline())]
        assert victims, [one.cmdline() for one in self.writers()]
        victims[0].kill()

    def _check_end(self, kind: str, code: int, stderr: str) -> None:
        assert "Traceback" not in stderr, stderr
        match kind.split():
            case ["driver", name]:
                assert code in (0, 130, -int(signal.Signals[name])), (code, stderr)
            case ["actor"]:
                # It is replaced.
                assert code == 0, (code, stderr)
            case _:
                assert code in (0, 1), (code, stderr)
                assert code == 0 or stderr.splitlines()[-1].startswith("error: "), stderr

    def check_after_fault(self) -> None:
        """Days are whole, and nobody is left that can write."""
        until = time.monotonic() + SECONDS_TO_END
        while left := self.writers():
            assert time.monotonic() < until, [one.cmdline() for one in left]
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

    def writers(self) -> list[psutil.Process]:
        """What is alive of the run and can write: everything but Ray's agents."""
        found = []
        for one in alive(str(self.root)):
            with contextlib.suppress(psutil.NoSuchProcess):
                # The node has the commands of its agents among its arguments.
                if not any(agent in " ".join(one.cmdline()[:3]) for agent in AGENTS):
                    found.append(one)
        return found

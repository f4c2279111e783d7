"""A Ray cluster of several nodes on this machine, with a token, and an enrichment that joins it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.beam_pipeline.runners.conftest import kill_family
from tests.beam_pipeline.runners.slow_runs import wait_for
from tests.faults.scene import Days, bytes_of_days, left_in_staging

REPOSITORY = Path(__file__).parents[2]
# On a busy machine a node takes its time.
SECONDS_TO_START = 120.0
SECONDS_TO_END = 240.0
HEAD, OTHER = "127.0.0.1", "127.0.0.2"

# `python -m enrich` whose actors say on which node they have begun a part, and where its vectors lie: in which file in
# memory, at which offset. A part takes PART_SECONDS, and waits until so many actors as MEET says have begun one: those
# of another node may start late on a busy machine. After HEAD_SECONDS a head that does not answer is gone. Where HELD
# names a day, its parts are written and its publication waits until the file `go` is there; with NOTICED until the loss
# of the head has been noticed, too.
SLOW = """
import os
import sys
import time
from enrich.ray.supervisor import supervised

def slow():
    from pathlib import Path

    import enrich.ray.cluster
    import enrich.ray.stream

    def place(array):
        address = array.__array_interface__["data"][0]
        for line in Path("/proc/self/maps").read_text().splitlines():
            addresses, _rights, offset, device, inode = line.split()[:5]
            first, last = (int(bound, 16) for bound in addresses.split("-"))
            if first <= address < last:
                return f"{device} {inode} {int(offset, 16) + address - first}"

    root = Path(__file__).parent
    seconds, meet = float(os.environ["PART_SECONDS"]), int(os.environ["MEET"])

    class Slow(enrich.ray.stream.PartWorker):
        def result(self, task, vectors):
            import ray

            path = root / "begun" / f"{ray.get_runtime_context().get_node_id()} {os.getpid()}"
            path.with_suffix(".new").write_text(place(vectors["items"].matrix))
            path.with_suffix(".new").rename(path)
            while len(list(path.parent.glob("*[0-9]"))) < meet:
                time.sleep(0.02)
            time.sleep(seconds)
            return super().result(task, vectors)

    import enrich.job

    publish = enrich.job.publish_enriched

    def held(staging, dag, work, *words):
        if str(work.day) == os.environ["HELD"]:
            (root / "held").touch()
            while not (root / "go").exists() or ("NOTICED" in os.environ and not enrich.ray.cluster._lost):
                time.sleep(0.02)
        return publish(staging, dag, work, *words)

    enrich.job.publish_enriched = held
    enrich.ray.cluster.HEAD_SECONDS = float(os.environ["HEAD_SECONDS"])
    enrich.ray.stream.PartWorker = Slow
    from enrich.command import main
    return main(sys.argv[1:])

raise SystemExit(supervised(slow))
"""


@dataclass
class RayNode:
    """A node: the process that has started it, its id for Ray, and the pids of its servers by kind."""

    process: subprocess.Popen[str]
    name: str
    pids: dict[str, int]

    @property
    def alive(self) -> bool:
        """Whether all of its servers live."""
        return self.process.poll() is None and all(_lives(pid) for pid in self.pids.values())

    def kill(self) -> None:
        """End the node at once, with all that it started."""
        kill_family(self.process.pid)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def _lives(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


@dataclass
class RayCluster:
    """A head at 127.0.0.1, which is the node of the drivers too, and nodes at other addresses of the loopback."""

    root: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="rc-")))
    token: str = field(default_factory=lambda: secrets.token_hex(32))
    address: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    nodes: dict[str, RayNode] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What lets a process in."""
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}

    def ensure(self, *addresses: str) -> None:
        """A head, and nodes at these addresses, whatever became of those that were there; no others."""
        if HEAD not in self.nodes or not self.nodes[HEAD].alive:
            self.end()
            self.start(HEAD, **self.settings)
        for address in set(self.nodes) - {HEAD, *addresses}:
            self.nodes.pop(address).kill()
        for address in addresses:
            if address in self.nodes and not self.nodes[address].alive:
                self.nodes.pop(address).kill()
            if address not in self.nodes:
                self.start(address)

    def start(self, address: str, prefix: Sequence[str] = (), **environment: str) -> RayNode:
        """Start a node, by a command that begins with `prefix`."""
        log = self.root / f"{address}.log"
        words = [*prefix, sys.executable, "-m", "tests.engines.ray_node", str(self.root / address[-1]), address]
        if self.address:
            words.append(self.address)
        with log.open("w") as errors:
            process = subprocess.Popen(
                words,
                cwd=REPOSITORY,
                env={**os.environ, **self.environment, **environment},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        said: dict[str, Any] = json.loads(line)
        self.address = said["address"]
        node = self.nodes[address] = RayNode(process, said["name"], said["pids"])
        return node

    def end(self) -> None:
        """End all nodes."""
        for node in self.nodes.values():
            node.kill()
        self.nodes.clear()
        self.address = ""

    def close(self) -> None:
        """End all nodes, and remove what they have left."""
        self.end()
        shutil.rmtree(self.root, ignore_errors=True)


@contextlib.contextmanager
def ray_cluster(**settings: str) -> Iterator[RayCluster]:
    """A cluster, which has no node yet; its head will have these variables."""
    cluster = RayCluster(settings=settings)
    try:
        yield cluster
    finally:
        cluster.close()


@dataclass
class ClusterScene:
    """Two days of a skeleton of twelve parts each, a store, a cluster, and the wanted bytes, of a plain loop."""

    root: Path
    cluster: RayCluster
    wanted: Days = field(default_factory=dict)
    runs: list[subprocess.Popen[str]] = field(default_factory=list)

    @classmethod
    def make(cls, root: Path, cluster: RayCluster) -> ClusterScene:
        """The project, with nothing enriched."""
        from tests.enrich.tiny_project import enriched_by_hand, write_project

        (root / "begun").mkdir(parents=True)
        write_project(root)
        (root / "slow.py").write_text(SLOW)
        return cls(root, cluster, enriched_by_hand(root))

    @property
    def service_dir(self) -> Path:
        return self.root / "output" / "likes"

    def start(
        self,
        *words: str,
        seconds: float = 0.25,
        head_seconds: float = 30.0,
        held: str = "",
        meet: int = 0,
        **environment: str,
    ) -> subprocess.Popen[str]:
        """Start a run; it takes so many seconds for each part, and does not publish the day `held` before `let_go`. No
        part is done before `meet` actors have begun one.
        """
        for left in (*(self.root / "begun").iterdir(), self.root / "held", self.root / "go"):
            left.unlink(missing_ok=True)
        command = [sys.executable, *(words or ("slow.py",)), "--runtime-config-path", "config/training/runtime.yaml"]
        times = {"PART_SECONDS": str(seconds), "HEAD_SECONDS": str(head_seconds), "HELD": held, "MEET": str(meet)}
        run = subprocess.Popen(
            [*command, "--on-stale", "keep", "--ray-address", self.cluster.address],
            cwd=self.root,
            env={
                **os.environ,
                "PYTHONPATH": str(REPOSITORY),
                "TZ": "UTC",
                **times,
                **self.cluster.environment,
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.runs.append(run)
        return run

    def begun(self, node: RayNode) -> dict[str, str]:
        """Where the vectors lie of those actors of a node that have begun a part, by actor."""
        paths = (self.root / "begun").glob(f"{node.name} *[0-9]")
        return {path.name: path.read_text() for path in paths}

    def wait_for_begin(self, process: subprocess.Popen[str], node: RayNode, actors: int = 1) -> None:
        """Return when so many actors of the node have begun a part."""
        wait_for(process, lambda: len(self.begun(node)) >= actors, SECONDS_TO_END)

    def wait_for_last_part(self, process: subprocess.Popen[str]) -> None:
        """Return when all parts of the day that is held are written."""
        wait_for(process, (self.root / "held").exists)

    def let_go(self) -> None:
        """Let the day that is held be published."""
        (self.root / "go").touch()

    def check_days(self) -> None:
        """What is published is whole. What a run that was ended in the middle left in staging goes with the next."""
        for day, parts in bytes_of_days(self.service_dir, "enriched").items():
            assert parts == self.wanted[day], day

    def check_whole(self) -> None:
        """What is published is whole, and nothing is left in staging."""
        self.check_days()
        assert left_in_staging(self.service_dir) == []

    def check_all(self) -> None:
        """All days are published, with the wanted bytes."""
        assert bytes_of_days(self.service_dir, "enriched") == self.wanted
        assert left_in_staging(self.service_dir) == []

    def clear(self) -> None:
        """Unpublish the days, and end runs that are left."""
        for run in self.runs:
            run.kill()
            run.communicate()
        self.runs.clear()
        shutil.rmtree(self.service_dir / "enriched", ignore_errors=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a run that ends by itself."""
    try:
        stdout, stderr = process.communicate(timeout=SECONDS_TO_END)
    finally:
        # Whatever went wrong here, what comes next must not meet this run.
        process.kill()
        process.communicate()
    return process.returncode, stdout, stderr

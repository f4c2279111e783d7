"""Kill nodes, heads, actors and drivers of a Ray cluster at random times, and check after each what was promised.

    python -m tests.engines.ray_kills --kills 20 --seed 0      kills number 0 to 19, into bench/results/ray_kills.json

Kill number N depends on N alone, so that a failure can be repeated by its number. A node or an actor that is lost costs
time: the run ends with exit code 0 and the wanted bytes. The node of the driver, the head, or the driver itself end the
run; what was published is whole then, and a plain run goes on to the wanted bytes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from bench.machine import describe_machine
from tests.engines.ray_cluster import HEAD, OTHER, REPOSITORY, ClusterScene, RayNode, ended, ray_cluster
from tests.faults.scene import size_of_days

RESULT = REPOSITORY / "bench" / "results" / "ray_kills.json"
THIRD = "127.0.0.3"
# What costs time alone comes more often.
KINDS = (
    "node", "node", "node", "raylet", "raylet", "frozen node", "actor", "actor", "own raylet", "head", "driver SIGKILL",
    "driver SIGTERM", "driver SIGINT",
)  # fmt: skip
COSTS_TIME = frozenset({"node", "raylet", "frozen node", "actor"})
# How long a run works on its parts, if nothing happens.
SECONDS_AT_WORK = 4.0


@dataclass(frozen=True)
class Kill:
    """What was killed, when after the first part had begun, and how the run ended; `lost` says what was broken."""

    seed: int
    engine: str
    kind: str
    at_seconds: float
    exit_code: int
    seconds: float
    said: str
    bytes_compared: int
    lost: str = ""


def kills(seeds: range) -> Iterator[Kill]:
    """Do these kills, one after another, on one cluster of three nodes."""
    with tempfile.TemporaryDirectory(prefix="ray-kills-") as root, ray_cluster() as cluster:
        scene = ClusterScene.make(Path(root) / "scene", cluster)
        for seed in seeds:
            yield _killed(scene, seed)


def _killed(scene: ClusterScene, seed: int) -> Kill:
    chance = random.Random(seed)
    kind, at, victim = (
        chance.choice(KINDS),
        round(chance.uniform(0.0, SECONDS_AT_WORK), 2),
        chance.choice((OTHER, THIRD)),
    )
    scene.cluster.ensure(OTHER, THIRD)
    # Where the head's actor comes late, the others would have done all parts by then.
    process = scene.start(seconds=0.5, head_seconds=5.0, meet=len(scene.cluster.nodes))
    for node in scene.cluster.nodes.values():
        scene.wait_for_begin(process, node)
    time.sleep(at)
    had_ended = process.poll() is not None
    started = time.monotonic()
    _strike(kind, process, scene.cluster.nodes[HEAD], scene.cluster.nodes[victim], chance)
    code, _stdout, stderr = ended(process)
    seconds = round(time.monotonic() - started, 1)
    if kind == "frozen node":
        scene.cluster.nodes[victim].kill()
    lost = ""
    try:
        _check(scene, kind, code, stderr)
    except AssertionError as error:
        lost = f"{error}\n{stderr}"
    compared = size_of_days(scene.service_dir, "enriched")
    scene.clear()
    said = "" if code in (0, -signal.SIGKILL) else _said(stderr.splitlines()[-1], scene)
    return Kill(seed, "ray", f"{kind} (too late)" if had_ended else kind, at, code, seconds, said, compared, lost)


def _said(line: str, scene: ClusterScene) -> str:
    """The line without the places of this machine."""
    return re.sub(r"/\S+", "PATH", line.replace(scene.cluster.address, "HEAD"))


def _strike(kind: str, process: subprocess.Popen[str], head: RayNode, other: RayNode, chance: random.Random) -> None:
    match kind.split():
        case ["node"]:
            other.kill()
        case ["raylet"]:
            psutil.Process(other.pids["raylet"]).kill()
        case ["frozen", "node"]:
            for member in (
                psutil.Process(other.process.pid),
                *psutil.Process(other.process.pid).children(recursive=True),
            ):
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.suspend()
        case ["actor"]:
            raylet = psutil.Process(chance.choice((head, other)).pids["raylet"])
            actors = [member for member in raylet.children(recursive=True) if _is_actor(member)]
            if actors:
                chance.choice(actors).kill()
        case ["own", "raylet"]:
            psutil.Process(head.pids["raylet"]).kill()
        case ["head"]:
            psutil.Process(head.pids["gcs_server"]).kill()
        case ["driver", name]:
            process.send_signal(signal.Signals[name])


def _is_actor(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return "ray::MapWorker" in " ".join(process.cmdline()[:1])
    return False


def _check(scene: ClusterScene, kind: str, code: int, stderr: str) -> None:
    assert "Traceback" not in stderr, "a traceback"
    if kind in COSTS_TIME:
        assert code == 0, f"exit code {code}"
    else:
        wanted = {"driver SIGKILL": -signal.SIGKILL, "own raylet": 1, "head": 1}.get(kind, 130)
        assert code in (0, wanted), f"exit code {code}"
        if code == 1:
            assert "days that were published stay, run again to go on" in stderr.splitlines()[-1], "no sentence"
    if code != 0:
        scene.check_days()
        scene.cluster.ensure(OTHER)
        code, _stdout, stderr = ended(scene.start("-m", "enrich"))
        assert code == 0, f"the next run: {stderr}"
    scene.check_all()


def record(path: Path, done: list[Kill]) -> None:
    """Write what was done, beside what was done before by other seeds."""
    seeds = {kill.seed for kill in done}
    if path.exists():
        before = json.loads(path.read_text())
        done = [*done, *(Kill(**kill) for kill in before["kills"] if kill["seed"] not in seeds)]
    done = sorted(done, key=lambda kill: kill.seed)
    totals = {
        "kills": len(done),
        "lost": sum(bool(kill.lost) for kill in done),
        "by_kind": dict(sorted(Counter(kill.kind for kill in done).items())),
        "bytes_compared": sum(kill.bytes_compared for kill in done),
    }
    text = json.dumps(
        {"totals": totals, "machine": describe_machine(), "kills": [asdict(kill) for kill in done]}, indent=1
    )
    path.write_text(text + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.engines.ray_kills", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--kills", type=int, default=20, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="number of the first kill")
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args()
    done: list[Kill] = []
    for kill in kills(range(given.seed, given.seed + given.kills)):
        done.append(kill)
        record(given.result, done)
        print(
            f"{kill.seed} {kill.kind}: exit code {kill.exit_code} after {kill.seconds} s {kill.lost}",
            file=sys.stderr,
            flush=True,
        )
    return 1 if any(kill.lost for kill in done) else 0


if __name__ == "__main__":
    raise SystemExit(main())

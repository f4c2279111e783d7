"""Kill runs again and again, at places that a seed decides, and check after each what the contract of a day promises.

    python -m tests.faults.soak --kills 500 --seed 0        kills number 0 to 499, appended to bench/results/soak.json
    python -m tests.faults.soak --kills 100 --seed 500      the next hundred
    python -m tests.faults.soak --kills 100 --seed 1000 --extending skeleton   each while days are extended
    python -m tests.faults.soak --kills 100 --seed 1200 --extending vectors    each while enriched days are

Kill number N depends on N alone, so a soak can be gone on with where another ended, and a failure repeated by its
number. Of a hundred kills 88 hit the skeleton, 4 the driver of `daeda pipeline train`, 4 a worker process of a portable
runner or its driver, and 4 something of Ray: the driver, an actor, the node, its store of metadata. With `--extending`
each hits a skeleton that extends days, or an enrichment that keeps the vectors of days, between the first step that
copies and the last that publishes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.machine import describe_machine
from tests.faults.enriched_scene import EnrichedScene
from tests.faults.fault import Fault
from tests.faults.ray_scene import RayScene
from tests.faults.scene import SECONDS_TO_END, STATES, Scene
from tests.faults.warm import REPOSITORY, TAG, Child, warm_process

RESULT = REPOSITORY / "bench" / "results" / "soak.json"
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# The slow kinds come at fixed places among a hundred kills, spread so that a short soak has some of each.
SLOW = {"driver": (5, 30, 55, 80), "worker": (10, 35, 60, 85), "ray": (15, 40, 65, 90)}
WORKERS = 3
# What is killed, by what is extended.
EXTENDING = {"skeleton": "extending", "vectors": "extending vectors"}


@dataclass
class Tally:
    """What a soak has done."""

    kills: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    lost: list[str] = field(default_factory=list)
    bytes_compared: int = 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description="Kill runs again and again.")
    parser.add_argument("--kills", type=int, default=500, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="number of the first kill")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end earlier, after so many minutes")
    parser.add_argument("--result", type=Path, default=RESULT)
    parser.add_argument(
        "--extending", choices=("skeleton", "vectors"),
        help="strike only while days of a skeleton are extended, or enriched days that keep their vectors",
    )  # fmt: skip
    given = parser.parse_args()
    started = time.monotonic()
    tally = Tally()
    done = 0
    with Soak(tally) as soak:
        for number in range(given.seed, given.seed + given.kills):
            if time.monotonic() - started > 60 * given.minutes:
                break
            soak.kill(number, EXTENDING.get(given.extending))
            done += 1
            if done % 20 == 0 or number == given.seed + given.kills - 1:
                record(given.result, given.seed, done, tally, time.monotonic() - started)
                print(f"{done} kills, {len(tally.lost)} lost", file=sys.stderr, flush=True)
    record(given.result, given.seed, done, tally, time.monotonic() - started)
    for sentence in tally.lost:
        print(sentence, file=sys.stderr)
    return 1 if tally.lost else 0


def record(path: Path, seed: int, done: int, tally: Tally, seconds: float) -> None:
    """Write the entry of this range of seeds, in the place of an entry that began with the same one."""
    before = json.loads(path.read_text())["ranges"] if path.exists() else []
    entry = {
        "seeds": [seed, seed + done - 1],
        "kills_survived": sum(tally.kills.values()) - len(tally.lost),
        "by_kind": dict(sorted(tally.kills.items())),
        "ended_before_its_kill": tally.missed,
        "lost": tally.lost,
        "bytes_compared": tally.bytes_compared,
        "seconds": round(seconds),
        "machine": describe_machine(),
    }
    ranges = sorted([*(past for past in before if past["seeds"][0] != seed), entry], key=lambda past: past["seeds"][0])
    totals = {
        name: sum(past[name] for past in ranges)
        for name in ("kills_survived", "ended_before_its_kill", "bytes_compared", "seconds")
    }
    text = json.dumps(
        {"totals": totals | {"lost": sum(len(past["lost"]) for past in ranges)}, "ranges": ranges}, indent=1
    )
    path.write_text(text + "\n")


class Soak:
    """The scenes, made when they are needed first."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._stack = contextlib.ExitStack()
        self._root = Path()

    def __enter__(self) -> Soak:
        self._root = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        self._warm = self._stack.enter_context(warm_process())
        self._skeleton_scene: Scene | None = None
        self._enriched: EnrichedScene | None = None
        self._ray: RayScene | None = None
        self._services: tuple[str, ...] = ()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def kill(self, number: int, kind: str | None = None) -> None:
        """Kill number `number`; what it broke goes to the tally."""
        if kind is None:
            kind = next((kind for kind, places in SLOW.items() if number % 100 in places), "skeleton")
        do: dict[str, Callable[[int, random.Random], str]] = {
            "skeleton": self._skeleton, "driver": self._driver, "worker": self._worker, "ray": self._of_ray,
            "extending": self._extending, "extending vectors": self._extending_vectors,
        }  # fmt: skip
        before = self._compared()
        try:
            killed = do[kind](number, random.Random(number))
        except AssertionError as error:
            self._tally.kills[kind] += 1
            place = traceback.extract_tb(error.__traceback__)[-1]
            self._tally.lost.append(f"kill {number} ({kind}): {place.line} in {place.name}: {error}")
        else:
            if killed:
                self._tally.kills[killed] += 1
            else:
                self._tally.missed += 1
        self._tally.bytes_compared += self._compared() - before

    @property
    def _scene(self) -> Scene:
        if self._skeleton_scene is None:
            self._skeleton_scene = Scene.make(self._root / "skeleton", self._warm)
        return self._skeleton_scene

    def _compared(self) -> int:
        made = (self._skeleton_scene, self._enriched, self._ray)
        return sum(scene.bytes_compared for scene in made if scene is not None)

    def _skeleton(self, number: int, chance: random.Random) -> str:
        """Before a step, or at a random time."""
        scene, state = self._scene, chance.choice(STATES)
        output, strike = scene.output(state), chance.choice(SIGNALS)
        if chance.random() < 0.7:
            at = chance.randint(1, scene.steps[state])
            child = scene.start(output, fault=Fault(at, "signal", str(int(strike))))
        else:
            child = scene.start(output)
            time.sleep(chance.uniform(0.0, 0.8))
            os.kill(child.pid, strike)
        return f"skeleton {strike.name}" if self._survived(child, output, state, strike) else ""

    def _extending(self, number: int, chance: random.Random) -> str:
        """Before a step between the first that copies a published part and the last that publishes a day."""
        output, strike = self._scene.output("extended"), chance.choice(SIGNALS)
        at = chance.randint(1, self._scene.steps_extending)
        child = self._scene.start(output, fault=Fault(at, "signal", str(int(strike)), extending=True))
        return f"extending {strike.name}" if self._survived(child, output, "extended", strike) else ""

    def _extending_vectors(self, number: int, chance: random.Random) -> str:
        """Before a block of a published enriched part is copied, or a step until the last day is published."""
        if self._enriched is None:
            self._enriched = EnrichedScene.make(self._root / "enriched", self._warm)
        output, strike = self._enriched.output(), chance.choice(SIGNALS)
        at = chance.randint(1, self._enriched.steps)
        child = self._enriched.start(output, Fault(at, "signal", str(int(strike)), extending=True))
        code = ended(child, strike)
        self._enriched.check_after_fault(output)
        self._enriched.check_after_rerun(output)
        return f"extending vectors {strike.name}" if code != 0 else ""

    def _survived(self, child: Child, output: Path, state: str, strike: signal.Signals) -> bool:
        """Hold what is left against the contract of a day; whether the run did not end before it was struck."""
        code = ended(child, strike)
        self._scene.check_after_fault(output, state)
        self._scene.check_after_rerun(output)
        return code != 0

    def _driver(self, number: int, chance: random.Random) -> str:
        """`daeda pipeline train`, whose halves are processes of their own."""
        scene, state = self._scene, chance.choice(STATES)
        output, strike = scene.output(state), chance.choice(SIGNALS)
        words = [sys.executable, "-m", "daeda", "pipeline", "train", "ranking", *scene.words(output)]
        return self._killed_from_outside(words, output, state, strike, chance.uniform(0.3, 6.0), "driver")

    def _worker(self, number: int, chance: random.Random) -> str:
        """A worker process of a pool, or the driver of the days that it builds."""
        scene, state = self._scene, chance.choice(STATES)
        output, strike = scene.output(state), chance.choice(SIGNALS)
        words = [
            sys.executable,
            "-m",
            "beam_pipeline",
            *scene.words(output),
            *self._portable(),
            "--worker-timeout",
            "15",
        ]
        if number % 2:
            return self._killed_from_outside(words, output, state, strike, chance.uniform(1.0, 6.0), "portable driver")
        process = started(words, output)
        victim = None
        until = time.monotonic() + 240
        while victim is None and process.poll() is None and time.monotonic() < until:
            victim = chance.choice(holding(output) or [None])  # type: ignore[list-item]
            time.sleep(0.01)
        if victim is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
        _, stderr = process.communicate(timeout=300)
        # Before any day has begun, a lost worker looks like a pool that cannot start one, which is exit code 2.
        assert process.returncode in (0, 1) or "no worker has begun a day" in stderr, (process.returncode, stderr)
        assert_nobody_builds(output)
        scene.check_after_fault(output, state)
        scene.check_after_rerun(output)
        return "portable worker SIGKILL" if victim is not None else ""

    def _of_ray(self, number: int, chance: random.Random) -> str:
        if self._ray is None:
            self._ray = RayScene.make(self._root / "ray")
        return self._ray.kill(chance.choice(RayScene.KINDS), chance.uniform(0.0, 1.5))

    def _killed_from_outside(
        self, words: list[str], output: Path, state: str, strike: signal.Signals, seconds: float, kind: str
    ) -> str:
        process = started(words, output)
        time.sleep(seconds)
        ended = process.poll() is not None
        process.send_signal(strike)
        _, stderr = process.communicate(timeout=300)
        assert process.returncode in (0, 130, -9, -int(strike)), (process.returncode, stderr)
        assert "Traceback" not in stderr or "KeyboardInterrupt" in stderr, stderr
        assert_nobody_builds(output)
        self._scene.check_after_fault(output, state)
        self._scene.check_after_rerun(output)
        return "" if ended else f"{kind} {strike.name}"

    def _portable(self) -> tuple[str, ...]:
        """A job service and a pool of workers, as the tests of portable runners have them."""
        if not self._services:
            from tests.beam_pipeline.runners.conftest import make_environment, started, worker_pool

            directory = self._root / "pool"
            directory.mkdir()
            python = make_environment(directory / "environment")
            (next(directory.glob("environment/lib/python*/site-packages")) / "sources.pth").write_text(
                f"{REPOSITORY}\n"
            )
            service = [sys.executable, "-m", "tests.beam_pipeline.runners.job_service", str(WORKERS)]
            process = self._stack.enter_context(started(service, cwd=REPOSITORY, stderr=subprocess.DEVNULL))
            assert process.stdout is not None
            address = f"localhost:{int(process.stdout.readline())}"
            pool = self._stack.enter_context(worker_pool(python, directory / "pool.log"))
            self._services = (
                "--runner", "PortableRunner", "--job_endpoint", address, "--environment_type", "EXTERNAL",
                "--environment_config", pool,
            )  # fmt: skip
        return self._services


def ended(child: Child, strike: signal.Signals) -> int:
    """The exit code of a run that was struck, which is one of those that there may be."""
    code = child.wait()
    assert code in (0, 130, -9, -int(strike)), (code, child.stderr)
    assert "Traceback" not in child.stderr, child.stderr
    return code


def started(words: list[str], output: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, TAG: str(output), "TZ": "UTC"}
    return subprocess.Popen(
        words, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def assert_nobody_builds(output: Path) -> None:
    """No worker of a pool, which outlives all runs, builds a day for longer than it may."""
    until = time.monotonic() + SECONDS_TO_END
    while left := holding(output):
        assert time.monotonic() < until, [process.pid for process in left]
        time.sleep(0.05)


def holding(output: Path) -> list[psutil.Process]:
    """The workers of this process's pool that have a file of a run open."""
    harnesses = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if "SdkHarness" in " ".join(process.cmdline()) and any(
                str(output) in file.path for file in process.open_files()
            ):
                harnesses.append(process)
    return harnesses


if __name__ == "__main__":
    raise SystemExit(main())

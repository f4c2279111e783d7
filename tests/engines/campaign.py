"""Kill what runs on a cluster of Flink, again and again, and check after each kill what the contract of a day promises.

    python -m tests.engines.campaign --kills 45 --seed 0     kills number 0 to 44, for bench/results/engines.json

What is killed, and when, depends on the number of the kill alone. A worker, the pool of a host and a TaskManager cost
the run the days that were at work, and it goes on to its end; the driver and the JobManager end it, and the next run
goes on with what was published. Every output that is whole has the bytes of DirectRunner.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.machine import describe_machine
from tests.beam_pipeline.runners.conftest import REPOSITORY, left_in_staging, skeleton_words
from tests.engines import cache
from tests.engines.meeting import Meeting
from tests.engines.processes import wait_until
from tests.engines.site import SLOTS, Site, site
from tests.faults.scene import SECONDS_TO_END, Days, bytes_of_days

RESULT = REPOSITORY / "bench" / "results" / "engines.json"
DAYS = 14
# So often among a hundred kills; what ends a run is the dearest.
KINDS = {"worker": 30, "task manager": 25, "pool": 20, "driver SIGKILL": 10, "driver SIGINT": 8, "job manager": 7}
# Kills that end the run, and the exit codes that it may have then.
ENDS = {"driver SIGKILL": (-signal.SIGKILL,), "driver SIGINT": (130, 0), "job manager": (1, 0)}
_SECONDS_OF_A_RUN = 900.0
# How a run says that another job stands in.
_ANEW = re.compile(r"^warning: .* was cancelled, and '.*' goes on$", re.MULTILINE)


@dataclass
class Tally:
    """What a campaign has done."""

    kills: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    runs: int = 0
    outputs: int = 0
    days_tried: int = 0
    days_built: int = 0
    submitted_anew: int = 0


class Campaign:
    """A site, a project, and the run that is killed."""

    def __init__(self, place: Site, root: Path, tally: Tally) -> None:
        self._site = place
        self._root = root
        self._tally = tally
        self._meeting = Meeting(root / "days", DAYS, 1, seconds=1.0)
        self._wanted: Days = {}
        self._output = root / "output"
        self._run: subprocess.Popen[str] | None = None
        # Kills that the run has survived; each may cost the days that were at work.
        self._survived = 0
        # Kills whose run has not come to its end yet: they are counted then.
        self._open: list[str] = []

    def prepare(self) -> None:
        """Build the days on DirectRunner."""
        direct = self._root / "direct"
        words = self._words(direct, "--runner", "DirectRunner", "--day-workers", "2")
        subprocess.run(words, cwd=REPOSITORY, capture_output=True, check=True, timeout=_SECONDS_OF_A_RUN)
        self._wanted = bytes_of_days(direct / "ranking")
        assert len(self._wanted) == DAYS
        self._tried_before = self._meeting.attempts

    def kill(self, number: int) -> None:
        """Kill number `number`; what it broke goes to the tally, and the next one begins anew."""
        chance = random.Random(number)
        kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
        try:
            self._kill(kind, chance)
        except AssertionError as error:
            self._count()
            self._tally.lost.append(f"kill {number} ({kind}): {error}"[:2000])
            self._begin_anew()

    def finish(self) -> None:
        """Let the last run come to its end, and check it."""
        if self._run is not None:
            self._end_well()
        elif self._output.exists():
            self._start()
            self._end_well()

    def _kill(self, kind: str, chance: random.Random) -> None:
        self._go_on_to_work()
        time.sleep(chance.uniform(0.0, 3.0))
        # It may have come to its end meanwhile: then another run is killed.
        self._go_on_to_work()
        host = chance.choice(self._site.numbers)
        do: dict[str, Callable[[int], None]] = {
            "worker": self._kill_worker, "task manager": self._kill_task_manager, "pool": self._kill_pool,
            "driver SIGKILL": lambda _: self._run.kill(),  # type: ignore[union-attr]
            "driver SIGINT": lambda _: self._run.send_signal(signal.SIGINT),  # type: ignore[union-attr]
            "job manager": self._kill_job_manager,
        }  # fmt: skip
        print(f"{time.strftime('%H:%M:%S')} {kind} of host {host}", file=sys.stderr, flush=True)
        self._open.append(kind)
        do[kind](host)
        if kind in ENDS:
            self._check_ended(kind)
        else:
            self._survived += 1

    def _go_on_to_work(self) -> None:
        """A run that is alive and has a day at work: what a killed worker has left is none."""
        until = time.monotonic() + _SECONDS_OF_A_RUN
        while True:
            if self._run is None:
                self._start()
            assert self._run is not None
            if self._run.poll() is not None:
                self._end_well()
                continue
            if self._holding():
                return
            assert time.monotonic() < until, "no day is at work"
            time.sleep(0.05)

    def _start(self) -> None:
        words = self._words(self._output, *self._site.flags, "--day-workers", str(SLOTS), "--worker-timeout", "240")
        # Kept apart from the output, which goes with each round.
        self._stderr = self._root / f"run-{self._tally.runs}.log"
        with self._stderr.open("w") as file:
            self._run = subprocess.Popen(
                words,
                cwd=REPOSITORY,
                env={**os.environ, "TZ": "UTC"},
                stdout=subprocess.DEVNULL,
                stderr=file,
                text=True,
            )
        self._tally.runs += 1
        self._survived = 0
        self._published = set(self._days())
        self._tried_before = self._meeting.attempts

    def _words(self, output: Path, *flags: str) -> list[str]:
        return skeleton_words(self._meeting.project.runtime_path, "--output-root", output, *flags)

    def _days(self) -> Days:
        return bytes_of_days(self._output / "ranking")

    def _end_well(self) -> None:
        """The run ends with 0 and all days, and has tried no more than it had to."""
        assert self._run is not None
        try:
            code = self._run.wait(timeout=_SECONDS_OF_A_RUN)
        except subprocess.TimeoutExpired:
            self._run.kill()
            raise AssertionError(f"the run does not end: {self._said()}") from None
        self._run = None
        self._tally.submitted_anew += len(_ANEW.findall(self._stderr.read_text(errors="replace")))
        assert code == 0, f"exit code {code}: {self._said()}"
        assert self._days() == self._wanted, "other bytes"
        assert left_in_staging(self._output / "ranking") == []
        tried = self._meeting.attempts - self._tried_before
        needed = DAYS - len(self._published)
        self._tally.days_tried += tried
        self._tally.days_built += needed
        assert tried <= needed + SLOTS * self._survived, f"{tried} attempts at {needed} days, {self._survived} kills"
        self._tally.outputs += 1
        self._wait_for_no_job()
        shutil.rmtree(self._output)
        self._count()

    def _check_ended(self, kind: str) -> None:
        """The run has ended as it had to, nobody builds, no job is left, and what is published is whole."""
        assert self._run is not None
        code = self._run.wait(timeout=_SECONDS_OF_A_RUN)
        self._run = None
        assert code in ENDS[kind], f"exit code {code}: {self._said()}"
        assert "Traceback" not in self._said(), self._said()
        wait_until("an end of all days at work", lambda: not self._holding(), _seconds_to_end())
        if kind == "job manager":
            self._restart_job_manager()
        else:
            self._wait_for_no_job()
        days = self._days()
        assert all(days[day] == self._wanted[day] for day in days), "other bytes"
        self._count()

    def _count(self) -> None:
        self._tally.kills.update(self._open)
        self._open.clear()

    def _wait_for_no_job(self) -> None:
        wait_until("an end of Flink's job", lambda: not self._site.cluster.running(), _seconds_to_end())

    def _said(self) -> str:
        return self._stderr.read_text(errors="replace")[-1500:]

    def _holding(self) -> list[int]:
        """The workers that have a file of the output open."""
        found = []
        for worker in (worker for host in self._site.numbers for worker in self._site.workers(host)):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if any(str(self._output) in file.path for file in worker.open_files()):
                    found.append(worker.pid)
        return found

    def _kill_worker(self, host: int) -> None:
        """The workers of this host, or of another one where none lives here."""
        for number in (host, *self._site.numbers):
            workers = self._site.workers(number)
            for worker in workers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.kill()
            if workers:
                return
        raise AssertionError("no worker is there to be killed")

    def _kill_pool(self, host: int) -> None:
        """The pool, which takes its workers along."""
        self._site.pools[host].process.kill()
        self._site.pools[host].process.wait()
        self._site.start_pool(host)

    def _kill_task_manager(self, host: int) -> None:
        self._site.cluster.task_managers[host].kill()
        self._site.cluster.start_task_manager(host)

    def _kill_job_manager(self, host: int) -> None:
        assert self._site.cluster.job_manager is not None
        self._site.cluster.job_manager.kill()

    def _restart_job_manager(self) -> None:
        """A new JobManager knows no job; its TaskManagers find it."""
        cluster = self._site.cluster
        cluster.start_job_manager()
        wait_until("the TaskManagers", lambda: len(cluster.task_manager_names()) >= len(self._site.numbers))

    def _begin_anew(self) -> None:
        if self._run is not None:
            self._run.kill()
            self._run.wait()
            self._run = None
        with contextlib.suppress(AssertionError, OSError):
            for job in self._site.cluster.running():
                self._site.cluster.cancel(job)
            self._wait_for_no_job()
        shutil.rmtree(self._output, ignore_errors=True)


def _seconds_to_end() -> float:
    """In no time more than the machine takes for all that it does."""
    return SECONDS_TO_END * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def record(path: Path, seed: int, done: int, tally: Tally, hosts: int, seconds: float) -> None:
    """Write the entry of this range of seeds, in the place of an entry that began with the same one."""
    before = json.loads(path.read_text()) if path.exists() else {}
    entry = {
        "seeds": [seed, seed + done - 1], "hosts": hosts, "kills_survived": tally.kills.total() - len(tally.lost),
        "by_kind": dict(sorted(tally.kills.items())), "lost": tally.lost, "runs": tally.runs,
        "outputs_compared": tally.outputs, "days_built": tally.days_built, "days_tried": tally.days_tried,
        "jobs_submitted_anew": tally.submitted_anew, "seconds": round(seconds), "machine": describe_machine(),
    }  # fmt: skip
    ranges = [past for past in before.get("flink", []) if past["seeds"][0] != seed]
    before["flink"] = sorted([*ranges, entry], key=lambda past: past["seeds"][0])
    path.write_text(json.dumps(before, indent=1) + "\n")


def main() -> int:
    """Kill so many times, and record it."""
    parser = argparse.ArgumentParser(prog="python -m tests.engines.campaign", description="Kill runs on Flink.")
    parser.add_argument("--kills", type=int, default=45, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="number of the first kill")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end earlier, after so many minutes")
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args()
    started, tally, done = time.monotonic(), Tally(), 0
    try:
        jars = cache.flink_jars(1800.0)
    except cache.NotToBeHad as reason:
        print(f"no kills: {reason}", file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory(prefix="engines-") as root, site(jars, Path(root) / "site") as place:
        campaign = Campaign(place, Path(root), tally)
        campaign.prepare()
        for number in range(given.seed, given.seed + given.kills):
            if time.monotonic() - started > 60 * given.minutes:
                break
            campaign.kill(number)
            done += 1
            record(given.result, given.seed, done, tally, len(place.numbers), time.monotonic() - started)
            print(f"{done} kills, {len(tally.lost)} lost", file=sys.stderr, flush=True)
        try:
            campaign.finish()
        except AssertionError as error:
            tally.lost.append(f"the run behind the last kill: {error}"[:2000])
        record(given.result, given.seed, done, tally, len(place.numbers), time.monotonic() - started)
    for sentence in tally.lost:
        print(sentence, file=sys.stderr)
    return 1 if tally.lost else 0


if __name__ == "__main__":
    raise SystemExit(main())

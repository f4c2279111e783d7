"""memcap, run as a user runs it, over commands that take memory, ignore signals and lose their children."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
MIB = 2**20
# Memory is written to, so that it is there; the command then waits.
HOLD = "import time; held = bytearray(b'1') * ({mib} << 20); time.sleep({seconds})"


def memcap(*words: str) -> list[str]:
    return [sys.executable, "-m", "bench.memcap", *words]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(memcap(*words), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def told(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line.removeprefix("memcap: ") for line in done.stderr.splitlines()]


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    ("code", "expected"),
    [("print('done')", 0), ("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 128 + 9)],
)
def test_a_command_within_its_budget_keeps_its_output_and_its_exit_code(code: str, expected: int) -> None:
    done = run("--budget", "1GiB", "--", *python(code))
    assert done.returncode == expected
    assert done.stdout == ("done\n" if expected == 0 else "")
    assert len(told(done)) == 1
    assert told(done)[0].startswith("peak ")


def test_the_peak_is_that_of_the_whole_tree(tmp_path: Path) -> None:
    hold = HOLD.format(mib=80, seconds=2)
    both = (
        f"import subprocess, sys\nstarted = [subprocess.Popen([sys.executable, '-c', {hold!r}]) for _ in '12']\n"
        "for one in started: one.wait()"
    )
    report = tmp_path / "peak.json"
    done = run("--budget", "1GiB", "--report", str(report), "--", *python(both))
    found = json.loads(report.read_text())
    assert (done.returncode, found["exit_code"], found["stopped_for_memory"]) == (0, 0, False)
    assert 160 * MIB < found["peak_bytes"] < 300 * MIB
    assert found["peak_processes"] == 3


def test_a_tree_above_its_budget_is_warned_of_and_stopped(tmp_path: Path) -> None:
    report = tmp_path / "peak.json"
    grow = "import time\nheld = []\nfor _ in range(40): held.append(bytearray(b'1') * (10 << 20)); time.sleep(0.1)"
    done = run("--budget", "150MiB", "--warn-percent", "40", "--report", str(report), "--", *python(grow))
    found = json.loads(report.read_text())
    assert (done.returncode, found["exit_code"], found["stopped_for_memory"]) == (137, 137, True)
    warning, stopping, peak = told(done)
    assert warning.startswith("warning: ")
    assert warning.endswith(" of 150 MiB are in use")
    assert stopping.startswith("above the budget of 150 MiB: stopping the tree; the largest are ")
    assert peak.startswith("peak ")
    assert 150 * MIB < found["peak_bytes"] < 400 * MIB


def test_who_ignores_the_polite_signal_is_killed_with_all_its_children(tmp_path: Path) -> None:
    """A parent that ignores SIGTERM, and a child whose own parent has gone."""
    pids = tmp_path / "pids"
    pids.mkdir()
    note = f"import os, pathlib, signal, time; pathlib.Path({str(pids)!r}, str(os.getpid())).touch(); "
    stubborn = note + "signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    orphan = stubborn + "time.sleep(60)"
    middle = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {orphan!r}])"
    top = (
        stubborn
        + f"import subprocess, sys; subprocess.run([sys.executable, '-c', {middle!r}])\n"
        + f"while len(os.listdir({str(pids)!r})) < 2: time.sleep(0.05)\n"
        + HOLD.format(mib=200, seconds=60)
    )
    done = run("--budget", "150MiB", "--grace", "1", "--", *python(top))
    assert done.returncode == 137
    left = [int(path.name) for path in pids.iterdir()]
    assert len(left) == 2
    assert not any(alive(pid) for pid in left)


def test_a_clean_stop_lets_the_command_tidy_up(tmp_path: Path) -> None:
    tidied = tmp_path / "tidied"
    code = (
        "import pathlib, signal, sys\n"
        f"def tidy(*_):\n    pathlib.Path({str(tidied)!r}).touch()\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, tidy)\n" + HOLD.format(mib=200, seconds=60)
    )
    done = run("--budget", "195MiB", "--", *python(code))
    assert done.returncode == 137
    assert tidied.exists()


def test_what_the_command_leaves_behind_is_stopped(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    done = run("--budget", "1GiB", "--", "sh", "-c", f"sleep 60 & echo $! > {pid}; exit 4")
    assert done.returncode == 4
    assert told(done)[0] == "the command has ended and 1 of its processes have not: stopping them"
    assert not alive(int(pid.read_text()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_passed_on(tmp_path: Path, number: signal.Signals) -> None:
    ready = tmp_path / "ready"
    code = (
        "import pathlib, signal, sys, time\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(30 + {int(number)}))\n"
        f"pathlib.Path({str(ready)!r}).touch()\ntime.sleep(60)"
    )
    process = subprocess.Popen(
        memcap("--budget", "1GiB", "--", *python(code)), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 120
        while not ready.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, number)
        process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 30 + number


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--budget", "lots", "--", "true"], 2,
         "'lots' is not a size: write a whole number and a unit, like 512MiB or 64GiB"),
        (["--budget", "1GiB"], 2, "no command: write it behind --"),
        (["--budget", "1GiB", "--", "no-such-command"], 127,
         "no-such-command cannot be started: No such file or directory"),
        (["--budget", "1GiB", "--", "/dev/null"], 126, "/dev/null cannot be started: Permission denied"),
        (["--", "true"], 2, "the following arguments are required: --budget"),
        (["--budget", "1GiB", "--warn-percent", "0", "--", "true"], 2,
         "--warn-percent: '0' is not a number from 1 to 100"),
        (["--budget", "1GiB", "--grace", "-1", "--", "true"], 2, "--grace: '-1' is not a number of seconds"),
    ],
)  # fmt: skip
def test_wrong_usage_says_what_is_wrong(words: list[str], code: int, message: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.splitlines()[-1].endswith(message)

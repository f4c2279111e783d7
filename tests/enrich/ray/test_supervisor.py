"""The supervisor of the enrichment, over children that end in every way, wait for ever, or leave others behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.scene import SECONDS_TO_END, alive
from tests.faults.warm import REPOSITORY, TAG

# A child that stays, in a session of its own, as Ray's workers have one.
STRAY = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'], start_new_session=True)"
# An orphan: its parent ends at once.
ORPHAN = f"subprocess.run([sys.executable, '-c', \"import subprocess, sys; {STRAY}\"])"
BEGIN = f"""
import os, pathlib, signal, subprocess, sys, time
from enrich.ray import child
from enrich.ray.channel import ClusterLost, LimitSet, RayDirectoryUsed, RayEnding, RayProcess, RayStarting
from enrich.ray.channel import limited, send
from enrich.ray.supervisor import supervised

child.LOSS_SECONDS = 4.0
# As long as it takes: none of these children has a Ray that lives on.
child.LATE_SECONDS = 60.0

def stray():
    {STRAY}
    {ORPHAN}

def command():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM])
    try:
        return work()
    except KeyboardInterrupt:
        print("error: interrupted by SIGINT", file=sys.stderr)
        return 130

def at_work():
    pathlib.Path("at_work").touch()

def work():
"""
END = """
raise SystemExit(supervised(command))
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `work` under a supervisor; nothing is left of it behind the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(work: str, *before: str, **options: object) -> subprocess.Popen[str]:
        lines = "".join(f"    {line}\n" for line in work.strip().splitlines())
        (tmp_path / "work.py").write_text(BEGIN + lines + END)
        environment = {**os.environ, TAG: str(tmp_path), "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path)}
        process = subprocess.Popen(
            [*before, sys.executable, "work.py"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,  # type: ignore[call-overload]
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()
    for left in alive(str(tmp_path)):
        left.kill()


def ended(process: subprocess.Popen[str], tag: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr; nothing is alive then."""
    out, err = process.communicate(timeout=300)
    assert_nobody(tag)
    return process.returncode, out, err


def assert_nobody(tag: Path) -> None:
    until = time.monotonic() + SECONDS_TO_END
    while left := alive(str(tag)):
        assert time.monotonic() < until, [one.cmdline() for one in left]
        time.sleep(0.05)


def wait_until_at_work(process: subprocess.Popen[str], tmp_path: Path) -> None:
    until = time.monotonic() + 240
    while not (tmp_path / "at_work").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_child_that_ends_well_leaves_nothing(start: Start, tmp_path: Path) -> None:
    process = start("stray()\nprint('the result')\nos.write(2, b'noise of a library')\nreturn 0")
    assert ended(process, tmp_path) == (0, "the result\n", "")


def test_what_a_child_says_is_said_and_its_code_is_the_code(start: Start, tmp_path: Path) -> None:
    process = start(
        "stray()\nos.write(2, b'noise')\nimport warnings\nwarnings.warn('of a library')\n"
        "print('error: so it is', file=sys.stderr)\nreturn 2"
    )
    assert ended(process, tmp_path) == (2, "", "error: so it is\n")


def test_what_nobody_foresaw_is_shown_whole(start: Start, tmp_path: Path) -> None:
    code, out, err = ended(start("raise ValueError('so it is')"), tmp_path)
    assert (code, out) == (1, "")
    assert err.startswith("Traceback")
    assert err.endswith("ValueError: so it is\n")


@pytest.mark.parametrize(
    ("end", "how"),
    [
        ("os._exit(0)", "ended with code 0 without a word"),
        ("os._exit(3)", "ended with code 3 without a word"),
        ("os.kill(os.getpid(), signal.SIGUSR1)", "was ended by SIGUSR1 without a word"),
        ("os.kill(os.getpid(), 9)", "was ended by SIGKILL (the system does so when memory is short)"),
    ],
)
def test_a_child_that_ends_without_a_word_is_told(start: Start, tmp_path: Path, end: str, how: str) -> None:
    process = start(f"stray()\n{end}")
    sentence = f"error: the enrichment {how}: days that were published stay, run again to go on\n"
    assert ended(process, tmp_path) == (1, "", sentence)


def test_what_libraries_said_before_such_an_end_is_kept(start: Start, tmp_path: Path) -> None:
    process = start(
        "os.write(2, b'thread panicked')\nimport faulthandler\nassert faulthandler.is_enabled()\nos.abort()"
    )
    _code, _out, err = ended(process, tmp_path)
    begin = (
        "error: the enrichment was ended by SIGABRT without a word: days that were published stay, run again to go on; "
        "what its libraries wrote is in "
    )
    assert err.startswith(begin)
    path = Path(err.removeprefix(begin).strip())
    assert path.read_text().startswith("thread panickedFatal Python error: Aborted")
    assert path.stat().st_mode & 0o777 == 0o600


# Ray's directory, a node of it, and an enrichment that ends with it.
RAY = """
ray = pathlib.Path("daeda-ray-1")
(ray / "r/session_1/logs").mkdir(parents=True)
(ray / "r/session_1/logs/raylet.out").write_text("it broke")
send(RayDirectoryUsed(str(ray.absolute())))
node = subprocess.Popen([sys.executable, "-c", "import sys, time; time.sleep(100)"])
send(RayProcess("raylet", node.pid))
stray()
time.sleep(0.5)
"""


def test_the_process_of_ray_that_ended_first_is_named_with_the_logs(start: Start, tmp_path: Path) -> None:
    process = start(f"{RAY}\nnode.kill()\ntime.sleep(1)\nos._exit(1)")
    assert ended(process, tmp_path) == (
        1,
        "",
        "error: Ray's raylet was ended by SIGKILL, and ended the enrichment: days that were published stay, run again "
        f"to go on; Ray's logs are in {tmp_path}/daeda-ray-1/logs\n",
    )
    assert [path.name for path in (tmp_path / "daeda-ray-1").rglob("*")] == ["logs", "raylet.out"]


def test_a_process_of_ray_that_is_seen_to_end_behind_the_enrichment_is_named(start: Start, tmp_path: Path) -> None:
    """It closes its sockets before the system tells of its end, and the enrichment ends by them."""
    process = start(f"{RAY}\nsubprocess.Popen(['sh', '-c', f'sleep 1; kill -9 {{node.pid}}'])\nos._exit(1)")
    code, _out, err = ended(process, tmp_path)
    assert code == 1
    assert err.startswith("error: Ray's raylet was ended by SIGKILL, and ended the enrichment: days that were")


@pytest.mark.parametrize(
    "end", ["node.kill()\ntime.sleep(1)\nsend(RayEnding())", "send(RayEnding())\nnode.kill()"], ids=["before", "then"]
)
def test_a_process_of_ray_that_ends_the_enrichment_which_is_ending_it_is_named(
    start: Start, tmp_path: Path, end: str
) -> None:
    code, out, err = ended(start(f"{RAY}\n{end}\nos._exit(1)"), tmp_path)
    assert (code, out) == (1, "")
    assert err.startswith("error: Ray's raylet was ended by SIGKILL, and ended the enrichment: days that were")
    assert (tmp_path / "daeda-ray-1/logs").exists()


def test_of_a_ray_that_was_ended_nothing_is_told_of_the_next_one(start: Start, tmp_path: Path) -> None:
    """As where one that did not start within its time is asked again."""
    another = "node = subprocess.Popen([sys.executable, '-c', 'import sys, time; time.sleep(1); sys.exit(3)'])"
    process = start(
        f"{RAY}\nnode.kill()\ntime.sleep(1)\nsend(RayEnding())\n{another}\nsend(RayProcess('raylet', node.pid))"
        "\nos._exit(1)"
    )
    code, _out, err = ended(process, tmp_path)
    assert code == 1
    assert err.startswith("error: Ray's raylet ended with code 3, and ended the enrichment: days that were published")


def test_an_enrichment_that_its_lost_cluster_has_ended_is_told_so(start: Start, tmp_path: Path) -> None:
    process = start("send(ClusterLost('the head does not answer any more'))\nos._exit(1)")
    assert ended(process, tmp_path) == (1, "", "error: the head does not answer any more\n")


def test_an_enrichment_that_does_not_notice_that_ray_has_ended_is_ended(start: Start, tmp_path: Path) -> None:
    process = start(f"{RAY}\nnode.kill()\ntime.sleep(100)")
    assert ended(process, tmp_path) == (
        1,
        "",
        "error: Ray's raylet was ended by SIGKILL: days that were published stay, run again to go on; "
        f"Ray's logs are in {tmp_path}/daeda-ray-1/logs\n",
    )


@pytest.mark.some(1, cases=2)
def test_what_is_killed_while_ray_starts_is_told_at_once(start: Start, tmp_path: Path) -> None:
    process = start(f"send(RayStarting(True))\n{RAY}\nnode.kill()\ntime.sleep(100)")
    assert ended(process, tmp_path) == (
        1,
        "",
        "error: Ray did not start: its raylet was ended by SIGKILL: days that were published stay, run again to go on; "
        f"Ray's logs are in {tmp_path}/daeda-ray-1/logs\n",
    )


def test_a_node_that_gives_up_on_itself_while_it_starts_is_left_to_ray(start: Start, tmp_path: Path) -> None:
    process = start(
        f"send(RayStarting(True))\n{RAY.replace('time.sleep(100)', 'time.sleep(0.2); sys.exit(1)', 1)}"
        "\ntime.sleep(6)\nsend(RayEnding())\nreturn 0"
    )
    assert ended(process, tmp_path) == (0, "", "")


def test_ray_that_is_being_ended_is_not_missed(start: Start, tmp_path: Path) -> None:
    process = start(f"{RAY}\nsend(RayEnding())\nnode.kill()\ntime.sleep(1)\nreturn 0")
    assert ended(process, tmp_path) == (0, "", "")
    assert not (tmp_path / "daeda-ray-1").exists()


def test_what_outlives_its_time_is_ended_with_its_sentence(start: Start, tmp_path: Path) -> None:
    """The child hears no signal: it holds the interpreter's lock, as native code does."""
    process = start(
        "stray()\nsend(LimitSet(0.3, 'it was not done within 0.3 s', 2))\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])\ntime.sleep(100)"
    )
    assert ended(process, tmp_path) == (2, "", "error: it was not done within 0.3 s\n")


def test_a_cluster_that_is_lost_ends_a_child_that_waits_for_it(start: Start, tmp_path: Path) -> None:
    process = start("stray()\nsend(ClusterLost('the head does not answer any more'))\ntime.sleep(100)")
    assert ended(process, tmp_path) == (1, "", "error: the head does not answer any more\n")


def test_a_limit_that_was_lifted_ends_nothing(start: Start, tmp_path: Path) -> None:
    process = start("with limited(0.3, 'too late'):\n    pass\ntime.sleep(1)\nreturn 0")
    assert ended(process, tmp_path) == (0, "", "")


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_child_that_hears_no_signal_ends_all_the_same(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    process = start(
        "stray()\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])\n"
        f"{RAY}\nat_work()\nos.write(2, b'noise')\ntime.sleep(100)"
    )
    wait_until_at_work(process, tmp_path)
    process.send_signal(number)
    process.wait(SECONDS_TO_END)
    assert ended(process, tmp_path) == (130, "", f"error: interrupted by {number.name}\n")
    assert not (tmp_path / "daeda-ray-1").exists()


def test_a_child_that_hears_says_so_itself_and_a_terminal_reaches_it_once(start: Start, tmp_path: Path) -> None:
    """Ctrl-C of a terminal goes to the whole process group."""
    process = start("stray()\nat_work()\ntime.sleep(100)", start_new_session=True)
    wait_until_at_work(process, tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    assert ended(process, tmp_path) == (130, "", "error: interrupted by SIGINT\n")


def test_the_second_signal_kills(start: Start, tmp_path: Path) -> None:
    process = start(
        "stray()\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])\nat_work()\ntime.sleep(100)"
    )
    wait_until_at_work(process, tmp_path)
    process.send_signal(signal.SIGTERM)
    # What arrives within a second may be the same signal, which a terminal has sent to the whole group.
    time.sleep(1.2)
    process.send_signal(signal.SIGTERM)
    assert ended(process, tmp_path) == (130, "", "error: interrupted by SIGTERM\n")


def test_a_supervisor_that_is_killed_takes_everything_along(start: Start, tmp_path: Path) -> None:
    process = start("stray()\nat_work()\ntime.sleep(100)")
    wait_until_at_work(process, tmp_path)
    process.kill()
    assert ended(process, tmp_path) == (-9, "", "")


def test_a_driver_that_is_gone_ends_the_half(start: Start, tmp_path: Path) -> None:
    """The driver holds the writing end of a pipe, and ends however it ends."""
    reading, writing = os.pipe()
    process = start("stray()\nat_work()\ntime.sleep(100)", "env", f"DAEDA_LIFELINE_FD={reading}", pass_fds=(reading,))
    os.close(reading)
    wait_until_at_work(process, tmp_path)
    os.close(writing)
    assert ended(process, tmp_path) == (130, "", "error: interrupted by SIGINT\n")


def test_what_was_there_before_is_not_ended(start: Start, tmp_path: Path) -> None:
    """A shell may have become the command, and have children of its own."""
    process = start("stray()\nreturn 0", "sh", "-c", 'sleep 50 >/dev/null 2>&1 & echo $!; exec "$@"', "sh")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    bystander = psutil.Process(int(out))
    assert [one.pid for one in alive(str(tmp_path))] == [bystander.pid]
    bystander.kill()

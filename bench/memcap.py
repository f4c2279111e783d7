"""Run any command under a budget of memory for its whole process tree.

What the kernel enforces where there is a writable cgroup v2, this watches from outside elsewhere: it adds up the memory
of the command and of everything that it started, warns at a share of the budget, and stops the tree when the sum is
above it. Processes that lose their parent stay in sight, since they become children of this one.

Usage: python -m bench.memcap --budget 64GiB [--warn-percent 80] [--grace 10] [--report peak.json] -- command ...

The exit code is the command's own, or 128 and its signal; 137 when the tree was stopped for its memory; 126 or 127 when
the command cannot be started; 2 for wrong usage. Narrative goes to stderr; the command has stdin, stdout and stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType

import psutil

from bench.process_tree import process_memory
from daeda.settings.kinds import parse_size

STOPPED_FOR_MEMORY = 137
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
# A tree that goes on growing after it was asked to stop is not waited for.
_HARD_PERCENT = 110
# Seeing all processes of the machine takes some milliseconds.
_LOOK_SECONDS = 0.2
_MOST_NAMED = 3
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Limits:
    """What the tree may use, and how it is stopped: bytes, percent of them, seconds."""

    budget_bytes: int
    warn_percent: int = 80
    grace_seconds: float = 10.0


@dataclass
class Report:
    """What the tree used. Memory is proportional set size (PSS): a page that several processes share counts once."""

    budget_bytes: int
    peak_bytes: int = 0
    peak_processes: int = 0
    seconds: float = 0.0
    exit_code: int = 0
    stopped_for_memory: bool = False

    def sentence(self) -> str:
        """One line for the end of a run."""
        share = 100 * self.peak_bytes / self.budget_bytes
        return (
            f"peak {_size(self.peak_bytes)} of {_size(self.budget_bytes)} ({share:.0f} %) in "
            f"{self.peak_processes} process{'es' if self.peak_processes != 1 else ''}, {self.seconds:.1f} s"
        )


@dataclass
class Tree:
    """The command and all that it started, as children of this process."""

    limits: Limits
    report: Report
    signals: list[int] = field(default_factory=list)
    _warned: bool = False
    _asked: set[int] = field(default_factory=set)

    def run(self, command: Sequence[str]) -> None:
        """Run the command to its end, or stop it; fills the report."""
        started = time.monotonic()
        with _handled(self.signals):
            process = subprocess.Popen(command, start_new_session=True)
            code = self._watch(process)
        self.report.seconds = round(time.monotonic() - started, 3)
        self.report.exit_code = STOPPED_FOR_MEMORY if self.report.stopped_for_memory else code

    def _watch(self, process: subprocess.Popen[bytes]) -> int:
        while True:
            code = process.poll()
            _reap(process.pid)
            while self.signals:
                process.send_signal(self.signals.pop(0))
            if self._look() > self.limits.budget_bytes:
                self.report.stopped_for_memory = True
                self._say_over()
                self._stop()
                return process.wait()
            if code is not None:
                left = _members()
                if left:
                    _say(f"the command has ended and {len(left)} of its processes have not: stopping them")
                    self._stop()
                return code if code >= 0 else 128 - code
            time.sleep(_LOOK_SECONDS)

    def _look(self) -> int:
        """Bytes of the tree now; remembers the peak and warns once."""
        members = _members()
        used = sum(process_memory(member) for member in members)
        if used > self.report.peak_bytes:
            self.report.peak_bytes, self.report.peak_processes = used, len(members)
        if not self._warned and used * 100 > self.limits.budget_bytes * self.limits.warn_percent:
            self._warned = True
            _say(f"warning: {_size(used)} of {_size(self.limits.budget_bytes)} are in use")
        return used

    def _say_over(self) -> None:
        largest = sorted(((process_memory(member), _name(member)) for member in _members()), reverse=True)[:_MOST_NAMED]
        named = ", ".join(f"{name} {_size(used)}" for used, name in largest)
        _say(f"above the budget of {_size(self.limits.budget_bytes)}: stopping the tree; the largest are {named}")

    def _stop(self) -> None:
        """SIGTERM for those at the top, which stop what is theirs; SIGKILL for all that is left after the grace."""
        deadline = time.monotonic() + self.limits.grace_seconds
        while _members() and time.monotonic() < deadline:
            for child in psutil.Process().children():
                # One whose parent has gone comes to the top, and is asked in its turn.
                if child.pid not in self._asked:
                    self._asked.add(child.pid)
                    _send(child, signal.SIGTERM)
            if self._look() * 100 > self.limits.budget_bytes * _HARD_PERCENT:
                break
            time.sleep(_LOOK_SECONDS)
            _reap()
        while left := _members():
            # From the top, so that nobody is left to start a process anew.
            for process in left:
                _send(process, signal.SIGKILL)
            time.sleep(_LOOK_SECONDS / 10)
            _reap()


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = build_parser()
    given = parser.parse_args(arguments)
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    if not command:
        parser.error("no command: write it behind --")
    limits = Limits(given.budget, given.warn_percent, given.grace)
    report = Report(limits.budget_bytes)
    _become_reaper()
    try:
        Tree(limits, report).run(command)
    except OSError as error:
        _say(f"{command[0]} cannot be started: {error.strerror}")
        return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
    _say(report.sentence())
    if given.report is not None:
        given.report.write_text(json.dumps(asdict(report), indent=1) + "\n", encoding="utf-8")
    return report.exit_code


def build_parser() -> argparse.ArgumentParser:
    """The flags of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.memcap",
        description="Run a command under a budget of memory for its whole process tree.",
        allow_abbrev=False,
    )
    parser.add_argument("--budget", type=_budget, required=True, metavar="SIZE", help="like 64GiB")
    parser.add_argument(
        "--warn-percent",
        type=_percent,
        default=80,
        metavar="N",
        help="warn above this share of the budget (default: 80)",
    )
    parser.add_argument(
        "--grace",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="between SIGTERM and SIGKILL (default: 10)",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the peak as JSON")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="behind --")
    return parser


def _budget(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _percent(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 to 100")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds")
    return value


def _become_reaper() -> None:
    """Descendants whose parent has gone become our children, not those of process 1; Linux only, as PSS is."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


@contextlib.contextmanager
def _handled(signals: list[int]) -> Iterator[None]:
    """Signals that would end this process are kept, to be passed on to the command."""

    def keep(number: int, frame: FrameType | None) -> None:
        signals.append(number)

    before = {number: signal.signal(number, keep) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _members() -> list[psutil.Process]:
    """Everything below this process that is alive, parents before their children."""
    return [child for child in psutil.Process().children(recursive=True) if _alive(child)]


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _reap(kept: int | None = None) -> None:
    """Take the exit codes of adopted children; `kept` is waited for by its owner."""
    for child in psutil.Process().children():
        if child.pid != kept:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child.pid, os.WNOHANG)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        process.send_signal(number)


def _name(process: psutil.Process) -> str:
    try:
        return f"{process.name()} ({process.pid})"
    except psutil.NoSuchProcess:
        return f"({process.pid})"


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def _say(line: str) -> None:
    print(f"memcap: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())

"""Skeletons of a driver that a test calls in its own process: forked behind their imports, which cost more than they.

Each is a process of its own, in a session of its own, with the pipes, streams, environment and directory that the
driver gives it. `make cases` and `make long`, and drivers that are processes, start `python -m beam_pipeline` itself.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

from tests.faults.warm import end_child

_REPOSITORY = Path(__file__).parents[1]
_MOST_BYTES = 1 << 20


class WarmHalf:
    """A skeleton at work, with what a driver uses of `subprocess.Popen`."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        stdout: int | None,
        pass_fds: Sequence[int],
        env: dict[str, str],
        **options: object,
    ) -> None:
        assert options == {"stdin": subprocess.DEVNULL, "text": True, "start_new_session": True}
        self.returncode: int | None = None
        self.stdout: IO[str] | None = None
        written: int | None = None
        if stdout == subprocess.PIPE:
            read, written = os.pipe()
            self.stdout = open(read, encoding="utf-8")  # noqa: PTH123, SIM115 - closed by who reads it
        elif stdout == subprocess.DEVNULL:
            written = os.open(os.devnull, os.O_WRONLY)
        question = {"words": words, "environment": env, "directory": str(Path.cwd()), "descriptors": list(pass_fds)}
        self._end, theirs = socket.socketpair()
        descriptors = [theirs.fileno(), 1 if written is None else written, 2, *pass_fds]
        socket.send_fds(_server(), [json.dumps(question).encode()], descriptors)
        theirs.close()
        if written is not None:
            os.close(written)
        self.pid = int(self._end.recv(16))

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        if self.returncode is None and select.select([self._end], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self) -> int:
        """The exit code, once it has ended; a signal that ended it is negative."""
        if self.returncode is None:
            self.returncode = int(self._end.recv(16))
            self._end.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def popen(words: Sequence[str], **options: Any) -> WarmHalf | subprocess.Popen[str]:
    """What stands for `subprocess.Popen` in the driver: a skeleton is forked, and everything else is started."""
    if tuple(words[1:3]) == ("-m", "beam_pipeline"):
        return WarmHalf(words[3:], **options)
    return subprocess.Popen(words, **options)


@functools.cache
def _server() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    words = [sys.executable, "-m", "tests.warm_halves", str(theirs.fileno())]
    process = subprocess.Popen(
        words, cwd=_REPOSITORY, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env={**os.environ, "TZ": "UTC"}
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(asked: socket.socket) -> int:
    """Fork a child for each question, and tell its end to who asked, until nobody can ask any more."""
    # As the command does before it imports Beam, which logs what it lacks.
    importlib.import_module("beam_pipeline.runners.logging").quiet_logging()
    for name in ("beam_pipeline.pipeline", "daeda.planning.preflight", "daeda.compiler.compile"):
        importlib.import_module(name)
    woken, wake = os.pipe()
    for descriptor in (woken, wake):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    children: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([asked, woken], [], [])
        if woken in ready:
            os.read(woken, 1 << 10)
            for pid in list(children):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    with children.pop(pid) as end:
                        end.send(str(os.waitstatus_to_exitcode(status)).encode())
        if asked in ready:
            text, descriptors, _, _ = socket.recv_fds(asked, _MOST_BYTES, 16)
            if not text:
                return 0
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _half(json.loads(text), descriptors)
            children[pid] = socket.socket(fileno=descriptors[0])
            children[pid].send(str(pid).encode())
            for descriptor in descriptors[1:]:
                os.close(descriptor)


def _half(question: dict[str, Any], descriptors: Sequence[int]) -> NoReturn:
    """What `python -m beam_pipeline` does behind its imports, as the driver starts it."""
    os.setsid()
    _, stdout, stderr, *passed = descriptors
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    here = dict(zip(map(str, question["descriptors"]), map(str, passed), strict=True))
    os.chdir(question["directory"])
    os.environ.clear()
    for name, value in question["environment"].items():
        os.environ[name] = here.get(value, value) if name.endswith("_FD") else value
    # Python reads them at its start.
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [question["directory"], *filter(None, paths)]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    sys.argv[1:] = question["words"]
    from beam_pipeline.command import main

    try:
        code = main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001 - as Python tells of it
        sys.excepthook(*sys.exc_info())
        code = 1
    end_child(code)


if __name__ == "__main__":
    raise SystemExit(_serve(socket.socket(fileno=int(sys.argv[1]))))

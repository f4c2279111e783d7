"""A process that has imported the skeleton with Beam and DuckDB, and forks a child for each command.

A child does what `python -m beam_pipeline` does, or `python -m enrich`, without most of the seconds of imports, so that
it can be killed many times. `python -m tests.faults.warm` speaks JSON lines: {"words": ...} starts a child and answers
its pid, {"wait": pid} answers its exit code, {"look": pid} the same, or null while it runs. A child with an
"environment" is all of the command, with its supervisor.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from tests.faults.fault import Fault, arm, give_up_root, shift_clock, tell_of_copies

REPOSITORY = Path(__file__).parents[2]
# In the environment of every process of a run, and of what it starts.
TAG = "FAULTS_TAG"


@dataclass(frozen=True)
class Child:
    """A command at work, or ended: its pid, and the directory of what it says."""

    warm: Warm
    pid: int
    directory: Path

    def wait(self) -> int:
        """The exit code; a signal that ended the process is negative."""
        return int(self.warm.ask({"wait": self.pid})["code"])

    @property
    def stderr(self) -> str:
        return (self.directory / "stderr").read_text()

    @property
    def stdout(self) -> str:
        return (self.directory / "stdout").read_text()

    @property
    def steps(self) -> int:
        """How many steps it has come to."""
        return int((self.directory / "steps").read_text() or 0)


class Warm:
    """The client of a warm process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def start(
        self,
        directory: Path,
        words: list[str],
        *,
        fault: Fault | None = None,
        below: Path | None = None,
        tag: str = "",
        bound: bool = False,
        clock: float | None = None,
        file_limit: int | None = None,
        half: str = "beam_pipeline",
    ) -> Child:
        """Start a command of a half; what it says goes to files in `directory`, and its steps are those below `below`.

        `bound`: permissions bind it even if root runs it. `clock`: seconds by which its clock is wrong. `file_limit`:
        the greatest size of a file that it may write.
        """
        directory.mkdir(parents=True, exist_ok=True)
        for name in ("steps", "stdout", "stderr"):
            (directory / name).touch()
        question = {
            "words": words,
            "directory": str(directory),
            "fault": asdict(fault or Fault(0)),
            "below": str(below or directory),
            "tag": tag,
            "bound": bound,
            "clock": clock,
            "file_limit": file_limit,
            "half": half,
        }
        return Child(self, int(self.ask(question)["pid"]), directory)


@contextlib.contextmanager
def warm_process() -> Iterator[Warm]:
    words = [sys.executable, "-m", "tests.faults.warm"]
    process = subprocess.Popen(
        words, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "TZ": "UTC"}
    )
    try:
        yield Warm(process)
    finally:
        process.communicate()


def _serve() -> int:
    """Answer until stdin is closed."""
    for name in ("beam_pipeline.pipeline", "daeda.planning.preflight", "daeda.compiler.compile"):
        importlib.import_module(name)
    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question or "look" in question:
            asked, options = (question["wait"], 0) if "wait" in question else (question["look"], os.WNOHANG)
            ended, status = os.waitpid(asked, options)
            print(json.dumps({"code": os.waitstatus_to_exitcode(status) if ended else None}), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            end_child(_whole_command(question) if "environment" in question else _command(question))
        print(json.dumps({"pid": pid}), flush=True)
    return 0


def end_child(code: int) -> NoReturn:
    """End a child like Python ends, but for the C++ threads of the parent, which a child has only in name."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _whole_command(question: dict[str, Any]) -> int:
    from beam_pipeline.command import main

    _redirect(Path(question["directory"]))
    os.environ.clear()
    os.environ.update(question["environment"])
    # Python reads it at its start.
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[1:1] = [path for path in paths if path and path not in sys.path]
    sys.argv[1:] = question["words"]
    try:
        return main()
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:  # noqa: BLE001 - as Python tells of it
        sys.excepthook(*sys.exc_info())
        return 1


def _redirect(directory: Path) -> None:
    """A session of its own, whose standard streams are files in a directory."""
    os.setsid()
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(file, descriptor)
        os.close(file)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)


def _command(question: dict[str, Any]) -> int:
    main = importlib.import_module(f"{question['half']}.command").main
    directory = Path(question["directory"])
    _redirect(directory)
    os.environ[TAG] = question["tag"]
    if question["file_limit"] is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (question["file_limit"], question["file_limit"]))
    if question["clock"] is not None:
        shift_clock(question["clock"])
    if question["bound"]:
        give_up_root()
    if question["half"] == "enrich":
        tell_of_copies()
    arm(Fault(**question["fault"]), question["below"], str(directory / "steps"))
    return int(main(question["words"]))


if __name__ == "__main__":
    raise SystemExit(_serve())

"""What tests of runners start, and stop again by its id; the services that they share are in `services.py`."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from tests.beam_pipeline.runners.warm_runs import WarmRun
from tests.budget import CASES_RUN, LONG

REPOSITORY = Path(__file__).parents[3]
# More than days are at work at once, where that is tested.
WORKERS = 3 if LONG or CASES_RUN else 2
LOOPBACK = ("--environment_type", "LOOPBACK")


@contextlib.contextmanager
def started(words: Sequence[str], **options: object) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended with everything that it started."""
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        kill_family(process.pid)
        process.communicate()


def kill_family(pid: int) -> None:
    """End a process at once, with all that it started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        port: int = listener.getsockname()[1]
        return port


def listens(port: int, host: str = "localhost") -> bool:
    """Whether somebody takes connections there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def wait_for_port(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + 240
    while not listens(port):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def make_environment(directory: Path, wheel: Path | None = None) -> Path:
    """A virtual environment with the libraries of this one and, of daeda, only the wheel; returns its python.

    The directory of this environment's libraries is on the path of the new one as a plain directory, so the editable
    installation in it, which is a .pth file, has no effect there.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    python = directory / "bin" / "python"
    target = directory / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    if wheel is not None:
        install = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python, "install", "--quiet"]
        subprocess.run([*install, "--no-deps", "--no-index", wheel], check=True)
    (target / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python


@contextlib.contextmanager
def worker_pool(python: Path, log: Path) -> Iterator[str]:
    """Beam's worker pool, whose workers are `python`; yields its address."""
    port = free_port()
    # The pool starts `python` of its PATH.
    environment = {**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}"}
    words = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main", "--service_port", str(port)]
    with log.open("w") as file, started(words, cwd=log.parent, env=environment, stderr=file) as process:
        wait_for_port(process, port)
        yield f"localhost:{port}"


def run_skeleton(runtime: Path, *words: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """A run of the skeleton to its end."""
    run = start_skeleton(runtime, *words, **settings)
    try:
        stdout, stderr = run.communicate()
    finally:
        run.kill()
    assert run.returncode is not None
    return subprocess.CompletedProcess(list(map(str, words)), run.returncode, stdout, stderr)


def start_skeleton(runtime: Path, *words: str | Path, **settings: str) -> WarmRun:
    """Start a run of the skeleton, out of a process that has imported it."""
    return WarmRun(["--runtime-config-path", runtime, *words], environment(**settings))


def skeleton_words(runtime: Path, *words: str | Path) -> list[str]:
    return [sys.executable, "-m", "beam_pipeline", "--runtime-config-path", str(runtime), *map(str, words)]


def environment(**settings: str) -> dict[str, str]:
    return {**os.environ, **{f"DAEDA_{name}": value for name, value in settings.items()}}


def parts(service_dir: Path) -> dict[str, bytes]:
    """The bytes of every part, by `dt=.../part-N-0.parquet`."""
    base = service_dir / "skeleton"
    return {str(path.relative_to(base)): path.read_bytes() for path in sorted(base.glob("dt=*/*.parquet"))}


def left_in_staging(service_dir: Path) -> list[str]:
    return sorted(path.name for path in (service_dir / "_staging").glob("run-*"))

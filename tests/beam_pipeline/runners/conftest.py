"""One job service and one pool of worker processes for all tests; what is started here is stopped here, by its id."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.beam_pipeline.runners.warm_runs import WarmRun

REPOSITORY = Path(__file__).parents[3]
WORKERS = 3
LOOPBACK = ("--environment_type", "LOOPBACK")


@dataclass(frozen=True)
class Services:
    """Where the job service and the pool listen."""

    job: str
    pool: str

    @property
    def forms(self) -> dict[str, tuple[str, ...]]:
        """Beam's flags of each form of worker."""
        runner = ("--runner", "PortableRunner", "--job_endpoint", self.job)
        return {
            "loopback": (*runner, *LOOPBACK),
            "external": (*runner, "--environment_type", "EXTERNAL", "--environment_config", self.pool),
        }


@contextlib.contextmanager
def started(words: Sequence[str], **options: object) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended with everything that it started."""
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        process.communicate()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for_port(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection(("localhost", port), timeout=1).close()
            return
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


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources: building leaves directories beside them."""
    source = tmp_path_factory.mktemp("source")
    for name in ("daeda", "beam_pipeline", "enrich"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(REPOSITORY / name, source)
    target = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*build, "--wheel-dir", target, source], check=True)
    (built,) = target.glob("daeda-*.whl")
    return built


@pytest.fixture(scope="session")
def worker_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of the workers: it has the wheel and not the sources."""
    directory = tmp_path_factory.mktemp("worker")
    python = make_environment(directory / "environment", wheel)
    where = [python, "-c", "import beam_pipeline, daeda; print(beam_pipeline.__file__, daeda.__file__)"]
    modules = subprocess.run(where, cwd=directory, check=True, capture_output=True, text=True).stdout
    assert modules.count(str(directory)) == 2, modules
    return python


@pytest.fixture(scope="session")
def job_service() -> Iterator[str]:
    """The address of the one job service."""
    words = [sys.executable, "-m", "tests.beam_pipeline.runners.job_service", str(WORKERS)]
    with started(words, cwd=REPOSITORY, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        yield f"localhost:{int(process.stdout.readline())}"


@pytest.fixture(scope="session")
def pool_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pool") / "pool.log"


@pytest.fixture(scope="session")
def services(job_service: str, worker_python: Path, pool_log: Path) -> Iterator[Services]:
    with worker_pool(worker_python, pool_log) as pool:
        yield Services(job_service, pool)


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

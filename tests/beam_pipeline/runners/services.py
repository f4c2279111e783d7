"""One job service and one pool of worker processes for the tests of all runners and engines, as fixtures."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.beam_pipeline.runners.conftest import LOOPBACK, REPOSITORY, WORKERS, make_environment, started, worker_pool
from tests.budget import LONG


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


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources: building leaves directories beside them."""
    source = tmp_path_factory.mktemp("source")
    _copy_packages(source, shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(REPOSITORY / name, source)
    target = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*build, "--wheel-dir", target, source], check=True)
    (built,) = target.glob("daeda_features-*.whl")
    return built


@pytest.fixture(scope="session")
def worker_python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The python of the workers: it has the wheel and not the sources; without `make long` a copy of what it holds."""
    directory = tmp_path_factory.mktemp("worker")
    python = make_environment(directory / "environment", request.getfixturevalue("wheel") if LONG else None)
    if not LONG:
        (libraries,) = (directory / "environment").glob("lib/python3*/site-packages")
        _copy_packages(libraries, _not_in_a_wheel)
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
def pool(worker_python: Path, pool_log: Path) -> Iterator[str]:
    """The address of a pool of workers."""
    with worker_pool(worker_python, pool_log) as address:
        yield address


@pytest.fixture(scope="session")
def services(job_service: str, pool: str) -> Services:
    return Services(job_service, pool)


def _copy_packages(target: Path, ignore: Callable[[str, list[str]], set[str]]) -> None:
    for name in ("daeda", "beam_pipeline", "enrich"):
        shutil.copytree(REPOSITORY / name, target / name, ignore=ignore)


def _not_in_a_wheel(directory: str, names: list[str]) -> set[str]:
    """What pyproject.toml leaves out: whatever is neither a package, nor a module, nor `py.typed`."""
    paths = [Path(directory) / name for name in names]
    return {
        path.name
        for path in paths
        if not ((path / "__init__.py").exists() or path.suffix == ".py" or path.name == "py.typed")
    }

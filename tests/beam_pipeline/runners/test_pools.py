"""Pools that are not there, or whose workers cannot build days: one sentence within the time-out, and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from daeda.installed import VERSION
from tests.beam_pipeline.runners.conftest import free_port, left_in_staging, make_environment, run_skeleton, worker_pool
from tests.beam_pipeline.runners.services import Services
from tests.daeda.functions.project import FunctionProject
from tests.projects import TinyProject

DOCS = "docs/runners.md says what workers need"


@pytest.fixture
def project(tmp_path: Path) -> TinyProject:
    return TinyProject(tmp_path / "project").write().write_data()


def told(project: TinyProject, job_service: str, pool: str, *words: str) -> str:
    """Stderr of a run that builds no day and leaves nothing."""
    runner = ("--runner", "PortableRunner", "--job_endpoint", job_service)
    workers = ("--environment_type", "EXTERNAL", "--environment_config", pool)
    done = run_skeleton(project.runtime_path, *runner, *workers, *words)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    service_dir = project.root / "output" / "ranking"
    assert left_in_staging(service_dir) == []
    assert not (service_dir / "skeleton").exists()
    return done.stderr


def test_a_pool_that_is_not_there(project: TinyProject, job_service: str) -> None:
    pool = f"localhost:{free_port()}"
    assert told(project, job_service, pool) == (f"error: the job service cannot reach the worker pool {pool}; {DOCS}\n")


def test_a_pool_whose_workers_cannot_start(project: TinyProject, job_service: str, tmp_path: Path) -> None:
    # Beam's pool says nothing when its `python` lacks Beam, and the job would wait for ever.
    python = make_environment(tmp_path / "bare")
    next((tmp_path / "bare").rglob("libraries.pth")).unlink()
    with worker_pool(python, tmp_path / "pool.log") as pool:
        assert told(project, job_service, pool, "--worker-timeout", "3") == (
            f"error: no worker has begun a day within 3 s (--worker-timeout): see the log of the worker pool {pool}; "
            f"{DOCS}\n"
        )
    assert "No module named 'apache_beam'" in (tmp_path / "pool.log").read_text()


@pytest.mark.cases
def test_a_pool_whose_workers_lack_daeda(project: TinyProject, job_service: str, tmp_path: Path) -> None:
    with worker_pool(make_environment(tmp_path / "lacking"), tmp_path / "pool.log") as pool:
        assert told(project, job_service, pool) == (
            f"error: the workers have no module 'beam_pipeline': install daeda's wheel where they run; {DOCS}\n"
        )


def test_what_a_function_prints_does_not_fill_a_pipe_that_nobody_reads(services: Services, tmp_path: Path) -> None:
    """Beam's pool gives a worker such a pipe as its stdout."""
    source = "def loud(values):\n    print('x' * 200_000)\n    return values\n"
    made = FunctionProject(tmp_path / "project").calls(source, "loud", ["amount"], "double")
    made.runtime["timeouts"] = {"function_seconds": 30}
    done = run_skeleton(made.write().write_data().runtime_path, *services.forms["external"])
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'project' / 'output' / 'ranking' / 'skeleton'}\n"


@pytest.mark.long
def test_a_pool_whose_workers_have_another_version(
    project: TinyProject, job_service: str, wheel: Path, tmp_path: Path
) -> None:
    python = make_environment(tmp_path / "older", wheel)
    (module,) = (tmp_path / "older").rglob("daeda/installed.py")
    module.write_text(module.read_text().replace(f'VERSION = "{VERSION}"', 'VERSION = "0.0.1"'))
    with worker_pool(python, tmp_path / "pool.log") as pool:
        sentence = told(project, job_service, pool)
    assert sentence.startswith("error: the worker on ")
    assert sentence.endswith(
        f" has daeda 0.0.1 instead of {VERSION}: install the same versions there, or days would depend on who built "
        f"them; {DOCS}\n"
    )


@pytest.mark.cases
def test_a_pool_whose_workers_lack_a_function(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver has it on its path alone: the pool was started without."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "only_on_the_driver.py").write_text("def same(values):\n    return values\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "elsewhere"))
    made = FunctionProject(tmp_path / "project").calls("", "only_on_the_driver:same", ["amount"], "double")
    _warnings, _, sentence = told(made.write().write_data(), services.job, services.pool).partition("error: ")
    assert sentence.startswith("the worker on ")
    assert sentence.endswith(
        ": function 'only_on_the_driver:same': no module 'only_on_the_driver' among what is installed and below "
        f"{made.root}: correct the path, install the package, or put the module there; {DOCS}\n"
    )

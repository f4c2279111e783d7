"""How a run on a portable runner ends: well, by a day that fails, by a signal, by killed workers and drivers."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.beam_pipeline.runners.conftest import (
    LOOPBACK,
    REPOSITORY,
    WORKERS,
    free_port,
    left_in_staging,
    run_skeleton,
    started,
    wait_for_port,
)
from tests.beam_pipeline.runners.services import Services
from tests.beam_pipeline.runners.slow_runs import (
    DAY_WORKERS,
    DAYS,
    Running,
    at_work,
    check_the_rest_is_built,
    published,
    quietly,
    running,
    skeleton,
    slow,
    time_for_a_worker,
    wait_for,
    worker_processes,
)
from tests.projects import TinyProject

__all__ = ["running", "skeleton", "slow"]

FORMS = ("loopback", "external")


@pytest.mark.cases
def test_worker_processes_have_exactly_day_workers_days_at_once(
    services: Services, running: Running, skeleton: Path
) -> None:
    assert WORKERS > DAY_WORKERS
    process = running(*services.forms["external"])
    most = 0
    while process.poll() is None:
        before = at_work(skeleton)
        # What is there twice was there in between, and an attempt has one directory in its life.
        most = max(most, len(before & at_work(skeleton)))
        time.sleep(0.005)
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert most == DAY_WORKERS
    assert stdout == f"{skeleton / 'skeleton'}\n"
    told = [line for line in stderr.splitlines() if line.startswith("skeleton 2024-01-")]
    assert len(told) == DAYS
    assert told[-1].endswith(f"({DAYS}/{DAYS})")


@pytest.mark.cases
@pytest.mark.parametrize("form", FORMS)
def test_a_day_that_fails_ends_the_run_with_its_sentence(services: Services, tmp_path: Path, form: str) -> None:
    project = TinyProject(tmp_path)
    project.column("price")["nullable"] = False
    done = run_skeleton(project.write().write_data().runtime_path, *services.forms[form])
    assert (done.returncode, done.stdout) == (1, "")
    # The other day may have been built before: there is no order of days over processes.
    assert done.stderr.splitlines()[-1] == (
        "error: day 2024-01-02, operator 'sink': column 'price' must not be NULL, and 1 rows have none, the first of "
        "them row 1 (user_id 2, item_id 99): give the column a default in the service, or say nullable: true"
    )
    assert "Traceback" not in done.stderr
    assert left_in_staging(tmp_path / "output" / "ranking") == []


@pytest.mark.cases
@pytest.mark.parametrize("form", FORMS)
def test_an_interrupted_run_ends_its_days_and_can_be_gone_on_with(
    services: Services, running: Running, slow: TinyProject, skeleton: Path, form: str
) -> None:
    process = running(*services.forms[form])
    wait_for(process, lambda: published(skeleton))
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=300)
    assert (process.returncode, stdout) == (130, "")
    assert stderr.splitlines()[-1] == "error: interrupted by SIGINT"
    assert "Traceback" not in stderr
    days = published(skeleton)
    assert 0 < len(days) < DAYS
    assert left_in_staging(skeleton) == []
    assert worker_processes(skeleton) == []
    check_the_rest_is_built(slow, skeleton)


@pytest.mark.cases
def test_the_days_of_a_killed_driver_are_given_up(
    services: Services, running: Running, slow: TinyProject, skeleton: Path
) -> None:
    process = running(*services.forms["external"])
    wait_for(process, lambda: published(skeleton) and at_work(skeleton))
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 240
    while worker_processes(skeleton) or at_work(skeleton):
        assert time.monotonic() < deadline, (
            [[file.path for file in process.open_files()] for process in worker_processes(skeleton)],
            at_work(skeleton),
        )
        time.sleep(0.05)
    check_the_rest_is_built(slow, skeleton)


@pytest.mark.cases
def test_workers_that_were_killed_cost_a_time_out(
    services: Services, running: Running, slow: TinyProject, skeleton: Path
) -> None:
    """Beam's job service waits for them without an end; another job asks the pool for new ones."""
    limit = time_for_a_worker()
    process = running(*services.forms["external"], "--worker-timeout", str(limit))
    killed: set[int] = set()

    def all_are_killed() -> bool:
        for worker in worker_processes(skeleton):
            worker.kill()
            killed.add(worker.pid)
        return len(killed) == WORKERS

    # Until a day has been published, a lost worker may not have begun one, which is told in another way.
    wait_for(process, lambda: published(skeleton))
    wait_for(process, all_are_killed)
    _, stderr = process.communicate(timeout=240 + limit)
    assert process.returncode == 0, stderr
    told = re.findall(r"^warning: (.*)$", re.sub(r"daeda-ranking-[^']*?(-2)?'", r"JOB\1'", stderr), re.MULTILINE)
    assert told == [
        f"no worker has had a day at work within {limit} s (--worker-timeout), and days are left: the job 'JOB' was "
        "cancelled, and 'JOB-2' goes on"
    ]
    assert len(published(skeleton)) == DAYS
    assert left_in_staging(skeleton) == []


@pytest.mark.cases
def test_a_job_service_that_goes_away_ends_the_run(running: Running, slow: TinyProject, skeleton: Path) -> None:
    # One of its own, as it comes with Beam, since it is killed.
    port = free_port()
    words = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main", "--port", str(port)]
    with started(words, stderr=subprocess.DEVNULL) as service:
        wait_for_port(service, port)
        process = running("--runner", "PortableRunner", "--job_endpoint", f"localhost:{port}", *LOOPBACK)
        wait_for(process, lambda: published(skeleton))
    stdout, stderr = process.communicate(timeout=300)
    assert (process.returncode, stdout) == (1, "")
    last = stderr.splitlines()[-1]
    assert last.startswith("error: the job service does not answer any more (")
    assert last.endswith("): run again to go on")
    assert "Traceback" not in stderr
    check_the_rest_is_built(slow, skeleton)


# What Beam starts as `java -jar JAR ... --job-port PORT`: Beam's local job service instead of Flink's.
JOB_SERVER = """#!{python}
import sys, time
from apache_beam.runners.portability import local_job_service
local_job_service.LocalJobServicer().start_grpc_server(int(sys.argv[sys.argv.index("--job-port") + 1]))
time.sleep(600)
"""


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("works", [True, False])
def test_a_runner_that_starts_a_job_server_of_its_own_ends_it_too(tmp_path: Path, works: bool) -> None:
    project = TinyProject(tmp_path).write().write_data()
    launcher = tmp_path / "java"
    launcher.write_text(JOB_SERVER.format(python=sys.executable) if works else "#!/bin/sh\nexit 3\n")
    launcher.chmod(0o755)
    jar = tmp_path / "job_server.jar"
    jar.touch()
    words = ["--runner", "FlinkRunner", "--flink_job_server_jar", jar, "--job_server_java_launcher", launcher]
    done = run_skeleton(project.runtime_path, *words, "--environment_type", "LOOPBACK")
    if works:
        assert done.returncode == 0, done.stderr
        assert len(published(tmp_path / "output" / "ranking")) == 2
    else:
        assert (done.returncode, done.stderr) == (
            2,
            "error: --runner FlinkRunner: its job server did not start (Service failed to start up with error 3): "
            "start it by hand to see what it says, and give its address with --job_endpoint\n",
        )
    assert [process for process in psutil.process_iter() if str(launcher) in " ".join(quietly(process.cmdline))] == []


def test_train_hands_the_flags_of_beam_to_the_skeleton(services: Services, tmp_path: Path) -> None:
    project = TinyProject(tmp_path).without("item_vector").write().write_data()
    words = ["-m", "daeda", "pipeline", "train", "ranking", "--runtime-config-path", str(project.runtime_path)]
    train = [sys.executable, *words, "--worker-timeout", "240", "--", *services.forms["external"]]
    done = subprocess.run(train, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'output' / 'ranking' / 'skeleton'}\n"
    assert published(tmp_path / "output" / "ranking") == {"dt=2024-01-02", "dt=2024-01-03"}

"""How runs end on a Flink that starts failed jobs again without an end: by a failed day, a signal, kills.

A job that is over is over: no worker builds, and Flink has finished the job, or cancelled it, and begins nothing again.
"""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.beam_pipeline.runners.conftest import LOOPBACK, free_port, left_in_staging, run_skeleton
from tests.beam_pipeline.runners.slow_runs import (
    DAY_WORKERS,
    DAYS,
    Attempts,
    Running,
    at_work,
    check_the_rest_is_built,
    published,
    running,
    skeleton,
    slow,
    slow_project,
    wait_for,
    worker_processes,
)
from tests.beam_pipeline.runners.test_worker_pool import own_pool
from tests.daeda.functions.project import FunctionProject
from tests.disk import kept_full, small_disk
from tests.engines.flink import RESTARTS, Cluster, cluster, job_server
from tests.engines.meeting import Meeting
from tests.engines.processes import wait_until
from tests.projects import TinyProject

__all__ = ["running", "skeleton", "slow"]

# Whoever sends a signal waits no longer for the end of a run, and of its job.
pytestmark = pytest.mark.cases

SECONDS_TO_END = 10.0


@pytest.fixture(scope="module")
def restarting(flink: tuple[str, ...]) -> tuple[str, ...]:
    """Beam's flags for a Flink that starts failed jobs again without an end."""
    return (*flink, "--parallelism", str(DAY_WORKERS))


def states(log: Path) -> list[str]:
    """Every state that a job of the embedded Flink has entered, in their order."""
    return re.findall(r"Job daeda-\S+ \(\w+\) switched from state \w+ to (\w+)", (log / "job-server.log").read_text())


def check_job_is_over(log: Path, since: float) -> None:
    """The last job has ended, soon after `since`: in no time more than the machine takes for all that it does."""
    wait_until("the end of the job", lambda: states(log)[-1] in ("FINISHED", "CANCELED"))
    assert time.monotonic() - since < SECONDS_TO_END * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("form", ["loopback", "external"])
def test_ctrl_c_ends_the_job(
    restarting: tuple[str, ...], forms: dict[str, tuple[str, ...]], flink_log: Path, running: Running, skeleton: Path,
    form: str,
) -> None:  # fmt: skip
    process = running(*restarting, *forms[form])
    wait_for(process, lambda: published(skeleton))
    since = time.monotonic()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=300)
    assert (process.returncode, stdout) == (130, "")
    assert stderr.splitlines()[-1] == "error: interrupted by SIGINT"
    assert "Traceback" not in stderr
    assert "warning" not in stderr
    check_job_is_over(flink_log, since)
    assert worker_processes(skeleton) == []
    assert left_in_staging(skeleton) == []
    assert 0 < len(published(skeleton)) < DAYS


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("form", ["loopback", "external"])
def test_a_day_that_fails_twice_ends_the_run_and_the_job(
    restarting: tuple[str, ...], forms: dict[str, tuple[str, ...]], flink_log: Path, tmp_path: Path, form: str
) -> None:
    project = TinyProject(tmp_path)
    project.column("price")["nullable"] = False
    done = run_skeleton(project.write().write_data().runtime_path, *restarting, *forms[form])
    since = time.monotonic()
    assert (done.returncode, done.stdout) == (1, "")
    sentence = (
        "day 2024-01-02, operator 'sink': column 'price' must not be NULL, and 1 rows have none, the first of them row "
        "1 (user_id 2, item_id 99): give the column a default in the service, or say nullable: true"
    )
    assert done.stderr.splitlines()[-1] == f"error: {sentence}"
    assert "Traceback" not in done.stderr
    check_job_is_over(flink_log, since)
    assert left_in_staging(tmp_path / "output" / "ranking") == []


# A function that fails once on each day.
FAILS_ONCE = '''
from pathlib import Path

BEGUN = Path({begun!r})


def fail_once(times):
    """The times as they are, but for the first call of each day."""
    day = BEGUN / str(times[0].as_py().date())
    if not day.exists():
        day.touch()
        raise RuntimeError("not yet")
    return times
'''


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("form", ["external", "loopback"])
def test_a_day_that_fails_once_is_tried_again_by_the_engine(
    restarting: tuple[str, ...], forms: dict[str, tuple[str, ...]], tmp_path: Path, form: str
) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    project = FunctionProject(tmp_path / "project")
    project.calls(FAILS_ONCE.format(begun=str(begun)), "fail_once", ["event_timestamp"], "timestamp[us]")
    done = run_skeleton(project.write().write_data().runtime_path, *restarting, *forms[form])
    assert done.returncode == 0, done.stderr
    assert published(project.root / "output" / "ranking") == {"dt=2024-01-02", "dt=2024-01-03"}
    assert {path.name for path in begun.iterdir()} == {"2024-01-02", "2024-01-03"}


@pytest.mark.long
@pytest.mark.parametrize("strategy", ["none", "fixed-delay", "failure-rate"])
def test_ctrl_c_ends_the_job_under_every_restart_strategy(
    flink_jars: Path, running: Running, skeleton: Path, tmp_path: Path, strategy: str
) -> None:
    configuration = {"restart-strategy": {"type": strategy, "fixed-delay": {"attempts": 1_000_000, "delay": "100 ms"}}}
    with job_server(flink_jars, tmp_path, configuration=configuration) as address:
        flags = ("--runner", "FlinkRunner", "--job_endpoint", address, *LOOPBACK, "--parallelism", str(DAY_WORKERS))
        process = running(*flags)
        wait_for(process, lambda: published(skeleton))
        since = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=300)
        assert process.returncode == 130
        assert "warning" not in stderr
        check_job_is_over(tmp_path, since)


@pytest.mark.parametrize("how", ["interrupted", pytest.param("given up", marks=pytest.mark.long)])
def test_a_job_that_no_worker_takes_is_cancelled(
    restarting: tuple[str, ...], flink_log: Path, running: Running, how: str
) -> None:
    """Beam's job server only stops waiting for such a job, and Flink begins it again without an end."""
    nobody = ("--environment_type", "EXTERNAL", "--environment_config", f"localhost:{free_port()}")
    before = states(flink_log).count("RESTARTING")
    process = running(*restarting, *nobody, "--worker-timeout", "600" if how == "interrupted" else "90")
    wait_until("two starts of the job", lambda: states(flink_log).count("RESTARTING") >= before + 2)
    since = time.monotonic()
    if how == "interrupted":
        process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=240)
    assert process.returncode == (130 if how == "interrupted" else 2), stderr
    assert "warning" not in stderr
    check_job_is_over(flink_log, since if how == "interrupted" else time.monotonic())
    assert states(flink_log)[-1] == "CANCELED"


@pytest.mark.long
def test_a_worker_that_was_stopped_ends_the_run_and_the_job(
    restarting: tuple[str, ...], forms: dict[str, tuple[str, ...]], flink_log: Path, running: Running, tmp_path: Path
) -> None:
    """It answers nobody, and Flink waits for it. Its days wait for a third one when it is stopped."""
    meeting = Meeting(tmp_path, 2, 3)
    meeting.project.runtime["timeouts"] = {"day_minutes": 1}
    skeleton = meeting.project.root / "output" / "ranking"
    process = running(*restarting, *forms["external"], project=meeting.project.write())
    wait_for(process, lambda: meeting.attempts == 2)
    stopped = worker_processes(skeleton)
    for worker in stopped:
        worker.suspend()
    _, stderr = process.communicate(timeout=180)
    assert process.returncode == 1, stderr
    last = stderr.splitlines()[-1]
    assert re.match(r"error: day 2024-01-\d\d: not done after 1 minutes, and its worker does not end it: ", last), (
        stderr
    )
    # It goes on, and finds that the run is over.
    since = time.monotonic()
    for worker in stopped:
        worker.resume()
    check_job_is_over(flink_log, since)
    meeting.let_go()
    check_the_rest_is_built(meeting.project, skeleton, 2)


@pytest.mark.some(1, cases=1)
def test_a_function_that_hangs_ends_the_run_the_job_and_its_worker(
    restarting: tuple[str, ...], forms: dict[str, tuple[str, ...]], flink_log: Path, tmp_path: Path
) -> None:
    """Flink waits for the worker, and would end the TaskManager in the end."""
    project = FunctionProject(tmp_path / "project")
    source = "import time\n\n\ndef hang(values):\n    time.sleep(10_000)\n    return values\n"
    project.calls(source, "hang", ["amount"], "double").runtime["timeouts"] = {"function_seconds": 3}
    done = run_skeleton(project.write().write_data().runtime_path, *restarting, *forms["external"])
    since = time.monotonic()
    assert done.returncode == 1, done.stderr
    assert "has not returned after 3 s" in done.stderr.splitlines()[-1], done.stderr
    check_job_is_over(flink_log, since)
    assert worker_processes(project.root / "output" / "ranking") == []


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("form", ["loopback", "external"])
def test_the_job_of_a_killed_driver_ends(
    restarting: tuple[str, ...], forms: dict[str, tuple[str, ...]], flink_log: Path, running: Running,
    slow: TinyProject, skeleton: Path, form: str,
) -> None:  # fmt: skip
    """Its days end without an error; where the driver was the worker, another process gives the job one."""
    process = running(*restarting, *forms[form])
    wait_for(process, lambda: published(skeleton) and at_work(skeleton))
    since = time.monotonic()
    process.kill()
    process.communicate()
    check_job_is_over(flink_log, since)
    wait_until("the end of its days", lambda: not worker_processes(skeleton))
    check_the_rest_is_built(slow, skeleton)


def test_a_killed_worker_costs_its_days(
    restarting: tuple[str, ...], forms: dict[str, tuple[str, ...]], running: Running, skeleton: Path
) -> None:
    process = running(*restarting, *forms["external"])
    attempts = Attempts(skeleton)
    # Between two days a worker holds no place: the one that was seen is killed.
    seen: list[psutil.Process] = []

    def is_at_work() -> bool:
        seen[:] = worker_processes(skeleton) if len(published(skeleton)) >= 2 else []
        return bool(seen)

    attempts.watch(process, is_at_work)
    seen[0].kill()
    attempts.watch_to_the_end(process)
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert len(published(skeleton)) == DAYS
    assert sum(attempts.repeated.values()) <= DAY_WORKERS, attempts.repeated


@pytest.mark.cases
@pytest.mark.parametrize("form", ["external", "loopback"])
def test_a_full_disk_ends_the_run_and_the_job(
    restarting: tuple[str, ...], forms: dict[str, tuple[str, ...]], flink_log: Path, running: Running, tmp_path: Path,
    form: str,
) -> None:  # fmt: skip
    """Nothing can be recorded there; Flink would begin the days again without an end."""
    with small_disk(tmp_path / "disk", 4 << 20) as disk:
        project = slow_project(tmp_path / "slow")
        project.runtime |= {"output_root": str(disk / "output")}
        skeleton = disk / "output" / "ranking"
        process = running(*restarting, *forms[form], project=project.write())
        wait_for(process, lambda: published(skeleton))
        with kept_full(disk):
            stdout, stderr = process.communicate(timeout=300)
        assert (process.returncode, stdout) == (1, ""), stderr
        assert re.fullmatch(r"error: day 2024-01-\d\d.*No space left on device.*", stderr.splitlines()[-1]), stderr
        assert "Traceback" not in stderr
        check_job_is_over(flink_log, time.monotonic())
        assert worker_processes(skeleton) == []
        check_the_rest_is_built(project, skeleton)


@pytest.mark.cases
def test_a_job_server_whose_flink_is_not_there_is_wrong_usage(
    flink_jars: Path, slow: TinyProject, skeleton: Path, tmp_path: Path
) -> None:
    with job_server(flink_jars, tmp_path, f"localhost:{free_port()}") as address:
        done = run_skeleton(slow.runtime_path, "--runner", "FlinkRunner", "--job_endpoint", address, *LOOPBACK)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(
        "error: the job server cannot reach Flink's JobManager, or the workers in this process: see that both are "
        "there, and that it was started with Flink's address as its --flink-master; "
        rf"{re.escape(str(skeleton.parent))}/\S+\.log has what it said",
        done.stderr.splitlines()[-1],
    ), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.cases
def test_a_killed_task_manager_costs_the_days_at_work(flink_jars: Path, running: Running, tmp_path: Path) -> None:
    project = slow_project(tmp_path / "fourteen", 14)
    skeleton = project.root / "output" / "ranking"
    with (
        cluster(flink_jars, tmp_path / "cluster", configuration=RESTARTS) as two,
        job_server(flink_jars, tmp_path, two.address) as address,
    ):
        process = running(*on_cluster(address, two), project=project)
        attempts = Attempts(skeleton)
        attempts.watch(process, lambda: len(published(skeleton)) >= 5 and at_work(skeleton), 300)
        two.task_managers[1].kill()
        two.start_task_manager(1)
        attempts.watch_to_the_end(process, 300)
        _, stderr = process.communicate()
        assert process.returncode == 0, stderr
        assert len(published(skeleton)) == 14
        assert sum(attempts.repeated.values()) <= DAY_WORKERS, attempts.repeated
        assert not two.running()
    assert left_in_staging(skeleton) == []


@pytest.mark.long
def test_a_run_that_ends_takes_no_worker_of_another_along(flink_jars: Path, running: Running, tmp_path: Path) -> None:
    """Each job brings its own jars, and has a worker 1-1 in the one TaskManager: the run that began first ends first.
    Without restarts a run tells of a lost worker.
    """
    first, second = Meeting(tmp_path / "first", 1, 2), Meeting(tmp_path / "second", 60, 1, seconds=1.0)
    with (
        cluster(flink_jars, tmp_path / "cluster", 1, slots=2) as one,
        job_server(flink_jars, tmp_path, one.address) as address,
        own_pool() as (_process, port),
    ):
        where = ("--runner", "FlinkRunner", "--job_endpoint", address, "--flink_master", one.address)
        workers = ("--environment_type", "EXTERNAL", "--environment_config", f"localhost:{port}")
        words = (*where, *workers, "--parallelism", "1", "--worker-timeout", "300")
        short = running(*words, project=first.project)
        wait_for(short, lambda: first.attempts, 300)
        long = running(*words, project=second.project)
        wait_for(long, lambda: second.attempts, 300)
        first.let_go()
        _, stderr = short.communicate(timeout=300)
        assert short.returncode == 0, stderr
        assert long.poll() is None, "it was to be at work when the other run ended"
        _, stderr = long.communicate(timeout=600)
        assert long.returncode == 0, stderr
    assert (first.attempts, second.attempts) == (1, 60)


@pytest.mark.cases
def test_ctrl_c_ends_the_job_of_a_cluster(flink_jars: Path, running: Running, skeleton: Path, tmp_path: Path) -> None:
    with (
        cluster(flink_jars, tmp_path / "cluster", 1, slots=2, configuration=RESTARTS) as one,
        job_server(flink_jars, tmp_path, one.address) as address,
    ):
        process = running(*on_cluster(address, one))
        wait_for(process, lambda: published(skeleton), 300)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=300)
        assert process.returncode == 130
        assert "warning" not in stderr
        # The driver has seen to it before it ended.
        assert not one.running()


def on_cluster(address: str, started: Cluster) -> tuple[str, ...]:
    """Beam's flags for the job server of a cluster."""
    where = ("--runner", "FlinkRunner", "--job_endpoint", address, "--flink_master", started.address)
    return (*where, *LOOPBACK, "--parallelism", "2", "--worker-timeout", "300")

"""Days that fail on an engine which tries again: what is raised, and what ends the run without an error."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from beam_pipeline.session.registry import begin
from beam_pipeline.workers import faults
from beam_pipeline.workers.context import DayHandle, RunContext
from beam_pipeline.workers.faults import ToldFaults, faults_of, is_tried_again
from beam_pipeline.workers.limits import DayLimits
from beam_pipeline.workers.registry import forget_run, join_run
from beam_pipeline.workers.shared_day_slots import SharedDaySlots
from beam_pipeline.workers.stop_cause import Unforeseen
from daeda.dataset.layout import Layout
from daeda.dataset.publish.staging import open_staging
from daeda.errors import (
    ConfigurationError,
    DayError,
    InputError,
    Interrupted,
    Stopped,
    StorageError,
    StorageUnavailable,
    TransientDayError,
    WorkerUnfit,
    is_transient,
)
from tests.clocks import set_clock
from tests.disk import mounted_again

DAY, OTHER = dt.date(2024, 1, 2), dt.date(2024, 1, 3)


@pytest.fixture
def context(tmp_path: Path) -> Iterator[RunContext]:
    """A worker's context of a run whose driver is this process."""
    with open_staging(Layout(tmp_path / "service")) as staging:
        limits = DayLimits(memory_bytes=1 << 30, threads=1, temp_directory="")
        context = RunContext("service", "data", str(tmp_path / "service"), str(staging.directory), limits, 2)
        SharedDaySlots(staging.directory, 2).open()
        yield context
        forget_run(context)


def cause(context: RunContext) -> BaseException | None:
    """How the driver finds that the run has ended."""
    return SharedDaySlots(Path(context.run_dir), 2).cause


def no(sentence: str = "day 2024-01-02, operator 'sink': no") -> DayError:
    return DayError(sentence, day=DAY)


@pytest.mark.parametrize(
    "error",
    [
        StorageUnavailable("s3://lake/x: no answer"),
        TransientDayError("day 2024-01-02, operator 'scan': connection reset"),
        ConnectionResetError(errno.ECONNRESET, "reset"),
        OSError(errno.ESTALE, "stale file handle"),
        TimeoutError(),
    ],
)
def test_a_fault_that_may_pass_is_tried_again_whatever_its_sentence(context: RunContext, error: Exception) -> None:
    assert all(is_tried_again(context, DAY, error) for _ in range(12))
    assert cause(context) is None
    assert len(faults_of(context.staging.faults)) == 12


def test_a_fault_that_cannot_be_recorded_is_raised_as_it_is(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_write(monkeypatch, errno.EIO)
    assert is_tried_again(context, DAY, no())
    assert cause(context) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_fault_on_a_full_disk_ends_the_run_at_once_unless_it_may_pass(
    context: RunContext, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """An engine that tries again without an end would find it full again."""
    refuse_to_write(monkeypatch, number)
    assert is_tried_again(context, DAY, StorageUnavailable("no answer"))
    assert cause(context) is None
    assert not is_tried_again(context, DAY, no("day 2024-01-02: /output: No space left on device"))
    assert str(cause(context)) == "day 2024-01-02: /output: No space left on device"
    assert not is_tried_again(context, OTHER, no())


def refuse_to_write(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """No new file takes any text."""

    def refuse(*_words: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_text", refuse)


@pytest.mark.parametrize(("number", "passes"), [(errno.ESTALE, True), (errno.ENOSPC, False)])
def test_a_day_that_cannot_begin_says_why_and_whether_that_may_pass(
    context: RunContext, monkeypatch: pytest.MonkeyPatch, number: int, passes: bool
) -> None:
    def refuse(*_words: object) -> None:
        raise OSError(number, os.strerror(number), "slots/0")

    monkeypatch.setattr(SharedDaySlots, "_wait", refuse)
    with pytest.raises(DayError, match="day 2024-01-02 cannot begin: slots/0: ") as failure:
        begin(context, DayHandle(DAY))
    assert is_transient(failure.value) is passes
    assert failure.value.day == DAY


def test_a_mistake_of_the_user_ends_the_run_at_once(context: RunContext) -> None:
    assert not is_tried_again(context, DAY, ConfigurationError("no such column"))
    assert type(cause(context)) is ConfigurationError
    # All other attempts end without an error as well.
    assert not is_tried_again(context, OTHER, no())
    assert str(cause(context)) == "no such column"


def test_a_day_that_finds_a_mistake_of_the_user_ends_the_run_at_once(context: RunContext) -> None:
    with pytest.raises(DayError) as failure:
        raise no("day 2024-01-02, operator 'scan': view 'events': no column 'x'") from InputError("no column 'x'")
    assert not is_tried_again(context, DAY, failure.value)
    told = cause(context)
    assert type(told) is DayError
    assert (told.day, str(told)) == (DAY, "day 2024-01-02, operator 'scan': view 'events': no column 'x'")


def test_a_worker_that_is_unfit_ends_the_run_at_once(context: RunContext) -> None:
    assert not is_tried_again(context, DAY, WorkerUnfit("other versions"))
    assert type(cause(context)) is WorkerUnfit


def test_any_other_fault_is_tried_once_more(context: RunContext) -> None:
    assert is_tried_again(context, DAY, no())
    assert cause(context) is None
    assert not is_tried_again(context, DAY, no())
    assert str(cause(context)) == str(no())


def test_what_passes_in_between_changes_nothing(context: RunContext) -> None:
    assert is_tried_again(context, DAY, no())
    assert is_tried_again(context, DAY, StorageUnavailable("no answer"))
    assert not is_tried_again(context, DAY, no())


def test_sentences_that_differ_in_counts_and_names_of_attempts_are_one(context: RunContext) -> None:
    assert is_tried_again(context, DAY, no("work/dt=2024-01-02-0123456789ab: 12 rows at 0x7f0a"))
    assert not is_tried_again(context, DAY, no("work/dt=2024-01-02-ba9876543210: 13 rows at 0x7f0b"))


def test_the_same_sentence_of_two_days_is_no_repetition(context: RunContext) -> None:
    assert is_tried_again(context, DAY, no("no"))
    assert is_tried_again(context, OTHER, no("no"))
    assert cause(context) is None


def test_a_day_that_fails_in_ever_new_ways_ends_the_run_all_the_same(context: RunContext) -> None:
    tried = [is_tried_again(context, DAY, StorageError("refused " + "x" * number)) for number in range(5)]
    assert tried == [True, True, True, True, False]
    assert type(cause(context)) is StorageError


def test_what_was_not_foreseen_is_tried_once_more_and_keeps_its_traceback(context: RunContext) -> None:
    for expected in (True, False):
        with pytest.raises(KeyError) as failure:
            {}["missing"]
        assert is_tried_again(context, DAY, failure.value) is expected
    told = cause(context)
    assert type(told) is Unforeseen
    assert "KeyError: 'missing'" in str(told)
    assert faults_of(context.staging.faults)[0].sentence == "KeyError: 'missing'"


@pytest.mark.parametrize("error", [Stopped("the run is stopping"), no(), StorageUnavailable("no answer"), KeyError()])
def test_days_of_a_run_that_is_over_end_without_an_error(context: RunContext, error: Exception) -> None:
    SharedDaySlots(Path(context.run_dir), 2).stop(Interrupted("interrupted by SIGINT"))
    assert not is_tried_again(context, DAY, error)
    assert type(cause(context)) is Interrupted
    assert faults_of(context.staging.faults) == []


@pytest.mark.parametrize("error", [Stopped("ended"), no(), FileNotFoundError(), StorageUnavailable("no answer")])
def test_days_of_a_driver_that_is_gone_end_without_an_error(context: RunContext, error: Exception) -> None:
    shutil.rmtree(context.run_dir)
    assert not is_tried_again(context, DAY, error)
    assert not Path(context.run_dir).exists()


def test_a_worker_that_sees_no_storage_can_record_nothing_and_raises(context: RunContext, tmp_path: Path) -> None:
    shutil.rmtree(context.run_dir)
    assert is_tried_again(context, DAY, WorkerUnfit("does not see it"))


def test_a_worker_that_may_not_write_says_so_and_raises(context: RunContext, tmp_path: Path) -> None:
    """As often as it is asked: it cannot tell the others, and to the engine its days must not pass for built ones."""
    with elsewhere(context, tmp_path) as (there, read_only):
        read_only()
        for _ in range(2):
            with pytest.raises(WorkerUnfit) as failure:
                join_run(there)
            assert str(failure.value) == (
                f"the worker on {socket.gethostname()} may not write below {there.run_dir}: mount output_root for "
                "writing there, and start the worker as a user who may write what the driver writes"
            )
            assert is_tried_again(there, DAY, failure.value)
    assert cause(context) is None


def test_an_end_that_cannot_be_told_is_raised(context: RunContext, tmp_path: Path) -> None:
    """A worker's disk is mounted anew in the middle of the run, as Linux does it with one that begins to fail."""
    with elsewhere(context, tmp_path) as (there, read_only):
        join_run(there)
        read_only()
        assert is_tried_again(there, DAY, ConfigurationError("window 0d"))
        # Its other days stop.
        assert not is_tried_again(there, OTHER, Stopped("the run is stopping"))
        forget_run(there)
    assert cause(context) is None


@contextlib.contextmanager
def elsewhere(context: RunContext, root: Path) -> Iterator[tuple[RunContext, Callable[[], None]]]:
    """The context of a worker that has the service at another path, and what makes that read-only."""
    service = Path(context.service_dir)
    with mounted_again(service, root / "mounted") as read_only:
        run_dir = root / "mounted" / Path(context.run_dir).relative_to(service)
        yield replace(context, service_dir=str(root / "mounted"), run_dir=str(run_dir)), read_only


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"day": 1}', "\x00"])
def test_a_record_that_was_written_over_is_passed_over(context: RunContext, text: str) -> None:
    assert is_tried_again(context, DAY, no())
    (record,) = context.staging.faults.glob("dt=*/*.json")
    record.write_text(text)
    assert faults_of(context.staging.faults) == []
    assert is_tried_again(context, DAY, no())


def test_a_record_that_cannot_be_read_is_not_passed_over(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_tried_again(context, DAY, no())

    def refuse(path: Path) -> bytes:
        raise OSError(errno.EIO, "Input/output error", str(path))

    monkeypatch.setattr("beam_pipeline.workers.faults.read_regular", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        faults_of(context.staging.faults)
    assert is_tried_again(context, DAY, no())
    monkeypatch.undo()
    assert not is_tried_again(context, DAY, no())


@pytest.mark.parametrize("ahead", [-7200.0, 7200.0])
def test_faults_are_told_once_whatever_the_clock_of_their_host_says(
    context: RunContext, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ahead: float
) -> None:
    monkeypatch.setattr(faults, "_TELL_SECONDS", 0.0)
    told = ToldFaults(context.staging.faults)

    def fail(day: dt.date, sentence: str, hours: float) -> None:
        set_clock(monkeypatch, faults, time=lambda: time.time() + hours)
        assert is_tried_again(context, day, no(sentence))
        for _ in range(3):
            told.look()
            time.sleep(0.01)

    fail(DAY, "the first", 0.0)
    fail(OTHER, "the second", ahead)
    assert capsys.readouterr().err.splitlines() == [
        f"failed, and left to the runner to try again: {sentence}" for sentence in ("the first", "the second")
    ]

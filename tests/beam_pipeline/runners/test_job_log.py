"""The log of a job: what Beam and job servers say is in it, and not on the terminal."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from beam_pipeline.runners.job_log import job_log, log
from daeda.errors import DayError, InputError, Interrupted


@pytest.fixture
def terminal() -> Iterator[io.StringIO]:
    """What a handler of the root logger prints, as the skeleton's process sets it up."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root, beam = logging.getLogger(), logging.getLogger("apache_beam")
    before, levels = list(root.handlers), (root.level, beam.level)
    root.handlers[:] = [handler]
    root.setLevel(logging.ERROR)
    beam.setLevel(logging.CRITICAL)
    yield stream
    root.handlers[:] = before
    root.setLevel(levels[0])
    beam.setLevel(levels[1])


def say_all() -> None:
    logging.getLogger("apache_beam.runners").error("of Beam")
    logging.getLogger("FlinkJarJobServer").error("of a job server")
    log.info("the job has ended", exc_info=RuntimeError("by this\nand that"))
    logging.getLogger("a_function").error("of a function")


def fail() -> None:
    say_all()
    raise DayError("no")


def test_a_job_that_fails_leaves_its_log(tmp_path: Path, terminal: io.StringIO) -> None:
    path = tmp_path / "_logs" / "run-1.log"
    with pytest.raises(DayError), job_log(path):
        fail()
    text = path.read_text()
    for said in ("of Beam", "of a job server", "the job has ended\nRuntimeError: by this\nand that", "of a function"):
        assert said in text
    assert terminal.getvalue() == "of a function\n"
    logging.getLogger("apache_beam").error("afterwards")
    assert path.read_text() == text


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_job_that_ends_well_or_by_a_signal_leaves_none(
    tmp_path: Path, terminal: io.StringIO, interrupted: bool
) -> None:
    try:
        with job_log(tmp_path / "_logs" / "run-1.log"):
            say_all()
            if interrupted:
                raise Interrupted("interrupted by SIGINT")
    except Interrupted:
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_last_twenty_are_kept(tmp_path: Path) -> None:
    for number in range(23):
        with pytest.raises(DayError), job_log(tmp_path / "_logs" / f"run-{number:02}.log"):
            raise DayError("no")
    (tmp_path / "_logs" / "of somebody else").touch()
    left = sorted(path.name for path in (tmp_path / "_logs").glob("run-*"))
    assert left == [f"run-{number:02}.log" for number in range(3, 23)]


def test_two_runs_share_the_directory_and_either_may_end_first(tmp_path: Path) -> None:
    logs = tmp_path / "_logs"
    with job_log(logs / "run-1.log"):
        with job_log(logs / "run-2.log"):
            pass
        assert [path.name for path in logs.iterdir()] == ["run-1.log"]
        # As if another run had ended at this moment, and somebody had tidied up.
        (logs / "run-1.log").unlink()
        logs.rmdir()
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_another_run_takes_away_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, made = tmp_path / "_logs" / "run-1.log", []

    def mkdir(directory: Path, **options: bool) -> None:
        made.append(directory)
        if len(made) > 1:
            os.makedirs(directory)  # noqa: PTH103 - Path's own is replaced here

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(DayError), job_log(path):
        fail()
    assert path.exists()


def test_a_log_that_cannot_be_written_is_said_before_the_first_day(tmp_path: Path) -> None:
    (tmp_path / "_logs").mkdir()
    (tmp_path / "_logs" / "run-1.log").touch()
    sentence = r"the log of the job cannot be written: .*run-1.log: File exists"
    with pytest.raises(InputError, match=sentence), job_log(tmp_path / "_logs" / "run-1.log"):
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is of Linux")
def test_a_full_disk_is_told_once_and_without_a_traceback(
    tmp_path: Path, terminal: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    with job_log(tmp_path / "_logs" / "run-1.log"):
        handler = next(one for one in logging.getLogger().handlers if isinstance(one, logging.FileHandler))
        handler.setStream(Path("/dev/full").open("w")).close()  # noqa: SIM115 - the log closes it
        say_all()
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert told.count("does not have all that the runner said: No space left on device") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_place_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "_logs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link, which is not followed"), job_log(tmp_path / "_logs" / "run-1.log"):
        pass
    assert list((tmp_path / "elsewhere").iterdir()) == []

"""SIGINT and SIGTERM end a command as an interrupt, whatever the code that they meet makes of their exception."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from daeda.errors import ConfigurationError, DayError
from daeda.process import interrupts
from daeda.process.messages import run_command
from daeda.process.subprocesses import interruptible, run_subprocess
from tests.daeda.process.long_statement import execute_and_be_sent

ROOT = Path(__file__).parents[3]
# Nobody comes to it: what it is to be ended by has 50 ms.
SECONDS = 120.0


def be_sent(number: int) -> None:
    """The exception of the signal comes up in here, or when this returns."""
    os.kill(os.getpid(), number)


def work_on() -> None:
    """What a command does that has not heard of its end."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        time.sleep(0.001)


def fail_of_a_day(number: int) -> int:
    try:
        execute_and_be_sent(number)
    except RuntimeError as error:
        raise DayError(f"day 2024-01-02: {error}") from error
    return 0


def fail_of_a_file_without_its_cause(number: int) -> int:
    reason = ""
    try:
        execute_and_be_sent(number)
    except RuntimeError as error:
        reason = str(error)
    raise ConfigurationError(f"runtime.yaml: {reason}")


def panic(number: int) -> int:
    class Panic(BaseException):
        """As pyo3 has one."""

    try:
        be_sent(number)
    except KeyboardInterrupt:
        raise Panic from None
    return 0


def exit_(number: int) -> int:
    try:
        be_sent(number)
    except KeyboardInterrupt:
        sys.exit(0)
    return 0


def end_as_if_nothing_had_been(number: int) -> int:
    with contextlib.suppress(KeyboardInterrupt):
        be_sent(number)
    return 0


def find_something(number: int) -> int:
    end_as_if_nothing_had_been(number)
    return 1


def go_on(number: int) -> int:
    end_as_if_nothing_had_been(number)
    work_on()
    return 0


def go_on_behind_a_statement(number: int) -> int:
    with contextlib.suppress(RuntimeError):
        execute_and_be_sent(number)
    work_on()
    return 0


def let_it_out_nowhere(number: int) -> int:
    class Ended:
        def __del__(self) -> None:
            be_sent(number)

    Ended()
    work_on()
    return 0


def let_it_out_of_no_callback(number: int) -> int:
    class Ended:
        pass

    ended = Ended()
    reference = weakref.ref(ended, lambda _: be_sent(number))
    del ended
    assert reference() is None
    work_on()
    return 0


def go_on_with_a_half(number: int) -> int:
    """What is kept is not found to be swallowed."""
    kept = []
    try:
        be_sent(number)
    except KeyboardInterrupt as error:
        kept.append(error)
    with interruptible():
        return len(kept)


ENDS: list[Callable[[int], int | None]] = [
    execute_and_be_sent, fail_of_a_day, fail_of_a_file_without_its_cause, panic, exit_, end_as_if_nothing_had_been,
    find_something, go_on, go_on_behind_a_statement, let_it_out_nowhere, let_it_out_of_no_callback, go_on_with_a_half,
]  # fmt: skip


@pytest.mark.parametrize("number", interrupts.SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("end", ENDS)
def test_a_command_ends_as_interrupted(
    end: Callable[[int], int | None], number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    begun = time.monotonic()
    assert run_command(lambda _: end(number) or 0, []) == 130
    assert capfd.readouterr() == ("", f"error: interrupted by {number.name}\n")
    assert time.monotonic() - begun < SECONDS
    assert interrupts.arrived() is None


def test_a_command_that_fails_without_a_signal_tells_its_error(capfd: pytest.CaptureFixture[str]) -> None:
    def command(words: Sequence[str]) -> int:
        raise DayError("day 2024-01-02: Query interrupted")

    assert run_command(command, []) == 1
    assert capfd.readouterr().err == "error: day 2024-01-02: Query interrupted\n"


@pytest.mark.parametrize("number", interrupts.SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("when", ["taken", "given back"])
def test_a_signal_waits_while_a_lock_is_handed_over(when: str, number: signal.Signals) -> None:
    """Raised there, it would leave a lock of a pool locked, and the command would wait for its threads for ever."""
    lock = threading.Lock()

    class Interrupted:
        """A lock in whose methods the signal comes."""

        def __enter__(self) -> None:
            lock.acquire()
            if when == "taken":
                be_sent(number)

        def __exit__(self, *_: object) -> None:
            if when == "given back":
                be_sent(number)
            lock.release()

        acquire, release = lock.acquire, lock.release

    def command(words: Sequence[str]) -> int:
        with threading.Condition(Interrupted()):  # type: ignore[arg-type]
            pass
        work_on()
        return 0

    assert run_command(command, []) == 130
    assert not lock.locked()


def test_a_signal_does_not_wait_for_a_lock_that_nobody_gives_back() -> None:
    lock = threading.Lock()

    def command(words: Sequence[str]) -> int:
        lock.acquire()
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with threading.Condition(lock):
            pass
        return 0

    assert run_command(command, []) == 130


def test_a_command_leaves_the_process_as_it_was() -> None:
    before = [signal.getsignal(number) for number in interrupts.SIGNALS], sys.unraisablehook
    assert run_command(lambda _: end_as_if_nothing_had_been(signal.SIGINT), []) == 130
    assert ([signal.getsignal(number) for number in interrupts.SIGNALS], sys.unraisablehook) == before


def test_what_python_lets_out_nowhere_is_told_where_it_is_no_interrupt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(unraisable.exc_value))

    class Broken:
        def __del__(self) -> None:
            raise ValueError("broken")

    def command(words: Sequence[str]) -> int:
        Broken()
        return 0

    assert run_command(command, []) == 0
    assert [repr(error) for error in told] == ["ValueError('broken')"]


SUPERVISED = """
import atexit, os, signal, sys
from daeda.process.messages import run_command
from daeda.process.supervision import supervised
from tests.daeda.process import test_command_signals as ends

end, number = getattr(ends, sys.argv[1]), int(sys.argv[2])
raise SystemExit(supervised("daeda", lambda: run_command(lambda _: end(number) or 0, [])))
"""


def ended(end: str, number: int, script: str = SUPERVISED) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", script, end, str(number)], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False, timeout=SECONDS,
    )  # fmt: skip
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize("number", interrupts.SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("end", ["execute_and_be_sent", "fail_of_a_day", "let_it_out_nowhere"])
def test_a_supervised_command_ends_as_interrupted(end: str, number: signal.Signals) -> None:
    assert ended(end, number) == (130, f"error: interrupted by {number.name}\n")


def complete(number: int) -> int:
    """The signal comes when the command has ended, and the process has not."""
    import atexit

    atexit.register(be_sent, number)
    return 0


@pytest.mark.parametrize("number", interrupts.SIGNALS, ids=lambda number: number.name)
def test_a_signal_behind_the_end_of_a_command_changes_nothing(number: signal.Signals) -> None:
    assert ended("complete", number) == (0, "")


def test_a_half_that_is_interrupted_by_itself_is_told_by_its_driver(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)

    def command(words: Sequence[str]) -> int:
        with interruptible() as state:
            return run_subprocess("tests.daeda.process.interrupted_half", [], state)

    assert run_command(command, []) == 130
    assert capfd.readouterr().err == (
        "error: python -m tests.daeda.process.interrupted_half was interrupted: published days stay, run again to go "
        "on\n"
    )


def test_a_driver_that_is_interrupted_tells_it_once(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)

    def command(words: Sequence[str]) -> int:
        with interruptible() as state:
            code = run_subprocess("tests.daeda.process.interrupted_half", ["and its driver"], state)
            assert code == 130
            return code

    assert run_command(command, []) == 130
    assert capfd.readouterr().err.splitlines() == [
        "stopping: waiting for the days at work to be given up (interrupt again to kill them)",
        "error: interrupted by SIGTERM: published days stay, run again to go on",
    ]


STARTING = """
import os, runpy, sys

class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == sys.argv[1] + ".command" or name == sys.argv[1] + ".cli.main":
            os.kill(os.getpid(), int(sys.argv[2]))
            # The exception would come up in here.
            [None for _ in range(1000)]

sys.meta_path.insert(0, Interrupting())
module = sys.argv[1]
sys.argv[1:] = ["--help"] if module != "daeda" else ["catalog", "--help"]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("number", interrupts.SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("module", ["daeda", "beam_pipeline", "enrich"])
def test_a_signal_among_the_first_imports_waits_for_the_command(module: str, number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTING, module, str(int(number))], cwd=ROOT, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=SECONDS,
    )  # fmt: skip
    # The command is asked for its help: it may be done before it hears.
    assert (done.returncode, done.stderr) in ((0, ""), (130, f"error: interrupted by {number.name}\n"))


def test_an_interrupt_of_the_caller_stays_one() -> None:
    """Of the handler that Python has, as in a notebook."""
    # Whatever started the tests may ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt) as raised, interrupts.kept():
            execute_and_be_sent(signal.SIGINT, of_a_command=False)
    finally:
        signal.signal(signal.SIGINT, before)
    assert str(raised.value.__cause__) == "Query interrupted"


def test_an_error_is_no_interrupt_because_its_caller_handles_one() -> None:
    def called_meanwhile() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            with interrupts.kept():
                raise DayError("day 2024-01-02: no such file")  # noqa: B904

    with pytest.raises(DayError, match="no such file"):
        called_meanwhile()

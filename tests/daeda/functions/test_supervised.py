"""Whatever a function does to its process, its day is not there, the exit code is not 0, and it is told what did it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daeda.errors import ConfigurationError, DayError
from daeda.functions.interference import undisturbed
from daeda.functions.loading import load_function
from tests.daeda.functions.project import FunctionProject
from tests.faults.scene import alive
from tests.faults.warm import TAG

HEAD = "import ctypes, locale, os, resource, signal, sys, time, warnings\nimport pyarrow as pa\n\n\ndef make(amount):\n"

RAISED = {
    "raise SystemExit(0)": "SystemExit: 0",
    "sys.exit(0)": "SystemExit: 0",
    "raise GeneratorExit": "GeneratorExit",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "raise StopIteration": "StopIteration",
    "raise MemoryError": "MemoryError",
    "make(amount)": "RecursionError: maximum recursion depth exceeded",
    "raise type('Own', (BaseException,), {})('mine')": "Own: mine",
    "raise BaseExceptionGroup('both', [SystemExit(0), ValueError(1)])": "BaseExceptionGroup: both (2 sub-exceptions)",
    "raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})": (
        "Mute: an exception whose text cannot be shown"
    ),
    "raise type('Mute', (Exception,), {'__str__': lambda self: sys.exit(0)})": (
        "Mute: an exception whose text cannot be shown"
    ),
    "raise ValueError('x' * 10_000_000)": f"ValueError: {'x' * 297}...",
    "raise UserWarning('a warning')": "UserWarning: a warning",
}
CHANGED = {
    "os.chdir('/')": "the working directory",
    "os.umask(0o777)": "the umask",
    "resource.setrlimit(resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))": "the limits of resources",
    "locale.setlocale(locale.LC_ALL, 'C.UTF-8'), locale.setlocale(locale.LC_ALL, 'POSIX')": "the locale",
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)": "the handlers of signals",
    "sys.stdout.close()": "stdout",
    "os.close(2)": "stderr",
    "os.dup2(os.open(os.devnull, os.O_WRONLY), 1)": "stdout",
}


@pytest.mark.parametrize("statement", RAISED)
def test_whatever_a_function_raises_is_a_day_that_fails(statement: str, tmp_path: Path) -> None:
    made = FunctionProject(tmp_path).calls(f"{HEAD}    {statement}\n", "make", ["amount"], "double")
    with pytest.raises(DayError) as told:
        made.build()
    assert str(told.value).startswith(
        f"day 2024-01-02, operator 'udf_made': function 'features.{made.module}:make' raised {RAISED[statement]} ("
    )
    assert str(told.value).endswith("), at rows 0 to 1")
    assert not list(tmp_path.glob("output/ranking/skeleton/dt=*"))


@pytest.mark.parametrize("statement", CHANGED)
def test_what_a_function_changes_of_its_process_is_put_back_and_told(
    statement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(os.devnull, "w") as stdout:  # noqa: PTH123 - a stream that may be closed
        monkeypatch.setattr(sys, "stdout", stdout)
        made = FunctionProject(tmp_path).calls(
            f"{HEAD}    {statement}\n    return amount\n", "make", ["amount"], "double"
        )
        handler, directory, files = signal.getsignal(signal.SIGTERM), Path.cwd(), _files()
        umask, limit = _umask(), resource.getrlimit(resource.RLIMIT_FSIZE)
        with pytest.raises(DayError) as told:
            made.build()
        assert str(told.value) == (
            f"day 2024-01-02, operator 'udf_made': function 'features.{made.module}:make' at rows 0 to 1 changed "
            f"{CHANGED[statement]}: a function makes values and no more"
        )
        assert (signal.getsignal(signal.SIGTERM), Path.cwd(), _files()) == (handler, directory, files)
        assert (_umask(), resource.getrlimit(resource.RLIMIT_FSIZE)) == (umask, limit)
        print("still there")
        sys.stdout.close()


def test_a_thread_of_a_function_that_fails_is_a_day_that_fails(tmp_path: Path) -> None:
    source = (
        "import threading\n\n\ndef fail():\n    raise ValueError('in a thread')\n\n\ndef make(amount):\n"
        "    thread = threading.Thread(target=fail)\n    thread.start()\n    thread.join()\n    return amount\n"
    )
    made = FunctionProject(tmp_path).calls(source, "make", ["amount"], "double")
    with pytest.raises(DayError) as told:
        made.build()
    assert str(told.value) == (
        f"day 2024-01-02, operator 'udf_made': function 'features.{made.module}:make' at rows 0 to 1 started a thread "
        f"that raised ValueError: in a thread ({made.module}.py:5)"
    )


def test_a_thread_of_a_function_fails_in_code_of_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = (
        "import json, threading\n\n\ndef make(amount):\n"
        "    inner = threading.Thread(target=json.loads, args=('\\x1b[31m',))\n"
        "    outer = threading.Thread(target=inner.start)\n"
        "    outer.start(), outer.join(), inner.join()\n    return amount\n"
    )
    made = FunctionProject(tmp_path).calls(source, "make", ["amount"], "double")
    with pytest.raises(DayError) as told:
        made.build()
    assert str(told.value).startswith(
        f"day 2024-01-02, operator 'udf_made': function 'features.{made.module}:make' at rows 0 to 1 started a thread "
        "that raised JSONDecodeError: Expecting value: line 1 column 1 (char 0) ("
    )
    assert capsys.readouterr().err == ""


def _umask() -> int:
    umask = os.umask(0o22)
    os.umask(umask)
    return umask


def _files() -> list[int]:
    return [os.fstat(number).st_ino for number in (1, 2)]


def test_a_module_may_set_up_what_it_needs_but_close_no_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, "w") as stdout:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", stdout)
        (tmp_path / "moves_about.py").write_text("import os\nos.chdir('/')\n\n\ndef make(a):\n    return a\n")
        before = Path.cwd()
        assert load_function("moves_about:make", tmp_path, ("a",))
        assert Path.cwd() == before
        (tmp_path / "closes_stdout.py").write_text("import sys\nsys.stdout.close()\n\n\ndef make(a):\n    return a\n")
        with pytest.raises(ConfigurationError) as told:
            load_function("closes_stdout:make", tmp_path, ("a",))
        sys.stdout.close()
    assert str(told.value) == (
        "function 'closes_stdout:make': the import of its module 'closes_stdout' closed or replaced stdout: remove "
        "that, a module only defines"
    )


@pytest.mark.parametrize(
    "statement", ["sys.exit(0)", "raise SystemExit", "raise KeyboardInterrupt", "raise GeneratorExit"]
)
def test_a_module_that_ends_python_when_it_is_imported_is_a_mistake(statement: str, tmp_path: Path) -> None:
    name = f"ends_{abs(hash(statement))}"
    (tmp_path / f"{name}.py").write_text(f"import sys\n{statement}\n")
    with pytest.raises(ConfigurationError, match=f"function '{name}:make': the module '{name}' cannot be imported: "):
        load_function(f"{name}:make", tmp_path, ("a",))


def test_nothing_is_told_of_a_block_that_changes_nothing() -> None:
    with undisturbed() as disturbed:
        pass
    assert disturbed == []


def _run(project: FunctionProject, *command: str, tag: str) -> tuple[int, str]:
    words = [sys.executable, "-m", *command, "--runtime-config-path", str(project.runtime_path)]
    environment = {**os.environ, TAG: tag}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert "Traceback" not in done.stderr
    assert not alive(tag)
    return done.returncode, done.stderr.splitlines()[-1]


TRAIN = ("daeda", "pipeline", "train", "ranking")
HALF = ("beam_pipeline",)
PLAN = ("daeda", "pipeline", "plan", "ranking")
ENDINGS = {
    "a half that ends without a word, under the driver": (
        TRAIN, "os._exit(0)", 1, "ended its process without a word (exit code 0): let it raise an error",
    ),
    "a half that ends without a word, alone": (
        HALF, "os._exit(0)", 1, "ended its process without a word (exit code 0): let it raise an error",
    ),
    "a half that crashes": (
        HALF, "os.abort()", 1,
        "ended its process without a word (SIGABRT; what a library said stands above): let it raise an error",
    ),
    "a call that sleeps": (
        HALF, "time.sleep(1000)", 1,
        "has not returned after 1 s: correct it, or raise timeouts.function_seconds (a day did not stop within 3 s)",
    ),
    "an exception whose text does not come": (
        HALF, "raise type('Slow', (Exception,), {'__str__': lambda self: time.sleep(1000)})", 1,
        "has not returned after 1 s: correct it, or raise timeouts.function_seconds (a day did not stop within 3 s)",
    ),
    "a call that holds the interpreter": (
        TRAIN, "sum(iter(int, 1))", 1,
        "has not returned after 1 s: correct it, or raise timeouts.function_seconds",
    ),
}  # fmt: skip


@pytest.mark.some(1, cases=9)
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_function_that_takes_its_process_along_is_told(ending: str, tmp_path: Path) -> None:
    command, statement, code, told = ENDINGS[ending]
    made = FunctionProject(tmp_path).calls(f"{HEAD}    {statement}\n    return amount\n", "make", ["amount"], "double")
    made.runtime["timeouts"] = {"function_seconds": 1}
    made.runtime["feed_end"] = "2024-01-02"
    made.write().write_data()
    assert _run(made, *command, tag=str(tmp_path)) == (
        code,
        f"error: day 2024-01-02, operator 'udf_made': function 'features.{made.module}:make' at rows 0 to 1 {told}",
    )
    assert not list(tmp_path.glob("output/ranking/skeleton/dt=*"))
    if command == TRAIN:
        assert not list(tmp_path.glob("output/ranking/_staging/run-*"))


@pytest.mark.some(1, cases=9)
@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("os._exit(0)", "ended its process without a word (exit code 0): let it raise an error"),
        ("time.sleep(1000)", "has not returned after 1 s: correct it, or raise timeouts.function_seconds"),
        (
            "raise type('Slow', (Exception,), {'__str__': lambda self: time.sleep(1000)})",
            "has not returned after 1 s: correct it, or raise timeouts.function_seconds",
        ),
    ],
)
def test_a_module_that_takes_its_process_along_is_told_before_the_first_day(
    statement: str, told: str, tmp_path: Path
) -> None:
    source = f"import os, time\n{statement}\n\n\ndef make(amount):\n    return amount\n"
    made = FunctionProject(tmp_path).calls(source, "make", ["amount"], "double")
    made.runtime["timeouts"] = {"function_seconds": 1}
    made.write().write_data()
    what = f"function 'features.{made.module}:make': the import of its module 'features.{made.module}'"
    assert _run(made, *PLAN, tag=str(tmp_path)) == (2, f"error: {what} {told}")


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_a_command_whatever_holds_the_interpreter(number: signal.Signals, tmp_path: Path) -> None:
    # In C, without a look at signals, and without giving the interpreter to another thread.
    source = "sum(iter(int, 1))\n\n\ndef make(amount):\n    return amount\n"
    made = FunctionProject(tmp_path).calls(source, "make", ["amount"], "double")
    reached = tmp_path / "reached"
    made.source_path.write_text(f"open({str(reached)!r}, 'w').close()\n{source}", encoding="utf-8")
    made.write().write_data()
    words = [sys.executable, "-m", *PLAN, "--runtime-config-path", str(made.runtime_path)]
    process = subprocess.Popen(words, env={**os.environ, TAG: str(tmp_path)}, stderr=subprocess.PIPE, text=True)
    while not reached.exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=300)
    assert (process.returncode, stderr.splitlines()) == (
        130,
        [
            f"error: interrupted by {number.name}: it did not stop within 8 s, and was ended; published days stay, run "
            "again to go on"
        ],
    )
    assert not alive(str(tmp_path))


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("statement", ["return amount", "raise ValueError('in the copy')"])
def test_a_copy_of_the_process_that_a_function_forks_does_not_go_on(statement: str, tmp_path: Path) -> None:
    source = f"{HEAD}    child = os.fork()\n    if child == 0:\n        {statement}\n    os.waitpid(child, 0)\n"
    made = FunctionProject(tmp_path).calls(f"{source}    return amount\n", "make", ["amount"], "double")
    made.runtime["feed_end"] = "2024-01-02"
    made.write().write_data()
    words = [sys.executable, "-m", *TRAIN, "--runtime-config-path", str(made.runtime_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")][:1] == [
        f"error: day 2024-01-02, operator 'udf_made': function 'features.{made.module}:make' at rows 0 to 1 came back "
        "in a process that it forked, which was ended: end it there with os._exit"
    ]
    assert done.returncode == 0


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("closed", [">&-", "0<&- >&- 2>&-"])
def test_a_run_without_standard_streams_builds_its_days(closed: str, tmp_path: Path) -> None:
    made = FunctionProject(tmp_path).calls(f"{HEAD}    return amount\n", "make", ["amount"], "double")
    made.runtime["feed_end"] = "2024-01-02"
    made.write().write_data()
    words = [sys.executable, "-m", *TRAIN, "--runtime-config-path", str(made.runtime_path)]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *words], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert len(list(tmp_path.glob("output/ranking/skeleton/dt=*"))) == 1

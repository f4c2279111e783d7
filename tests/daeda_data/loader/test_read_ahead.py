"""Threads that work ahead end with their reader, and what goes wrong in them is told to it."""

from __future__ import annotations

import _thread
import gc
import itertools
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from daeda.errors import ChangedMeanwhile
from daeda_data.loader import batches as of_batches
from daeda_data.loader import parts
from daeda_data.loader.batch import Batch
from daeda_data.loader.beside import Beside
from daeda_data.loader.read_ahead import ReadAhead, Worker
from tests.daeda_data.loader.made import keys, keys_of, publish


class Source:
    """Counts what is made; fails where it should; says when it was closed."""

    def __init__(self, items: int, fails_at: int | None = None) -> None:
        self.items = items
        self.fails_at = fails_at
        self.made = 0
        self.closed = threading.Event()

    def __iter__(self) -> Generator[int]:
        try:
            for number in range(self.items):
                if number == self.fails_at:
                    raise LookupError(f"no item {number}")
                self.made += 1
                yield number
        finally:
            self.closed.set()


def reader_of(source: Source, most: int = 2) -> ReadAhead[int]:
    return ReadAhead(iter(source), most, "test")  # type: ignore[arg-type]


def own_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("daeda-", "test"))]


def test_all_items_come_in_their_order() -> None:
    reader = reader_of(Source(100))
    assert list(reader) == list(range(100))
    assert list(reader) == []
    reader.close()
    assert own_threads() == []


def test_no_more_items_exist_than_should() -> None:
    source = Source(100)
    reader = reader_of(source, most=3)
    for number in range(10):
        assert next(reader) == number
        # The one that was given is there still; the thread may be as far as the two behind it, and no farther.
        assert source.made <= number + 3
    reader.close()
    assert source.closed.is_set()


def test_an_exception_is_raised_behind_what_was_made_before_it_and_again() -> None:
    reader = reader_of(Source(100, fails_at=3))
    assert [next(reader) for _ in range(3)] == [0, 1, 2]
    for _ in range(3):
        with pytest.raises(LookupError, match="no item 3"):
            next(reader)
    reader.close()


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_a_reader_that_is_closed_ends_its_thread(taken: int) -> None:
    source = Source(100)
    reader = reader_of(source)
    for _ in range(taken):
        next(reader)
    reader.close()
    reader.close()
    assert source.closed.is_set() or source.made == 0
    assert own_threads() == []
    with pytest.raises(StopIteration):
        next(reader)


def test_a_reader_that_nobody_has_any_more_ends_its_thread(tmp_path: Path) -> None:
    data = publish(tmp_path, [[30, 30]])
    batches = data.batches(4, 1, columns=["row"], window_rows=8)
    next(batches)
    assert own_threads() != []
    del batches
    gc.collect()
    assert own_threads() == []


def test_a_loop_that_is_left_by_an_exception_ends_the_threads(tmp_path: Path) -> None:
    data = publish(tmp_path, [[30, 30]])

    def train() -> None:
        with data.batches(4, columns=["row"]) as batches:
            for batch in batches:
                raise ZeroDivisionError(batch.rows)

    with pytest.raises(ZeroDivisionError):
        train()
    assert own_threads() == []


def test_what_goes_wrong_while_a_window_is_read_is_raised_in_the_loop(tmp_path: Path) -> None:
    data = publish(tmp_path, [[30], [30]])
    batches = data.batches(4, 1, columns=["row"], window_rows=8)
    Path(data.parts()[1].path).unlink()
    with pytest.raises(ChangedMeanwhile):
        list(batches)
    with pytest.raises(ChangedMeanwhile):
        next(batches)
    batches.close()
    assert own_threads() == []


def test_an_iterator_is_of_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = publish(tmp_path, [[3]]).batches(1, columns=["row"])
    with monkeypatch.context() as another:
        another.setattr(os, "getpid", lambda: -1)
        with pytest.raises(RuntimeError, match="open one in each process"):
            next(batches)
    batches.close()


def test_threads_that_share_an_iterator_have_each_batch_once_and_all_end(tmp_path: Path) -> None:
    data = publish(tmp_path, [[90, 90]])
    batches = data.batches(4, 1, columns=["row"], window_rows=16)
    came: list[list[Batch]] = [[], [], []]
    threads = [threading.Thread(target=own.extend, args=(batches,), daemon=True) for own in came]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert sorted(keys_of(itertools.chain(*came))) == sorted(keys(data))
    assert (batches.batches_left, batches.state()["rows"]) == (0, 180)


def test_who_waits_for_an_item_has_the_end_of_a_reader_that_is_closed() -> None:
    reader = reader_of(Source(100), most=1)
    assert next(reader) == 0

    class ClosedMeanwhile(queue.SimpleQueue[object]):
        def get(self, *_given: Any) -> object:
            reader.close()
            return super().get(timeout=60)

    reader._channel.items = ClosedMeanwhile()
    with pytest.raises(StopIteration):
        next(reader)
    assert own_threads() == []


@pytest.fixture
def heeding() -> Iterator[None]:
    """SIGINT interrupts: a shell has what it starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding")
def test_an_interrupt_loses_no_item() -> None:
    def items() -> Generator[int]:
        for number in range(10):
            if number == 3:
                # The reader waits by now: it has the interrupt together with the item.
                time.sleep(0.2)
                _thread.interrupt_main()
            yield number

    reader, came = ReadAhead(items(), 1, "test"), []
    with pytest.raises(KeyboardInterrupt):
        came.extend(reader)
    assert came == [0, 1, 2]
    assert list(reader) == list(range(3, 10))
    reader.close()


@pytest.mark.usefixtures("heeding")
def test_an_interrupt_loses_no_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, made, joined = publish(tmp_path, [[30, 30]]), itertools.count(), of_batches.joined

    def slow(*given: Any) -> Batch:
        if next(made) == 4:
            time.sleep(0.5)
            _thread.interrupt_main()
        return joined(*given)

    monkeypatch.setattr(of_batches, "joined", slow)
    batches = data.batches(4, 1, columns=["row"], read_ahead=1)
    came: list[Batch] = []
    with pytest.raises(KeyboardInterrupt):
        came.extend(batches)
    left = batches.batches_left
    assert batches.state()["rows"] == 4 * len(came) == 60 - 4 * left
    came += batches
    assert sorted(keys_of(came)) == sorted(keys(data))
    assert [batch.state["rows"] for batch in came] == list(range(4, 61, 4))


@pytest.mark.parametrize("where", ["_list_column", "_by_pyarrow"])
def test_threads_end_wherever_garbage_is_collected(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An iterator in a cycle, abandoned while it reads: one of its own threads finds that nobody has it any more."""
    data, reads = publish(tmp_path, [[90, 90]]), getattr(parts._Opened, where)
    dropped, collected = threading.Event(), threading.Event()

    def collecting(*given: Any, **more: Any) -> Any:
        if threading.current_thread().name.startswith("daeda-") and not collected.is_set():
            assert dropped.wait(60)
            gc.collect()
            collected.set()
        return reads(*given, **more)

    gc.collect()
    gc.disable()
    try:
        monkeypatch.setattr(parts._Opened, where, collecting)
        monkeypatch.setattr(parts, "_is_side_by_side", lambda *_: True)
        cycle: dict[str, Any] = {"batches": data.batches(4, 1, columns=["row", "vector"], window_rows=8)}
        cycle["cycle"] = cycle
        del cycle
        dropped.set()
        assert collected.wait(60)
        until = time.monotonic() + 60
        while own_threads() and time.monotonic() < until:
            time.sleep(0.01)
        assert own_threads() == []
    finally:
        gc.enable()


SCRIPT = """
import atexit, os, signal, sys, threading
from daeda_data import dataset

data, what = dataset(sys.argv[1], "ranking"), sys.argv[2]
settings = {"columns": ["row", "vector"], "window_rows": 8}


def train():
    for epoch in range(3):
        rows = 0
        for batch in data.batches(4, 1, epoch=epoch, **settings):
            rows += batch.rows
            began.set()
            if epoch == 0:
                threading.main_thread().join()
        print(rows, flush=True)


def fork():
    # Threads take turns as often as they can, so that a fork comes at any place of them.
    sys.setswitchinterval(1e-6)
    for number in range(60):
        batches = data.batches(4, 1, **settings)
        next(batches)
        child = os.fork()
        if not child:
            signal.alarm(60)
            if number % 2:
                batches.close()
            del batches
            atexit._run_exitfuncs()
            os._exit(0)
        rows = 4 + sum(batch.rows for batch in batches)
        ended = os.waitpid(child, 0)[1]
        assert (rows, ended) == (180, 0), (rows, ended)


if what == "fork":
    fork()
else:
    began = threading.Event()
    threading.Thread(target=train).start()
    began.wait()
"""


@pytest.mark.parametrize(("what", "said"), [("fork", ""), ("main thread over", "180\n180\n180\n")])
def test_a_process(what: str, said: str, tmp_path: Path) -> None:
    """One that is forked in the middle of an epoch ends; a thread trains on once the main one is over."""
    publish(tmp_path, [[90, 90]])
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SCRIPT, str(tmp_path), what]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, said, "")


def test_a_part_that_is_cut_short_meanwhile_is_another_one(tmp_path: Path) -> None:
    data = publish(tmp_path, [[90, 90]])
    batches = data.batches(4, 1, columns=["row", "vector"], window_rows=8)
    given = next(batches).rows
    for part in data.parts():
        os.truncate(part.path, 0)
    with pytest.raises(ChangedMeanwhile):
        given += sum(batch.rows for batch in batches)
    assert given < 180


def test_what_is_done_beside_gives_or_raises_what_it_comes_to() -> None:
    beside = Beside("test")
    result, fails = beside.begin(lambda: 7), beside.begin(lambda: 1 // 0)
    assert result() == 7
    with pytest.raises(ZeroDivisionError):
        fails()
    beside.close()
    assert own_threads() == []


def test_an_item_is_with_its_reader_alone(tmp_path: Path) -> None:
    reader = ReadAhead((object.__new__(Source) for _ in range(3)), 1, "test")
    seen = weakref.ref(next(reader))
    assert seen() is None
    reader.close()
    batches = publish(tmp_path, [[9]]).batches(4, columns=["row"])
    batch = weakref.ref(next(batches))
    assert batch() is None
    batches.close()


def test_a_thread_that_the_system_refuses_is_what_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = Worker.start

    def refuse(thread: Worker) -> None:
        if thread.name == "daeda-beside-lists":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(Worker, "start", refuse)
    monkeypatch.setattr(parts, "_is_side_by_side", lambda *_: True)
    batches = publish(tmp_path, [[9]]).batches(4, 1, columns=["row", "vector"])
    with pytest.raises(RuntimeError, match="can't start new thread"):
        next(batches)
    batches.close()
    assert own_threads() == []

"""Threads that work ahead end with their reader, and what goes wrong in them is told to it."""

from __future__ import annotations

import gc
import itertools
import os
import queue
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from daeda.errors import ChangedMeanwhile
from daeda_data.loader.batch import Batch
from daeda_data.loader.read_ahead import ReadAhead
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
    monkeypatch.setattr(os, "getpid", lambda: -1)
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

"""Tasks run at once as far as threads and memory go, and their results come in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from beam_pipeline.day.at_once import Task, results_in_order


class AtWork:
    """Tasks that say how many shares were at work at once; `asked_for` are the shares at work when one is asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shares: list[float] = []
        self.most, self.together = 0, 0.0
        self.asked_for: list[float] = []

    def run(self, number: int, share: float) -> int:
        with self._lock:
            self._shares.append(share)
            self.most = max(self.most, len(self._shares))
            if len(self._shares) > 1:
                self.together = max(self.together, sum(self._shares))
        # The later a task begins, the sooner it ends.
        time.sleep(0.02 / (number + 1))
        with self._lock:
            self._shares.remove(share)
        return number

    def tasks(self, shares: list[float]) -> Iterator[Task[int]]:
        for number, share in enumerate(shares):
            with self._lock:
                self.asked_for.append(sum(self._shares))
            yield Task(share, lambda number=number, share=share: self.run(number, share))  # type: ignore[misc]


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize(
    "shares", [[], [0.0], [0.1] * 9, [0.4] * 7, [0.4, 0.7, 0.2, 1.0, 0.5, 0.5, 3.0, 0.1], [2.0] * 3, [0.0] * 9]
)
def test_no_more_than_there_is_room_for_are_at_work(threads: int, shares: list[float]) -> None:
    work = AtWork()
    assert list(results_in_order(work.tasks(shares), threads)) == list(range(len(shares)))
    assert work.most <= threads
    assert work.together <= 1 + 1e-9


def test_several_are_at_work_at_once() -> None:
    both = threading.Barrier(2, timeout=30)
    assert list(results_in_order((Task(0.5, both.wait) for _ in range(2)), 2)) in ([0, 1], [1, 0])


def test_behind_one_that_takes_all_memory_nothing_is_asked_for() -> None:
    work = AtWork()
    assert list(results_in_order(work.tasks([1.0, 5.0, 1.0, 0.2]), 4)) == [0, 1, 2, 3]
    assert work.asked_for == [0.0] * 4


def test_the_first_that_fails_is_raised_when_the_others_have_ended() -> None:
    begun, ended = threading.Event(), threading.Event()

    def fails() -> int:
        begun.wait(30)
        raise ValueError("first")

    def ends() -> int:
        begun.set()
        time.sleep(0.2)
        ended.set()
        raise ValueError("second")

    with pytest.raises(ValueError, match="first"):
        list(results_in_order([Task(0.1, fails), Task(0.1, ends)], 2))
    assert ended.is_set()


def test_who_stops_early_waits_for_those_at_work() -> None:
    work = AtWork()
    results = results_in_order(work.tasks([0.1] * 6), 3)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert not work._shares


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_what_the_tasks_end_with_comes_behind_what_those_before_it_raise(threads: int) -> None:
    def fails() -> int:
        time.sleep(0.1)
        raise ValueError("in a task")

    def tasks() -> Iterator[Task[int]]:
        yield Task(0.1, lambda: 1)
        yield Task(0.1, fails)
        raise OSError("in reading the next one")

    results = results_in_order(tasks(), threads)
    assert next(results) == 1
    with pytest.raises(ValueError, match="in a task"):
        next(results)


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_what_the_tasks_end_with_is_raised(threads: int) -> None:
    def tasks() -> Iterator[Task[int]]:
        yield Task(0.1, lambda: 1)
        raise OSError("in reading the next one")

    results = results_in_order(tasks(), threads)
    assert next(results) == 1
    with pytest.raises(OSError, match="in reading the next one"):
        next(results)

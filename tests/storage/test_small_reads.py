"""Small reads come back in order, whoever makes them."""

from __future__ import annotations

import threading

import pytest

from daeda.storage import small_reads
from daeda.storage.small_reads import read_each


def readers(items: range) -> list[bool]:
    """For each item, whether the calling thread has read it."""
    here = threading.get_ident()

    def read(item: int) -> tuple[int, bool]:
        return item, threading.get_ident() == here

    results = read_each(read, items)
    assert [item for item, _ in results] == list(items)
    return [own for _, own in results]


def test_reads_that_are_answered_at_once_need_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_reads, "_WAIT_SECONDS", float("inf"))
    assert readers(range(50)) == [True] * 50
    assert readers(range(0)) == []


def test_reads_behind_one_that_was_waited_for_are_made_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_reads, "_WAIT_SECONDS", -1.0)
    assert readers(range(50)) == [False] * 50


def test_several_are_waited_for_at_once() -> None:
    together = threading.Barrier(4, timeout=60)

    def read(item: int) -> int:
        if item == 0:
            threading.Event().wait(0.05)
        else:
            together.wait()
        return item

    assert read_each(read, range(5)) == list(range(5))


def test_what_a_read_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        read_each(lambda item: 1 // item, [1, 0])

"""Operators that were started end with their day, whatever interrupts it and whenever they are told."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from beam_pipeline.session import started
from beam_pipeline.session.resources import DayResources, PartOfDay
from beam_pipeline.session.started import StartedOperators
from daeda.errors import Stopped
from daeda.sql.handle import ColumnTable

TABLE = ColumnTable("rolling", ("column",), numbered=False)


class Part:
    """A part of a day whose operator hears nothing but the last of so many interrupts."""

    def __init__(self, heard: int) -> None:
        self.lent_bytes = 0
        self.left = heard
        self.given_up = threading.Event()

    def give_up(self) -> None:
        self.left -= 1
        if self.left <= 0:
            self.given_up.set()


class Resources:
    """What a day of two threads lends, and whether an operator was at work when its part was taken back."""

    def __init__(self, heard: int = 1) -> None:
        self.limits = self.arrow_columns = self
        self.threads, self.engine_bytes, self.room = 2, 1 << 20, 1 << 20
        self.heard = heard
        self.at_work = 0
        self.taken_back: list[int] = []

    def part(self, *_: int) -> Part:
        return Part(self.heard)

    def take_back(self, _: Part) -> None:
        self.taken_back.append(self.at_work)

    def until_given_up(self, begun: Callable[[], None]) -> Callable[[PartOfDay], ColumnTable]:
        def work(part: Any) -> ColumnTable:
            self.at_work += 1
            begun()
            assert part.given_up.wait(30)
            self.at_work -= 1
            raise Stopped("given up")

        return work


def start(resources: Resources, begun: Callable[[], None]) -> StartedOperators:
    operators = StartedOperators(cast("DayResources", resources))
    operators.start(cast("Any", None), (), TABLE, resources.until_given_up(begun))
    return operators


@pytest.fixture
def heard() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt: a shell may have started the tests with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_operator_that_is_waited_for_ends_with_a_day_that_is_interrupted(heard: None) -> None:
    """Its part is its own until its thread has ended: the thread runs statements in the cursor that is closed then."""
    resources, main = Resources(), threading.get_ident()
    operators = start(resources, threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start)
    (only,) = operators
    with pytest.raises(KeyboardInterrupt):
        operators.finish(only)
    assert (resources.taken_back, operators.at_work) == ([], True)
    operators.close()
    assert (resources.taken_back, list(operators)) == ([0], [])


def test_an_interrupt_between_two_statements_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(started, "_CLOSE_SECONDS", 20.0)
    resources, begun = Resources(heard=3), threading.Event()
    operators = start(resources, begun.set)
    assert begun.wait(10)
    operators.close()
    assert (resources.taken_back, list(operators)) == ([0], [])

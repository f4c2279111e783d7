"""Days are read in order, at most one beside the one at work, and posted as soon as they are read."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from daeda.errors import DayError
from enrich.preload import DayNeeds
from enrich.reading import DayReader, ReadDay
from enrich.store.id_index import RowMap, TextIds

DAYS = [dt.date(2024, 1, number) for number in range(1, 6)]
# The bytes of each day, of which some pairs are too many beside each other.
SIZES = dict(zip(DAYS, [40, 50, 70, 20, 90], strict=True))
ROOM = 100


@dataclass
class Log:
    """A Preload that has no vectors, and a PartStream that no actor listens to: what happened, in order."""

    told: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, what: str, day: dt.date) -> None:
        with self.changed:
            self.told.append(f"{what} {day.day}")
            self.changed.notify_all()

    def verify(self, work: Any) -> Any:
        self.add("verify", work.day)
        if work.day == DAYS[4]:
            raise DayError("damaged")
        return work

    def needs(self, day: dt.date, _parts: Any, _columns: Any) -> DayNeeds:
        return DayNeeds(day, sizes={"items": SIZES[day]})

    def fits_beside(self, needs: DayNeeds, used: int) -> bool:
        return used + needs.nbytes <= ROOM

    def load(self, needs: DayNeeds, _before: Mapping[str, Any]) -> dict[str, Any]:
        self.add("load", needs.day)
        return {}

    def post(self, _parts: Any, work: Any, _sources: Any) -> None:
        self.add("post", work.day)

    def wait_for(self, what: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: what in self.told, timeout=300), self.told

    def never(self, what: str) -> None:
        with self.changed:
            assert not self.changed.wait_for(lambda: what in self.told, timeout=0.05), self.told


def test_ids_and_positions_count_beside_the_vectors() -> None:
    texts = RowMap(TextIds(pa.array(["a", "bcd"], pa.large_string())), np.array([4, 9]))
    needs = DayNeeds(DAYS[0], rows={"items": texts}, sizes={"items": 100})
    assert needs.nbytes == 100 + texts.ids.keys.nbytes + 2 * 16


def reader_of(log: Log) -> tuple[DayReader, list[Any]]:
    works: list[Any] = [
        SimpleNamespace(day=day, skeleton_parts=[], tasks=[SimpleNamespace(computed=())]) for day in DAYS
    ]
    preload: Any = log
    reader = DayReader(works, preload, log.verify, log.post, lambda work: contextlib.nullcontext())
    opened: Future[None] = Future()
    opened.set_result(None)
    reader.start(opened)
    return reader, works


def test_a_day_is_read_beside_the_one_at_work_where_both_fit() -> None:
    log = Log()
    reader, works = reader_of(log)
    parts: Any = object()
    log.wait_for("load 1")
    log.never("post 1")
    reader.give(parts)
    first: ReadDay = reader.day(0).result(timeout=300)
    assert first.work is works[0]
    # The second fits beside the first, and the third is looked at, and not loaded beside two.
    log.wait_for("post 2")
    log.wait_for("verify 3")
    log.never("load 3")
    reader.done()
    # 50 and 70 do not fit beside each other.
    log.never("load 3")
    reader.day(1).result(timeout=300)
    reader.done()
    log.wait_for("post 3")
    log.wait_for("post 4")
    log.wait_for("verify 5")
    assert log.told == [f"{what} {day}" for day in range(1, 5) for what in ("verify", "load", "post")] + ["verify 5"]
    with pytest.raises(DayError, match="damaged"):
        reader.day(4).result(timeout=300)
    reader.close()


def test_nothing_is_posted_for_a_run_that_has_ended() -> None:
    log = Log()
    reader, _works = reader_of(log)
    log.wait_for("load 1")
    reader.close()
    parts: Any = object()
    reader.give(parts)
    log.never("post 1")
    log.never("verify 2")

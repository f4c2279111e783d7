"""Point-in-time joins small enough to look at, each about one question, with the answer by definition.

A case is a spine, a view, and what the join is told. `answer` is the definition, row by row: of the view's rows of the
key that lie before the spine row (or at it, with allow_exact), are not older than the ttl and were known before it, the
newest; of several, the one created last, then the one with the greatest value.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

DAY = dt.date(2026, 3, 2)
_NOON = int(dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC).timestamp()) * 10**9
SECOND = 10**9
HOUR = 3600 * SECOND


@dataclass(frozen=True)
class Case:
    """Times are nanoseconds since 1970 in here, and `unit` (with UTC) in the files; ttl is in seconds;
    `orders` is in how many orders the rows of the view are given, where ties could make a difference.

    Rows of the spine are (key ..., time), rows of the view (key ..., time, created or None, value).
    """

    name: str
    about: str
    spine: Sequence[tuple[Any, ...]]
    view: Sequence[tuple[Any, ...]]
    keys: tuple[str, ...] = ("user_id",)
    key_type: str = "int64"
    allow_exact: bool = True
    ttl: int | None = None
    has_created: bool = False
    unit: str = "us"
    orders: int = 1

    def answer(self) -> list[Any]:
        """The value of each spine row, in the order of the spine."""
        width = len(self.keys)
        return [self._newest(row[:width], row[width]) for row in self.spine]

    def _newest(self, key: tuple[Any, ...], at: int) -> Any:
        width = len(self.keys)
        found = [
            (time, created or 0, value is not None, value)
            for *own, time, created, value in self.view
            if None not in key
            and tuple(own[:width]) == key
            and self._before(time, at)
            and (self.ttl is None or at - time <= self.ttl * SECOND)
            and (not self.has_created or (created is not None and self._before(created, at)))
        ]
        return max(found)[3] if found else None

    def _before(self, time: int, at: int) -> bool:
        return time <= at if self.allow_exact else time < at

    def tables(self, shuffled: int = 0) -> tuple[pa.Table, pa.Table]:
        """Spine (rid, keys, ts) and view (keys, ts, created, value); a number shuffles the rows of the view."""
        width = len(self.keys)
        spine = {"rid": pa.array(range(len(self.spine)))} | {
            key: pa.array([row[place] for row in self.spine], self._type()) for place, key in enumerate(self.keys)
        }
        spine["ts"] = self._times([row[width] for row in self.spine])
        rows = list(self.view)
        if shuffled:
            rows = [rows[place] for place in np.random.default_rng(shuffled).permutation(len(rows))]
        view = {key: pa.array([row[place] for row in rows], self._type()) for place, key in enumerate(self.keys)}
        view["ts"] = self._times([row[width] for row in rows])
        if self.has_created:
            view["created"] = self._times([row[width + 1] for row in rows])
        view["value"] = pa.array([row[width + 2] for row in rows], pa.int64())
        return pa.table(spine), pa.table(view)

    def _type(self) -> pa.DataType:
        return pa.string() if self.key_type == "string" else pa.int64()

    def _times(self, nanoseconds: list[int | None]) -> pa.Array:
        zone = None if self.unit == "ns" else "UTC"
        return pa.array(nanoseconds, pa.int64()).cast(pa.timestamp("ns")).cast(pa.timestamp(self.unit, tz=zone))


def at(hours: float = 0, nanoseconds: int = 0) -> int:
    """Nanoseconds of a time around noon of the day."""
    return _NOON + round(hours * 3600) * SECOND + nanoseconds


def generated(seed: int) -> Case:
    """2,000 rows of a view and 400 of a spine, to the minute; all times of a key are different from each other.

    Every key has a row before all of its spine rows: what becomes of the others is a case of its own.
    """
    generator = np.random.default_rng(seed)
    minutes = generator.integers(1, 660, 2_400)
    users = generator.integers(0, 25, 2_400)
    rows = list(
        dict.fromkeys((user, at(-minute / 60)) for user, minute in zip(users.tolist(), minutes.tolist(), strict=True))
    )
    first = [(user, at(-11.5), None, 9_000 + user) for user in range(25)]
    view = [(user, time, None, number) for number, (user, time) in enumerate(rows[400:])]
    about = "no ties, no exact hits, a match for every row: where every semantics agrees"
    return Case(f"generated {seed}", about, rows[:400], [*first, *view], orders=2)


def everything(seed: int) -> Case:
    """1,500 rows of a view and 300 of a spine to the quarter of an hour: ties, exact hits, late rows, a ttl."""
    generator = np.random.default_rng(seed)
    users, quarters, late = (generator.integers(0, most, 1_800).tolist() for most in (12, 44, 5))
    times = [at(-quarter / 4) for quarter in quarters]
    spine = list(zip(users[:300], times[:300], strict=True))
    view = [
        (user, time, None if number % 50 == 0 else time + hours * HOUR, number)
        for number, (user, time, hours) in enumerate(zip(users[300:], times[300:], late[300:], strict=True))
    ]
    about = "ties, exact hits (strict), corrections that come hours late, a ttl of two hours"
    return Case("all at once", about, spine, view, allow_exact=False, ttl=7200, has_created=True, orders=2)


def named() -> tuple[Case, ...]:
    """One case for each question."""
    tied = [(1, at(-1), at(-1), 5), (1, at(-1), at(-0.5), 3), (1, at(-1), at(-0.75), 9), (1, at(-2), at(-2), 1)]
    return (
        Case(
            "exact hit, strict",
            "a row of the view at the very time of the spine row is not seen",
            [(1, at()), (2, at())],
            [(1, at(), None, 7), (1, at(-1), None, 6), (2, at(), None, 8)],
            allow_exact=False,
        ),
        Case("exact hit, allowed", "the same, seen", [(1, at())], [(1, at(), None, 7), (1, at(-1), None, 6)]),
        Case(
            "ties with created",
            "three rows at one time: the one created last",
            [(1, at())],
            tied,
            has_created=True,
            orders=4,
        ),
        Case(
            "ties without created",
            "three rows at one time, in any order of the file: the greatest value",
            [(1, at())],
            [(1, at(-1), None, value) for value in (5, 9, 3)],
            orders=4,
        ),
        Case(
            "rows that share key and time",
            "a spine with the same user and time thrice has three rows",
            [(1, at()), (1, at()), (1, at()), (2, at())],
            [(1, at(-1), None, 7), (2, at(-1), None, 8)],
        ),
        Case(
            "only the future",
            "all rows of the key lie after the spine row: NULL, and the row stays",
            [(1, at()), (2, at())],
            [(1, at(1), None, 7), (2, at(-1), None, 8)],
        ),
        Case(
            "late correction",
            "a row of 10:00 that became known at 13:00 is not seen at 12:00",
            [(1, at())],
            [(1, at(-2), at(-2), 7), (1, at(-2), at(1), 70), (1, at(-1), at(2), 71)],
            has_created=True,
        ),
        Case(
            "never known",
            "a row whose created is NULL is not seen",
            [(1, at())],
            [(1, at(-2), at(-2), 7), (1, at(-1), None, 70)],
            has_created=True,
        ),
        Case(
            "ttl",
            "a row of exactly the ttl counts, one a second older does not",
            [(1, at()), (2, at())],
            [(1, at(-1), None, 7), (2, at(-1, -SECOND), None, 8)],
            ttl=3600,
        ),
        Case(
            "composite keys",
            "(1, 11) is not (11, 1)",
            [(1, 11, at()), (11, 1, at())],
            [(1, 11, at(-1), None, 7), (11, 1, at(-2), None, 8)],
            keys=("user_id", "item_id"),
        ),
        Case(
            "text keys",
            "keys of text, one of them empty",
            [("a", at()), ("", at()), ("A", at())],
            [("a", at(-1), None, 7), ("", at(-1), None, 8)],
            key_type="string",
        ),
        Case(
            "NULL keys",
            "a NULL key matches nothing, and its row stays",
            [(None, at()), ("a", at())],
            [(None, at(-1), None, 7), ("a", at(-1), None, 8)],
            key_type="string",
        ),
        Case(
            "NULL value",
            "the newest row counts though its value is NULL",
            [(1, at())],
            [(1, at(-2), None, 7), (1, at(-1), None, None)],
        ),
        Case(
            "nanoseconds",
            "a row one nanosecond later is not seen",
            [(1, at(0, 500))],
            [(1, at(0, 499), None, 7), (1, at(0, 501), None, 8)],
            unit="ns",
        ),
    )


_SEEDS = (1, 2, 3)


def every_case() -> tuple[Case, ...]:
    """The named ones, and those that are generated."""
    return (*(generated(seed) for seed in _SEEDS), *named(), everything(4))

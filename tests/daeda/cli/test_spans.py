"""Tables of days: neighbouring days of which the same is told share a row."""

from __future__ import annotations

import datetime as dt

import pytest

from daeda.answers.days import BuiltDataset, BuiltDay
from daeda.cli.spans import spans
from daeda.cli.summary import print_plan, print_run
from daeda.planning.days import Action, DayPlan
from daeda.process.console import HarmlessConsole

FIRST = dt.date(2024, 1, 1)


def _day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def _plans() -> tuple[DayPlan, ...]:
    """A day that is missing, a year of stale ones that read more and more, three alike, and what is blocked."""
    stale = [
        DayPlan(_day(number), "skeleton", Action.REBUILD, ("f changed",), min(number, 7)) for number in range(1, 366)
    ]
    kept = [DayPlan(_day(number), "skeleton", Action.SKIP, (), 7) for number in range(366, 369)]
    blocked = DayPlan(_day(369), "skeleton", Action.BLOCKED, ("events has no partition for 2025-01-04",))
    return (DayPlan(FIRST, "skeleton", Action.BUILD, (), 1), *stale, *kept, blocked)


def _shown(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed, without blanks at the end of lines."""
    told = capsys.readouterr()
    return "\n".join(line.rstrip() for line in (told.out + told.err).splitlines()) + "\n"


def test_a_year_of_equal_days_is_one_row(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    print_plan(HarmlessConsole(), {"skeleton": _plans()}, [])
    assert (
        _shown(capsys)
        == """\
plan
┏━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━┳━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┓
┃ day                     ┃ days ┃ skeleton       ┃ files read ┃ why                                    ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━╇━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┩
│ 2024-01-01              │      │ build          │          1 │                                        │
│ 2024-01-02 … 2024-12-31 │  365 │ stale: rebuild │      1 … 7 │ f changed                              │
│ 2025-01-01              │      │ skip           │          7 │                                        │
│ 2025-01-02              │      │ skip           │          7 │                                        │
│ 2025-01-03              │      │ skip           │          7 │                                        │
│ 2025-01-04              │      │ blocked        │          0 │ events has no partition for 2025-01-04 │
└─────────────────────────┴──────┴────────────────┴────────────┴────────────────────────────────────────┘
"""
    )


def test_eighty_columns_hold_both_days_below_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_plan(HarmlessConsole(), {"skeleton": _plans(), "enriched": _plans()}, [])
    assert (
        _shown(capsys)
        == """\
plan
┏━━━━━━━━━━━━━━┳━━━━━━┳━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━┓
┃ day          ┃ days ┃ skeleton     ┃ enriched     ┃ files read ┃ why         ┃
┡━━━━━━━━━━━━━━╇━━━━━━╇━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━┩
│ 2024-01-01   │      │ build        │ build        │          1 │             │
│ 2024-01-02 … │  365 │ stale:       │ stale:       │      1 … 7 │ f changed   │
│ 2024-12-31   │      │ rebuild      │ rebuild      │            │             │
│ 2025-01-01   │      │ skip         │ skip         │          7 │             │
│ 2025-01-02   │      │ skip         │ skip         │          7 │             │
│ 2025-01-03   │      │ skip         │ skip         │          7 │             │
│ 2025-01-04   │      │ blocked      │ blocked      │          0 │ events has  │
│              │      │              │              │            │ no          │
│              │      │              │              │            │ partition   │
│              │      │              │              │            │ for         │
│              │      │              │              │            │ 2025-01-04  │
└──────────────┴──────┴──────────────┴──────────────┴────────────┴─────────────┘
"""
    )


def test_days_apart_and_days_that_differ_do_not_share_a_row() -> None:
    week = [(_day(number), "a") for number in (0, 1, 2, 3, 5, 6, 7, 8)]
    assert spans(week) == [range(4), range(4, 8)]
    assert spans([*week[:3], *week[4:]]) == [range(1), range(1, 2), range(2, 3), range(3, 7)]
    assert spans([(_day(number), "ab"[number // 4 % 2]) for number in range(12)]) == [
        range(4),
        range(4, 8),
        range(8, 12),
    ]
    assert spans([]) == []


def test_days_that_a_run_left_alone_share_a_row_and_those_that_it_built_do_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    days = [
        BuiltDay(day=_day(number), datasets={"skeleton": BuiltDataset(outcome="skipped", rows=1000, seconds=None)})
        for number in range(5)
    ]
    built = [
        BuiltDay(day=_day(number), datasets={"skeleton": BuiltDataset(outcome="built", rows=7, seconds=0.25)})
        for number in range(5, 9)
    ]
    kept = BuiltDay(day=_day(9), datasets={"skeleton": BuiltDataset(outcome="kept", rows=7, seconds=None)})
    absent = BuiltDay(day=_day(10), datasets={"skeleton": BuiltDataset(outcome="not built", rows=None, seconds=None)})
    print_run("ranking", [*days, *built, kept, absent])
    assert (
        _shown(capsys)
        == """\
ranking
┏━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━┳━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━┓
┃ day                     ┃ days ┃  rows ┃ skeleton s ┃ skeleton    ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━╇━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━┩
│ 2024-01-01 … 2024-01-05 │    5 │ 5,000 │            │ skipped     │
│ 2024-01-06              │      │     7 │       0.25 │ built       │
│ 2024-01-07              │      │     7 │       0.25 │ built       │
│ 2024-01-08              │      │     7 │       0.25 │ built       │
│ 2024-01-09              │      │     7 │       0.25 │ built       │
│ 2024-01-10              │      │     7 │            │ kept, stale │
│ 2024-01-11              │      │       │            │ not built   │
├─────────────────────────┼──────┼───────┼────────────┼─────────────┤
│ 11 days                 │      │ 5,035 │       1.00 │             │
└─────────────────────────┴──────┴───────┴────────────┴─────────────┘
"""
    )


def test_many_operators_are_counted_behind_what_a_day_waits_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    few = ("operator a changed", "operator b is new")
    many = ("waiting: sold matures 2024-01-05 (needs sales up to dt=2024-01-04)", *few, "operator c changed",
            "operator d is gone", "input of scan changed")  # fmt: skip
    print_plan(
        HarmlessConsole(),
        {
            "skeleton": [
                DayPlan(_day(0), "skeleton", Action.REBUILD, few),
                DayPlan(_day(1), "skeleton", Action.WAIT, many),
            ]
        },
        [],
    )
    told = _shown(capsys)
    assert "operator a changed, operator b is new" in told
    assert f"{many[0]}, operators: 2 changed, 1 new, 1 gone, input of scan changed" in told


def test_the_first_and_the_last_day_of_the_calendar_have_a_row() -> None:
    for first in (dt.date.min, dt.date.max - dt.timedelta(days=3)):
        assert spans([(first + dt.timedelta(days=number), "built") for number in range(4)]) == [range(4)]

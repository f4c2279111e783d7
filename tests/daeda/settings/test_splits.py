"""Splits: closed ranges of days that share none, which decide no byte."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from daeda.cli.main import main
from daeda.dataset.fingerprint import operator_digests
from daeda.settings.splits import DayRange, in_order, parse_day_range
from tests.projects import TinyProject

DAY = dt.date(2024, 2, 28)


def test_both_ends_are_in_a_range() -> None:
    assert parse_day_range("2024-02-28..2024-03-01").days == (DAY, dt.date(2024, 2, 29), dt.date(2024, 3, 1))
    assert parse_day_range(DAY) == parse_day_range("2024-02-28") == DayRange(DAY, DAY)


@pytest.mark.parametrize(("last", "shared"), [("2024-02-28", "1 day: 2024-02-28"), ("2024-03-05", None)])
def test_ranges_that_share_a_day_are_refused(last: str, shared: str | None) -> None:
    splits = {"test": parse_day_range("2024-02-28..2024-03-01"), "train": parse_day_range(f"2024-01-01..{last}")}
    with pytest.raises(ValueError, match="overlap") as refused:
        in_order(splits)
    assert str(refused.value) == (
        f"the splits 'train' (2024-01-01..{last}) and 'test' (2024-02-28..2024-03-01) overlap by "
        f"{shared or '3 days: 2024-02-28..2024-03-01'} is in both"
    )
    splits["train"] = parse_day_range("2024-01-01..2024-02-27")
    assert [name for name, _ in in_order(splits)] == ["train", "test"]


def test_plan_and_explain_print_them_and_no_operator_knows_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = TinyProject(tmp_path).without("item_vector")
    made.aggregations.pop("enrichment_specs")
    before = operator_digests(made.write().write_data().compile().operators)
    made.service["splits"] = {"test": "2024-01-03..2024-01-05", "train": "2024-01-01..2024-01-02", "one": DAY}
    assert operator_digests(made.write().compile().operators) == before
    for command in ("plan", "explain"):
        assert main(["pipeline", command, "ranking", "--runtime-config-path", str(made.runtime_path)]) == 0
        told = capsys.readouterr().out
        assert [line for line in told.splitlines() if line.startswith("split ")] == [
            "split train: 2024-01-01..2024-01-02, 2 days, 1 of them in feed_start to feed_end",
            "split test: 2024-01-03..2024-01-05, 3 days, 1 of them in feed_start to feed_end",
            "split one: 2024-02-28..2024-02-28, 1 day, 0 of them in feed_start to feed_end",
        ]


def test_names_that_differ_only_in_case_are_refused() -> None:
    splits = {"train": parse_day_range("2024-01-01"), "test": parse_day_range("2024-01-02")}
    with pytest.raises(ValueError, match="differ") as refused:
        in_order(splits | {"Train": parse_day_range("2024-01-03")})
    assert str(refused.value) == "the splits train and Train differ only in case: rename one"

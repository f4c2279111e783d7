"""The page of scaling says what the results and the model say."""

from __future__ import annotations

import pytest

from bench.cost_model import PAGE, Rates, Scale, check, rates, skeleton_seconds, with_tables
from bench.harness import RESULTS
from bench.report import load

RATE = Rates(2, per_day=0.5, per_event=0.25, per_row=4, per_id=1, per_mapped=0.1, mapped_bytes=12, event_bytes=20,
             arrow_bytes=40, row_bytes=100)  # fmt: skip


def test_a_day_costs_its_window_and_its_rows() -> None:
    day = Scale(events=2e6, rows=3e6, window_days=9)
    assert skeleton_seconds(RATE, day) == 0.5 + 0.25 * 2 * (9 + 1) + 4 * 3


def test_the_page_is_written_from_the_results() -> None:
    assert PAGE.read_text() == with_tables(PAGE.read_text(), load(RESULTS)), "run `python -m bench.cost_model`"


def test_the_model_is_not_far_from_days_that_it_was_not_fitted_to() -> None:
    results = load(RESULTS)
    for name, modelled, measured in check(rates(results), results):
        assert modelled == pytest.approx(measured, rel=0.25), name

"""Which rows are drawn: both ends of the day, rows on borders, and always the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from daeda.dataset.layout import Layout
from daeda_audit.declared import declared_columns
from daeda_audit.probes.sample import DayToSample, draw
from daeda_audit.published.days import published_days
from daeda_audit.raw.local_copies import LocalCopies
from daeda_audit.raw.view import RawViews
from daeda_audit.rules.spine import spine_rows
from tests.daeda_audit.feed import DAYS, build, feed


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> DayToSample:
    made = feed(tmp_path_factory.mktemp("sample"))
    # Without its filters the day has some hundred rows.
    made.service["spine"]["filters"] = []
    made.write()
    build(made)
    project = made.load()
    raws = RawViews(project, LocalCopies(made.root / "copies"))
    published = published_days(Layout(project.service_dir), [DAYS[0]], made.root)[DAYS[0]][0]
    return DayToSample(project, raws, declared_columns(project), DAYS[0], spine_rows(project, raws, DAYS[0]), published)


def test_the_seed_decides(drawing: DayToSample) -> None:
    first, again, other = (draw(drawing, 60, seed).places for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_both_ends_of_the_day_are_always_drawn(drawing: DayToSample) -> None:
    last = len(drawing.rows) - 1
    assert all({0, last} <= set(draw(drawing, 1, seed).places) for seed in range(5))


def test_every_stratum_gives_a_row_even_to_a_small_sample(drawing: DayToSample) -> None:
    strata = draw(drawing, 1, 0).strata
    assert {"ties", "duplicates", "empty windows", "borders", "the longest histories"} <= set(strata)


def test_a_sample_as_large_as_the_day_is_the_day(drawing: DayToSample) -> None:
    assert draw(drawing, len(drawing.rows), 0).places == tuple(range(len(drawing.rows)))


def test_about_a_third_is_drawn_at_random(drawing: DayToSample) -> None:
    sample = draw(drawing, 80, 0)
    assert 80 <= len(sample.places) <= 82
    assert sample.strata["at random"] == pytest.approx(24, abs=3)


def test_a_day_without_rows_gives_none(drawing: DayToSample) -> None:
    empty = DayToSample(drawing.project, drawing.raws, drawing.declared, drawing.day, [], drawing.published)
    assert draw(empty, 10, 0).places == ()


def test_the_longest_history_is_drawn(tmp_path: Path, drawing: DayToSample) -> None:
    """User 77 has 300 events on the first day and one on the second."""
    made = feed(tmp_path)
    made.service["spine"]["filters"] = []
    early = made.data["events"][0]
    at = early[2]
    made.data["events"] = [*made.data["events"], *((77, *early[1:]),) * 300]
    made.data["events"] += [(77, early[1], at.replace(day=2, hour=13, minute=7), *early[3:])]
    made.write().write_data()
    build(made)
    project = made.load()
    raws = RawViews(project, LocalCopies(made.root / "copies"))
    rows = spine_rows(project, raws, DAYS[0])
    published = published_days(Layout(project.service_dir), [DAYS[0]], made.root)[DAYS[0]][0]
    sample = draw(DayToSample(project, raws, declared_columns(project), DAYS[0], rows, published), 1, 3)
    assert 77 in {rows[place]["user_id"] for place in sample.places}

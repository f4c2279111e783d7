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
def day_to_sample(tmp_path_factory: pytest.TempPathFactory) -> DayToSample:
    made = feed(tmp_path_factory.mktemp("sample"))
    # Without its filters the day has some hundred rows.
    made.service["spine"]["filters"] = []
    made.write()
    build(made)
    project = made.load()
    raws = RawViews(project, LocalCopies(made.root / "copies"))
    published = published_days(Layout(project.service_dir), [DAYS[0]], made.root)[DAYS[0]][0]
    return DayToSample(project, raws, declared_columns(project), DAYS[0], spine_rows(project, raws, DAYS[0]), published)


def test_the_seed_decides(day_to_sample: DayToSample) -> None:
    first, again, other = (draw(day_to_sample, 60, seed).indices for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_both_ends_of_the_day_are_always_drawn(day_to_sample: DayToSample) -> None:
    last = len(day_to_sample.rows) - 1
    assert all({0, last} <= set(draw(day_to_sample, 1, seed).indices) for seed in range(5))


def test_every_stratum_gives_a_row_even_to_a_small_sample(day_to_sample: DayToSample) -> None:
    strata = draw(day_to_sample, 1, 0).strata
    assert {"ties", "duplicates", "empty windows", "borders", "the longest histories"} <= set(strata)


def test_a_sample_as_large_as_the_day_is_the_day(day_to_sample: DayToSample) -> None:
    assert draw(day_to_sample, len(day_to_sample.rows), 0).indices == tuple(range(len(day_to_sample.rows)))


def test_about_a_third_is_drawn_at_random(day_to_sample: DayToSample) -> None:
    sample = draw(day_to_sample, 80, 0)
    assert 80 <= len(sample.indices) <= 82
    assert sample.strata["at random"] == pytest.approx(24, abs=3)


def test_a_day_without_rows_gives_none(day_to_sample: DayToSample) -> None:
    empty = DayToSample(
        day_to_sample.project,
        day_to_sample.raws,
        day_to_sample.declared,
        day_to_sample.day,
        [],
        day_to_sample.published,
    )
    assert draw(empty, 10, 0).indices == ()


def test_the_longest_history_is_drawn(tmp_path: Path, day_to_sample: DayToSample) -> None:
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
    assert 77 in {rows[index]["user_id"] for index in sample.indices}

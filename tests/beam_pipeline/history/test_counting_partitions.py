"""Partitions of a history of which no row can count are not read: the bytes and the inputs are the same."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from beam_pipeline.history import partition_cache, reader
from beam_pipeline.session.inputs import ScannedFiles
from tests.beam_pipeline.extending import build, published
from tests.projects import TinyProject, moment

FIRST, LAST = dt.date(2024, 1, 5), dt.date(2024, 1, 9)
# What a window is like, and how many days before the day the last partition is of which a row counts.
WINDOWS: dict[str, tuple[dict[str, Any], int]] = {
    "plain": ({}, 0),
    "a short offset": ({"offset": "23h"}, 0),
    "an offset": ({"offset": "2d"}, 2),
    "aligned to hours": ({"aligned_to": "6h"}, 0),
    "aligned to days": ({"aligned_to": "1d"}, 1),
    "aligned and moved": ({"aligned_to": "12h", "offset": "30h"}, 1),
    "each night": ({"available": {"daily_at": "23:59"}}, 1),
    "thirty hours late": ({"available": {"after": "30h"}}, 1),
}


def project(root: Path, window: dict[str, Any], slack: int = 0) -> TinyProject:
    made = TinyProject(root).without_enrichment()
    made.runtime |= {"feed_start": str(FIRST), "feed_end": str(LAST)}
    made.views["prices"]["source"]["missing_partitions"] = "empty"
    if slack:
        made.views["events"]["source"]["partition_slack"] = slack
    for spec in made.aggregations["aggregation_specs"]:
        spec |= window
    made.data["events"] = [
        (user, 10 + (user + day) % 3, moment(f"{day:02} {hour:02}:00"), float(user))
        for day in range(1, LAST.day + 1) for hour in (0, 7, 23) for user in range(4)
    ]  # fmt: skip
    return made.write_data()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dt.date, set[dt.date]]]:
    """Each day with the partitions of its history that it read."""
    seen: list[tuple[dt.date, set[dt.date]]] = []
    counting = reader.counting_partitions

    def noted(session: Any, *words: Any) -> tuple[ScannedFiles, ...]:
        all_scanned = counting(session, *words)
        for scanned in all_scanned:
            if scanned.scan.reads == "lookback" and scanned.scan.view == "events":
                partitions = scanned.view_files.partitions.items()
                seen.append((session.day, {day for day, paths in partitions if set(paths) & set(scanned.needed)}))
        return all_scanned

    monkeypatch.setattr(reader, "counting_partitions", noted)
    return seen


@pytest.mark.some(3)
@pytest.mark.parametrize("readers", [4, 1_000], ids=["sorted partitions", "of DuckDB"])
@pytest.mark.parametrize("name", WINDOWS)
def test_what_cannot_count_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[tuple[dt.date, set[dt.date]]], name: str, readers: int
) -> None:
    monkeypatch.setattr(partition_cache, "_LEAST_READERS", readers)
    window, back = WINDOWS[name]
    given = project(tmp_path, window)
    build(given, "output")
    assert {day for day, _ in read} == {FIRST + dt.timedelta(days=number) for number in range(5)}
    assert {day - max(partitions) for day, partitions in read} == {dt.timedelta(days=back)}
    monkeypatch.setattr(reader, "counting_partitions", lambda session, *_: tuple(session.inputs.scanned.values()))
    build(given, "whole")
    assert published(given, "output") == published(given, "whole")


def test_a_partition_that_may_hold_earlier_rows_is_read(
    tmp_path: Path, read: list[tuple[dt.date, set[dt.date]]]
) -> None:
    build(project(tmp_path, {"offset": "2d"}, slack=1), "output")
    assert {day - max(partitions) for day, partitions in read} == {dt.timedelta(days=1)}

"""The page of figures says what the results say."""

from __future__ import annotations

from typing import Any

from bench.goals import GOALS
from bench.harness import RESULTS
from bench.report import PAGE, PICTURE, README, load, measured, page, with_figures


def result(seconds: float, peer: float) -> dict[str, Any]:
    systems = {
        "daeda": {"seconds": seconds, "peak_mib": 300.0, "rounds": 5},
        "duckdb_io_handwritten": {"seconds": peer, "peak_mib": 200.0, "rounds": 5},
    }
    machine = {"cores": 2, "memory_gib": 8, "system": "Linux"}
    return {
        "workload": "small", "rows": {"spine": 10}, "machine": machine, "systems": systems, "figures": {},
        "skipped": {"feast_duckdb": "no network"}, "notes": ["daeda, seconds by operator: sink 0.5"],
    }  # fmt: skip


def test_goals_are_read_from_the_results() -> None:
    small = GOALS[0]
    assert measured(small, {"small": result(1.3, 1.0)}) == 1.3
    assert small.met(1.154)
    assert not small.met(1.156)
    assert measured(small, {}) is None


def test_page_names_misses_with_their_profile_and_what_was_skipped() -> None:
    text = page({"small": result(2.0, 1.0)})
    assert "| at most 1.15 x | 2.00 x | **missed** | `make bench WORKLOAD=small` |" in text
    assert "daeda, seconds by operator: sink 0.5." in text.partition("### What holds the missed ones back")[2]
    assert "| duckdb_io_handwritten | 1.000 | 200 | 5 | 2.00 |" in text
    assert "- feast_duckdb was skipped: no network." in text
    assert "| at most 10.5 x | not measured |" in text


def test_page_and_readme_are_written_from_the_results() -> None:
    results = load(RESULTS)
    assert PAGE.read_text() == page(results), "run `python -m bench.report`"
    assert README.read_text() == with_figures(README.read_text(), results), "run `python -m bench.report`"
    assert PICTURE.read_text().count("</svg>") == 1

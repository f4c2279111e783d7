"""Every workload runs, at a size where its figures mean nothing: the answers of its peers are compared all the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.catalogue import WORKLOADS
from bench.command import main
from tests.conftest import SHARED

# Systems that stand in the result at any rate: what is not installed, or not built, is skipped with a reason.
HAND_WRITTEN = {"duckdb_io_handwritten", "polars_io_handwritten", "pyarrow_io_handwritten", "best_handwritten"}
SYSTEMS = {
    "small": {"daeda", *HAND_WRITTEN},
    "huge": {"daeda_large", "daeda_huge"},
    "skewed": {"daeda", *HAND_WRITTEN},
    "newest": {"daeda"},
    "wide": {"daeda"},
    "distinct30": {"daeda", "range_join"},
    "pit": {"daeda", "duckdb_io_handwritten", "polars_io_handwritten"},
    "month": {"daeda_7d", "daeda_90d"},
    "days": {"daeda_3_days", "daeda_30_days", "daeda_365_days"},
    "vectors": {"daeda", "single_process_loop"},
    "catalogue": {"daeda"},
    "extend": {"its own service", "add one column", "rename one column", "rebuild"},
    "statistics": {"daeda", "statistics"},
    "loader": {"daeda", "pyarrow_alone", "daeda_enriched", "pyarrow_enriched", "daeda_long_epoch"},
    "startup": {"daeda_help", "daeda_plan", "daeda_plan_14_days", "daeda_one_day", "daeda_check", "daeda_preview"},
    "ray_start": {"as_is", "with_all"},
    "importing": {"daeda", "daeda_5_times_the_rows"},
}
WITH_SHARED = {"newest": "window_frame", "wide": "numpy_pairs"}
# They share their code with another one that is run, and differ in numbers alone.
# journey and features have tests beside the data that they need: tests/journey/test_bench.py; scaling starts
# engines, and is in tests/engines/test_bench.py, and without them in test_scaling.py.
LEFT_OUT = {"large", "impressions", "distinct", "aggregates", "journey", "features", "scaling"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("bench")
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.some(1, cases=4)
@pytest.mark.parametrize("name", [name for name in WORKLOADS if name not in LEFT_OUT])
def test_workload_runs_and_its_peers_agree(name: str, cache: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    assert main([name, "--tiny", "--cache", str(cache), "--result", str(result)]) == 0
    report = json.loads(result.read_text())
    assert report["workload"] == name
    assert report["equal"] is True
    expected = set(SYSTEMS.get(name, ()))
    if SHARED.is_dir() and name in WITH_SHARED:
        expected.add(WITH_SHARED[name])
    assert expected <= set(report["systems"])
    assert all(one["seconds"] >= 0 for one in report["systems"].values())


def test_without_a_name_the_workloads_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(WORKLOADS)


def test_an_unknown_name_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["smal"]) == 2
    assert capsys.readouterr().err == f"no workload 'smal': there are {', '.join(WORKLOADS)}\n"

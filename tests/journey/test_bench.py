"""The bench of the example runs, over the data that is prepared for the other tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.harness import Bench
from bench.workloads import features
from bench.workloads.journey import PARAMETERS, run
from tests.journey.conftest import Journey


@pytest.mark.long
def test_journey_is_measured(journey: Journey, tmp_path: Path) -> None:
    bench = Bench("journey", rounds=1, tiny=True, cache=tmp_path)
    prepared = bench.data_directory(PARAMETERS)
    prepared.mkdir()
    (prepared / "data").symlink_to(journey.data)
    outcome = run(bench)
    assert list(outcome.systems) == ["daeda_skeleton"]
    assert set(bench.skipped) == {"daeda_enrichment"}
    assert outcome.rows["in 2 days"] > outcome.rows["in 1 days"] > 0


@pytest.mark.long
def test_features_of_a_frame_are_measured(journey: Journey, tmp_path: Path) -> None:
    prepared = Bench("journey", cache=tmp_path).data_directory(PARAMETERS)
    prepared.mkdir()
    (prepared / "data").symlink_to(journey.data)
    outcome = features.run(Bench("features", rounds=1, tiny=True, cache=tmp_path))
    assert list(outcome.systems) == ["daeda_pandas", "daeda_pandas of 10 rows"]

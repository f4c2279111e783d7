"""The project of Dagster in examples/, run by Dagster on the project that docs/getting-started.md makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.walking import started
from tests.environments import python_of

ROOT = Path(__file__).parents[2]
TRIED = Path(__file__).with_name("dagster_tried.py")


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What dagster_tried.py saw; the files end with 4 March, so that days from there on wait for their label."""
    python = python_of(".venv-dagster", "examples/dagster_days/requirements.txt", "make dagster")
    walk = started(tmp_path_factory.mktemp("days"))
    environment = os.environ | {
        "TRAINING_PROJECT": str(walk.folder),
        "TRAINING_COMMAND": str(Path(sys.executable).with_name("daeda")),
        "TRAINING_END": "2024-03-04",
        "DAGSTER_HOME": str(tmp_path_factory.mktemp("home")),
    }
    command = [python, TRIED, ROOT / "examples/dagster_days/definitions.py", walk.folder]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.cases
def test_a_service_is_an_asset_of_days_below_its_views(tried: dict[str, Any]) -> None:
    assert tried["assets"] == {"next_purchase": ["views/purchases"], "views/purchases": []}


@pytest.mark.cases
def test_a_day_is_materialised_with_the_fingerprint_as_its_data_version(tried: dict[str, Any]) -> None:
    built = tried["built"]
    assert (built["success"], built["rows"], built["directory"]) == (
        True,
        3,
        "output/next_purchase/skeleton/dt=2024-03-03",
    )
    assert built["again"] == built["version"]
    assert built["after_another_definition"] != built["version"]


@pytest.mark.cases
def test_a_day_that_waits_is_observed_and_neither_fails_nor_is_materialised(tried: dict[str, Any]) -> None:
    waiting = tried["waiting"]
    assert (waiting["success"], waiting["materialised"], waiting["state"]) == (True, False, "waiting")
    assert waiting["until"].startswith("waiting: buys_again_1d matures 2024-03-06")


@pytest.mark.cases
def test_the_sensor_requests_what_is_to_be_built_and_says_what_waits(tried: dict[str, Any]) -> None:
    assert tried["requested"] == ["2024-03-02", "2024-03-03"]
    assert tried["skipped"].startswith("next_purchase 2024-03-04 waiting: buys_again_1d matures")


@pytest.mark.cases
def test_a_day_of_which_the_data_is_missing_fails_with_the_sentence_of_daeda(tried: dict[str, Any]) -> None:
    assert not tried["missing"]["success"]
    assert "2024-03-02: purchases has no partition for 2024-03-03" in tried["missing"]["said"]

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from daeda.cli.main import build_parser
from daeda.errors import ConfigurationError
from daeda.flags.parser import settings_given, words_of
from daeda.flags.table import SETTINGS
from daeda.settings.runtime import RuntimeSettings
from tests.projects import TinyProject


def runtime(tmp_path: Path, flags: dict[str, Any] | None = None, **entries: Any) -> RuntimeSettings:
    project = TinyProject(tmp_path)
    project.runtime |= entries
    return project.write().load(**(flags or {})).runtime


def refusal(tmp_path: Path, flags: dict[str, Any] | None = None, **entries: Any) -> str:
    with pytest.raises(ConfigurationError) as raised:
        runtime(tmp_path, flags, **entries)
    return str(raised.value)


def test_a_flag_wins_over_the_environment_which_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert runtime(tmp_path, day_workers=2).day_workers == 2
    monkeypatch.setenv("DAEDA_DAY_WORKERS", "3")
    assert runtime(tmp_path, day_workers=2).day_workers == 3
    assert runtime(tmp_path, {"day_workers": 4}, day_workers=2).day_workers == 4


def test_a_nested_variable_changes_one_entry_and_keeps_its_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAEDA_RAY__MEMORY", "8GiB")
    ray = runtime(tmp_path, {"ray": {"num_cpus": 4}}, ray={"num_cpus": 2, "reserved_cpus": 0}).ray
    assert (ray.num_cpus, ray.memory, ray.reserved_cpus) == (4, 8 * 2**30, 0)


def test_a_month_stands_for_its_days(tmp_path: Path) -> None:
    days = runtime(tmp_path, feed_start="2024-02", feed_end="2024-02").days
    assert (days[0], days[-1], len(days)) == (dt.date(2024, 2, 1), dt.date(2024, 2, 29), 29)


def test_one_day_is_a_range(tmp_path: Path) -> None:
    assert runtime(tmp_path, feed_start="2024-01-02", feed_end="2024-01-02").days == (dt.date(2024, 1, 2),)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"feed_start": "2024-01-04"},
         "config/training/runtime.yaml:1: feed_end 2024-01-03 lies before feed_start 2024-01-04: swap them"),
        ({"feed_end": "2024-13"},
         "config/training/runtime.yaml:5: feed_end: '2024-13-01' is not a day: month must be in 1..12"),
        ({"output_columns": ["user_id", "user_id"]},
         "config/training/runtime.yaml:1: output_columns names user_id twice: each column stands once"),
        ({"compute": {"engine": "spark"}},
         "config/training/runtime.yaml:21: compute.engine: 'spark' is not known here: Known: duckdb, polars"),
        ({"compute": {"duckdb_config": {"memory_limit": "4 gigabytes"}}},
         "config/training/runtime.yaml:22: compute.duckdb_config.memory_limit: '4 gigabytes' is not a size: write a "
         "whole number and a unit, like 512MiB or 64GiB"),
        ({"service": "house-hold"},
         "config/training/runtime.yaml:1: service: 'house-hold' is not a name: use letters, digits and '_', and begin "
         "with a letter or '_'"),
    ],
)  # fmt: skip
def test_a_wrong_entry_names_its_line(tmp_path: Path, entries: dict[str, Any], message: str) -> None:
    assert refusal(tmp_path, **entries) == message


def test_a_missing_entry_is_named(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    del project.runtime["service"]
    with pytest.raises(ConfigurationError) as raised:
        project.write().load()
    assert str(raised.value) == "config/training/runtime.yaml:1: 'service' is missing"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("DAEDA_DAY_WORKERS", "0", "DAEDA_DAY_WORKERS: 0 is too small: write at least 1"),
        ("DAEDA_RAY__NUM_CPUS", "x", "DAEDA_RAY__NUM_CPUS: 'x' is not a whole number: write one of at least 1"),
        ("DAEDA_RAY", "16", "DAEDA_RAY: 16 is no mapping of keys to values: write it like {\"key\": \"value\"}"),
        ("DAEDA_COMPUTE", "duckdb", "DAEDA_COMPUTE: is not JSON: write it like '{\"key\": \"value\"}', or write it in "
                                    "config/training/runtime.yaml"),
        ("DAEDA_THREADS", "2", "DAEDA_THREADS: no setting has this name behind DAEDA_: Known: COMPUTE, DATA_ROOT, "
                               "DATA_UNTIL, DAY_WORKERS, ENRICH_BATCH_ROWS, FEATURE_REFS, FEED_END, FEED_START, "
                               "LINEAGE, OUTPUT_COLUMNS, OUTPUT_ROOT, RAY and 6 more"),
    ],
)  # fmt: skip
def test_a_wrong_variable_is_named_and_not_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert refusal(tmp_path) == message


def test_a_wrong_flag_is_named_and_not_the_file(tmp_path: Path) -> None:
    assert refusal(tmp_path, {"day_workers": 0}) == "--day-workers: 0 is too small: write at least 1"
    assert refusal(tmp_path, {"ray": {"num_cpus": 0}}) == "--ray-num-cpus: 0 is too small: write at least 1"


def test_the_pipe_of_the_driver_is_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAEDA_LIFELINE_FD", "3")
    assert runtime(tmp_path).service == "ranking"


def test_paths_in_yaml_are_relative_to_the_directory_that_holds_config(tmp_path: Path) -> None:
    project = TinyProject(tmp_path).write().load()
    assert project.root == tmp_path
    assert project.data_path("events") == str(tmp_path / "data/events")
    assert project.data_path("/elsewhere/events") == "/elsewhere/events"
    assert project.service_dir == tmp_path / "output/ranking"


def test_a_name_that_no_file_uses_is_a_warning(tmp_path: Path) -> None:
    project = TinyProject(tmp_path)
    project.base["forgotten"] = 1
    assert project.write().load().warnings == ("config/base.yaml:3: 'forgotten' is used by no other file",)


# A word for each flag that stands for a setting, and the value that the setting then has.
FLAGS: dict[str, tuple[str, Any]] = {
    "--output-root": ("/elsewhere", "/elsewhere"),
    "--start": ("2024-01-01", dt.date(2024, 1, 1)),
    "--end": ("2024-01-09", dt.date(2024, 1, 9)),
    "--data-until": ("1970-01-02", {"": 86_400_000_000_000}),
    "--day-workers": ("3", 3),
    "--duckdb-memory-limit": ("512MiB", 512 * 2**20),
    "--duckdb-threads": ("5", 5),
    "--duckdb-temp-directory": ("/spill", "/spill"),
    "--ray-num-cpus": ("4", 4),
    "--ray-memory": ("8GiB", 8 * 2**30),
    "--ray-object-store-memory": ("1GiB", 2**30),
    "--ray-reserved-cpus": ("0", 0),
    "--ray-reserved-memory": ("600MiB", 600 * 2**20),
    "--ray-actor-percent": ("50", 50),
    "--ray-address": ("10.0.0.1:6379", "10.0.0.1:6379"),
    "--ray-start-timeout-seconds": ("7", 7),
    "--ray-day-timeout-minutes": ("9", 9),
    "--preload-day-embeddings": ("", True),
    "--no-preload-day-embeddings": ("", False),
}


def test_every_flag_of_a_setting_is_tried() -> None:
    assert {*FLAGS} - {"--no-preload-day-embeddings"} == {setting.flag for setting in SETTINGS}


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_of_train_sets_its_setting_and_reaches_the_half_that_it_is_for(flag: str, tmp_path: Path) -> None:
    word, expected = FLAGS[flag]
    words = [flag, word] if word else [flag]
    arguments = build_parser().parse_strictly(["pipeline", "train", "ranking", *words])
    bare = flag.replace("--no-", "--")
    setting = next(setting for setting in SETTINGS if setting.flag.replace("--no-", "--") == bare)
    settings: Any = TinyProject(tmp_path).write().load(**settings_given(arguments)).runtime
    for name in setting.position:
        settings = getattr(settings, name)
    assert settings == expected
    others = [other for other in SETTINGS if other is not setting]
    assert not any(words_of(other, getattr(arguments, other.dest)) for other in others)
    assert words_of(setting, getattr(arguments, setting.dest)) == words


def test_a_directory_of_a_flag_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = build_parser().parse_strictly(["pipeline", "train", "ranking", "--duckdb-temp-directory", "spill"])
    assert settings_given(arguments) == {"compute": {"duckdb_config": {"temp_directory": str(tmp_path / "spill")}}}


def test_a_mistake_of_the_whole_file_is_told_where_the_file_is_though_a_flag_was_given(tmp_path: Path) -> None:
    assert refusal(tmp_path, {"day_workers": 2}, feed_start="2024-01-04") == (
        "config/training/runtime.yaml:1: feed_end 2024-01-03 lies before feed_start 2024-01-04: swap them"
    )

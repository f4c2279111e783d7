"""`daeda check`: all mistakes at once, and hints at leaks, each with what was seen and its cure."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from daeda.cli.main import main
from tests.daeda.cli.test_answers import checked
from tests.projects import TinyProject, moment


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    """A project without an enrichment, and the working directory."""
    monkeypatch.chdir(tmp_path)
    return TinyProject(tmp_path).without_enrichment()


def _found(project: TinyProject, capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, Any]:
    project.write()
    capsys.readouterr()
    assert main(["check", "ranking", "--json"]) == code
    return checked(capsys.readouterr().out, "daeda.check/1")


def _hints(document: dict[str, Any], kind: str) -> list[dict[str, str]]:
    return [hint for hint in document["hints"] if hint["kind"] == kind]


def test_a_sound_project_gets_the_times_of_its_views_and_one_line(
    project: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write().write_data()
    assert main(["check"]) == 0
    told = capsys.readouterr()
    assert told.out == "ranking: nothing is wrong\n"
    assert told.err == (
        "events: from 2024-01-01 12:00:00 to 2024-01-03 08:00:00 UTC, 3 partitions\n"
        "prices: from 2024-01-01 00:00:00 to 2024-01-03 07:00:00 UTC, 3 partitions\n"
    )
    assert not (project.root / "output").exists()


def test_mistakes_of_names_and_of_types_in_the_data_are_told_together(
    project: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write().write_data()
    project.service["columns"][5] = {"name": "prize", "kind": "point_in_time", "dtype": "double"}
    project.views["items"]["fields"][1]["dtype"] = "int64"
    project.views["prices"]["source"]["path"] = "prizes"
    mistakes = "\n".join(_found(project, capsys, code=2)["mistakes"])
    assert "prize" in mistakes
    assert "feature_views/prices.yaml:" in mistakes
    assert "prizes does not exist" in mistakes
    assert "view 'items'" in mistakes


def test_every_view_without_its_files_is_told(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    project.write()
    mistakes = _found(project, capsys, code=2)["mistakes"]
    assert [line.partition(":")[0] for line in mistakes] == [
        "feature_views/events.yaml", "feature_views/items.yaml", "feature_views/prices.yaml",
    ]  # fmt: skip


def test_a_store_that_is_not_there_is_a_mistake_of_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    TinyProject(tmp_path).write().write_data()
    assert main(["check", "--json"]) == 2
    told = capfd.readouterr()
    [mistake] = checked(told.out, "daeda.check/1")["mistakes"]
    assert mistake == (
        f"embedding store 'vectors': {tmp_path}/data/vectors.lance does not exist: correct the path or data_root, or "
        "put the data there"
    )
    assert told.err == ""


def test_what_is_unused_is_a_warning(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    project.without("category").write().write_data()
    warnings = _found(project, capsys)["warnings"]
    assert any("'items'" in warning for warning in warnings)


def test_a_static_column_named_like_an_outcome(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    project.views["items"]["fields"][1]["name"] = "is_fraud"
    project.column("category")["name"] = "is_fraud"
    project.runtime["feature_refs"][0] = "items:is_fraud"
    project.runtime["output_columns"][4] = "is_fraud"
    project.write().write_data()
    (hint,) = _hints(_found(project, capsys), "outcome")
    assert hint["where"].startswith("feature_services/ranking.yaml:")
    assert hint["evidence"] == (
        "column 'is_fraud' is named like an outcome ('fraud') and is looked up in 'items', which has no time, so every "
        "row sees what is known today"
    )
    assert hint["cure"].startswith("if it becomes known after the row, declare it as a label")


def test_an_outcome_that_is_declared_is_no_hint(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    project.views["events"]["fields"].append({"name": "is_fraud", "dtype": "bool"})
    project.data["events"] = [(*row, True) for row in project.data["events"]]
    project.service["columns"].append({"name": "is_fraud", "kind": "spine", "dtype": "bool"})
    project.runtime["output_columns"].append("is_fraud")
    project.write().write_data()
    (hint,) = _hints(_found(project, capsys), "outcome")
    assert "label: true" in hint["cure"]
    project.column("is_fraud")["label"] = True
    project.write()
    assert not _hints(_found(project, capsys), "outcome")


def test_rows_from_after_their_file_was_written(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    project.write().write_data()
    newest = project.root / "data/prices/dt=2024-01-03/part-0.parquet"
    written = moment("03 05:00").replace(tzinfo=dt.UTC).timestamp()
    os.utime(newest, (written, written))
    (hint,) = _hints(_found(project, capsys), "local times")
    assert hint["evidence"] == (
        "the newest 'event_timestamp' of 'prices' is 2024-01-03 07:00:00 UTC, 2.0 h after its file was written "
        "(2024-01-03 05:00:00 UTC), so it looks like local time"
    )


def test_rows_from_further_ahead_than_any_zone(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    project.write().write_data()
    newest = project.root / "data/prices/dt=2024-01-03/part-0.parquet"
    written = moment("01 05:00").replace(tzinfo=dt.UTC).timestamp()
    os.utime(newest, (written, written))
    found = _found(project, capsys)
    assert not _hints(found, "local times")
    (hint,) = _hints(found, "times to come")
    assert hint["evidence"] == (
        "the newest 'event_timestamp' of 'prices' is 2024-01-03 07:00:00 UTC, 2.1 days after its file was written "
        "(2024-01-01 05:00:00 UTC): no zone is so far from UTC"
    )
    assert "`created_field`" in hint["cure"]


def test_a_view_that_ends_before_the_spine(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    project.data["prices"] = [(10, moment("01 00:00"), 1.5)]
    project.views["prices"]["source"]["missing_partitions"] = "empty"
    project.write().write_data()
    (hint,) = _hints(_found(project, capsys), "behind the spine")
    assert hint["evidence"] == (
        "the newest row of 'prices' is of 2024-01-01 00:00:00 UTC, 2.3 days before the newest of the spine 'events' "
        "(2024-01-03 08:00:00 UTC); its ttl of 1d ends meanwhile"
    )
    assert hint["cure"].endswith("; where nothing changed since, nothing is missing")


def test_rows_that_share_time_and_grain(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    """Two events of one user and item at one time, one of them three times; other times of a pair are no such thing."""
    noon = moment("03 12:00")
    project.data["events"] = [
        *((1, 10, moment("03 08:00") + dt.timedelta(minutes=number), 1.0) for number in range(20)),
        (1, 11, noon, 1.0), (1, 11, noon, 2.0), (2, 10, noon, 1.0), (2, 10, noon, 1.0), (2, 10, noon, 1.0),
        (1, 11, moment("02 12:00"), 1.0), (1, 11, moment("01 12:00"), 1.0),
    ]  # fmt: skip
    project.write().write_data()
    (hint,) = _hints(_found(project, capsys), "grain")
    assert hint["where"] == "feature_services/ranking.yaml:3"
    assert hint["evidence"] == (
        "5 of 25 rows of 'events' that were looked at share their time and grain (user_id, item_id) with another"
    )
    assert hint["cure"].startswith("the grain need not be unique, and each row is kept")
    project.service["grain"] = ["user_id", "item_id", "amount"]
    (hint,) = _hints(_found(project, capsys), "grain")
    assert hint["evidence"].startswith("3 of 25 rows")
    project.data["events"] = [row for row in project.data["events"] if row[2] != noon]
    project.write().write_data()
    assert _hints(_found(project, capsys), "grain") == []


def test_a_field_that_its_files_lack_is_told_before_what_follows(
    project: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write().write_data()
    project.views["events"]["fields"][3]["name"] = "amuont"
    mistakes = _found(project, capsys, code=2)["mistakes"]
    assert "'amuont'" in mistakes[0]
    assert "view 'events'" in mistakes[0]
    assert any("did you mean 'amuont'" in mistake for mistake in mistakes[1:])


def _many(project: TinyProject) -> None:
    """Forty prices on each of ten days; the newest ones are to a half without a price."""
    days = [dt.datetime(2024, 1, 1) + dt.timedelta(days=day, hours=1) for day in range(10)]
    project.data["prices"] = [
        (item, day, None if day is days[-1] and item % 2 else 1.0) for day in days for item in range(40)
    ]


def test_a_column_that_is_filled_later_than_its_event(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    _many(project)
    project.write().write_data()
    (hint,) = _hints(_found(project, capsys), "filled later")
    assert hint["evidence"] == (
        "'price' of 'prices' is NULL in 50% of 2024-01-10 and in 0% of the partitions a week and more before, so it is "
        "filled after its event, and training sees what serving does not have yet"
    )
    assert hint["cure"] == "declare source.created_field, or source.available with the delay, or leave it out"


def test_a_second_time_that_lies_after_the_first(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    late = dt.timedelta(hours=3)
    project.views["prices"]["fields"].append({"name": "updated_at", "dtype": "timestamp[us]"})
    project.data["prices"] = [
        (item, moment(f"0{day} 00:30"), 1.0, moment(f"0{day} 00:30") + late) for day in (1, 2, 3) for item in range(30)
    ]
    project.write().write_data()
    (hint,) = _hints(_found(project, capsys), "filled later")
    assert hint["evidence"] == (
        "'updated_at' of 'prices' is later than 'event_timestamp' in 100% of the newest rows (by 3.0 h in the median), "
        "so its rows may be filled then"
    )
    assert hint["cure"] == "where they are, declare source.created_field: updated_at"
    project.views["prices"]["source"]["created_field"] = "updated_at"
    assert _hints(_found(project, capsys), "filled later") == []


def _with_label(project: TinyProject, window: str, **label: Any) -> TinyProject:
    """A label of what is sold behind the row, which is known up to the third."""
    project.aggregations["label_specs"] = [
        {"name": "sold", "entity": "item", "history": {"view": "events"}, "kind": "count", "window": window, **label}
    ]
    project.service["columns"].append({"name": "sold", "kind": "label", "dtype": "int64"})
    project.runtime["output_columns"].append("sold")
    return project


def test_days_that_wait_for_labels_lack_no_partition(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    _with_label(project, "1d").write().write_data()
    waits = (
        "1 day left out, waiting for labels (2024-01-03): sold matures 2024-01-05 (needs events up to dt=2024-01-04)"
    )
    found = _found(project, capsys)
    assert (found["mistakes"], found["notes"]) == ([], [waits])
    assert main(["check"]) == 0
    told = capsys.readouterr()
    assert told.out == "ranking: nothing is wrong\n"
    assert told.err.startswith(f"{waits}\n")


def test_days_that_lack_labels_are_noted(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    found = _found(_with_label(project, "1d", immature=None).write_data(), capsys)
    lacks = "sold is NULL on 1 day (2024-01-03), 2024-01-03 matures 2024-01-05 (needs events up to dt=2024-01-04)"
    assert (found["mistakes"], found["notes"]) == ([], [lacks])


def test_a_range_that_waits_as_a_whole_is_a_mistake(project: TinyProject, capsys: pytest.CaptureFixture[str]) -> None:
    found = _found(_with_label(project, "9d").write_data(), capsys, code=2)
    assert found["notes"] == []
    assert found["mistakes"] == [
        "2 days cannot be built yet, the first to mature is 2024-01-02: sold matures 2024-01-12 (needs events up to "
        "dt=2024-01-11): choose earlier days, add later data, or say data_until in runtime.yaml where a view is quiet"
    ]


def test_a_partition_that_a_mature_day_lacks_is_missing_beside_days_that_wait(
    project: TinyProject, capsys: pytest.CaptureFixture[str]
) -> None:
    _with_label(project, "1d").write().write_data()
    shutil.rmtree(project.root / "data/prices/dt=2024-01-02")
    (mistake,) = _found(project, capsys, code=2)["mistakes"]
    assert "prices has no partition for 2024-01-02: add them" in mistake

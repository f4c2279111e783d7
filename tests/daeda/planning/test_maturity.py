"""Which days wait for their labels, by what files hold and by `data_until`, and what becomes of those days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from beam_pipeline.command import main as skeleton_main
from daeda.cli.main import main
from daeda.compiler.compile import compile_runnable
from daeda.errors import ConfigurationError, InputError
from daeda.planning.days import Action, DayPlan, plan_skeleton, refuse_waiting, told_waiting
from daeda.planning.enriched_days import plan_enriched
from daeda.planning.maturity import Maturity
from daeda.planning.sources import find_sources
from daeda.settings.runtime import parse_data_until
from tests.projects import TinyProject, fields, moment

LABEL = {"name": "sold", "entity": "item", "history": {"view": "sales"}, "kind": "count", "window": "1d"}
# What is said of the label by the day on which it matures.
SOLD = {day: f"sold matures 2024-01-0{day} (needs sales up to dt=2024-01-0{day - 1})" for day in (5, 6, 7)}


def skeleton_command(words: list[str]) -> int:
    return skeleton_main(words)


def train_command(words: list[str]) -> int:
    return main(["pipeline", "train", "ranking", *words])


def project(root: Path, label: dict[str, Any] | None = None, **source: Any) -> TinyProject:
    """Events of the first to the third; sales of the first to the fourth, known half a day later."""
    made = TinyProject(root).without("price", "category", "recent_items", "events_1d", "item_vector")
    made.runtime |= {"feature_refs": [], "feed_start": "2024-01-01", "feed_end": "2024-01-03"}
    made.runtime["output_columns"].append("sold")
    made.service["columns"].append({"name": "sold", "kind": "label", "dtype": "int64"})
    made.aggregations = {"label_specs": [{**LABEL, **(label or {})}]}
    times = fields(item_id="int64", sold_at="timestamp[us]", known="timestamp[us]")
    made.views["sales"] = {
        "name": "sales", "entity": "item", "source": {"path": "sales", "timestamp_field": "sold_at", **source},
        "fields": times,
    }  # fmt: skip
    made.data["sales"] = [(10, moment(f"0{day} 12:00"), moment(f"0{day + 1} 00:00")) for day in (1, 2, 3, 4)]
    return made


def plans(made: TinyProject, flat: bool = False) -> list[DayPlan]:
    made.write().write_data(flat=flat)
    loaded = made.load()
    dag = compile_runnable(loaded).skeleton()
    return list(plan_skeleton(loaded, dag, find_sources(loaded, dag), loaded.runtime.days, "rebuild"))


def waiting(made: TinyProject, flat: bool = False) -> dict[str, str]:
    found = [plan for plan in plans(made, flat) if plan.action is Action.WAIT]
    return {str(plan.day)[-2:]: ", ".join(plan.reasons) for plan in found}


def test_a_day_waits_until_the_last_partition_covers_its_labels(tmp_path: Path) -> None:
    assert waiting(project(tmp_path / "a")) == {}
    assert waiting(project(tmp_path / "b", {"gap": "1s"})) == {"03": f"waiting: {SOLD[6]}"}
    two = project(tmp_path / "c", {"window": "2d"})
    assert waiting(two) == {"03": f"waiting: {SOLD[6]}"}
    late = project(tmp_path / "d", {"matures_after": "2d"})
    assert waiting(late) == {
        "02": f"waiting: {SOLD[6]}", "03": f"waiting: {SOLD[7]}",
    }  # fmt: skip


def test_slack_takes_days_away(tmp_path: Path) -> None:
    assert waiting(project(tmp_path, partition_slack=1)) == {
        "03": "waiting: sold matures 2024-01-05 (needs sales up to dt=2024-01-05)"
    }


def test_the_newest_row_counts_without_partitions_and_the_newest_known_one_where_there_is_a_created_field(
    tmp_path: Path,
) -> None:
    # The newest row is of the fourth at noon, and was known at midnight behind it.
    assert waiting(project(tmp_path / "a"), flat=True) == {
        "03": "waiting: sold matures 2024-01-05 (needs a row of sales from 2024-01-05 on)"
    }
    known = {"matures_after": "0s"}
    assert waiting(project(tmp_path / "b", known, created_field="known")) == {}
    made = project(tmp_path / "c", known, created_field="known")
    made.data["sales"] = [(item, sold, sold) for item, sold, _ in made.data["sales"]]
    assert waiting(made) == {"03": f"waiting: {SOLD[5][:-1]}, and one known from 2024-01-05 on)"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2024-01-05", []),
        ("2024-01-04T23:59:59.999999", ["03"]),
        ({"sales": "2024-01-04"}, ["03"]),
        ({"events": "2024-01-04"}, []),
        ("sales=2024-01-03,events=2030-01-01", ["02", "03"]),
        ("2024-01-04T02:00:00+02:00", ["03"]),
    ],
)
def test_data_until_takes_the_place_of_what_files_say(tmp_path: Path, said: Any, expected: list[str]) -> None:
    made = project(tmp_path)
    made.runtime["data_until"] = said
    found = waiting(made)
    assert list(found) == expected
    # Only an instant that counts for sales makes days wait.
    assert all("(needs data_until of sales from 2024-01-0" in reason for reason in found.values())


def test_a_partition_before_data_until_that_is_absent_is_missing(tmp_path: Path) -> None:
    made = project(tmp_path)
    made.data["sales"] = made.data["sales"][:3]
    assert list(waiting(made)) == ["03"]
    made.runtime["data_until"] = "2024-01-06"
    last = plans(made)[-1]
    assert (last.action, last.reasons) == (Action.BLOCKED, ("sales has no partition for 2024-01-04",))


def test_a_partition_that_ends_behind_data_until_is_not_missing(tmp_path: Path) -> None:
    made = project(tmp_path, {"gap": "12h"})
    made.data["sales"] = [(item, sold, known) for item, sold, known in made.data["sales"] if sold < moment("04 00:00")]
    made.runtime |= {"data_until": "2024-01-04T12:00:00", "feed_end": "2024-01-02"}
    assert [(plan.action, plan.files) for plan in plans(made)] == [(Action.BUILD, 4), (Action.BUILD, 3)]
    # A run builds it as the plan says, and another one leaves it as it is.
    assert train_command(["--runtime-config-path", str(made.runtime_path)]) == 0
    assert [plan.action for plan in plans(made)] == [Action.SKIP, Action.SKIP]
    made.runtime["data_until"] = "2024-01-05"
    assert plans(made)[-1].reasons == ("sales has no partition for 2024-01-04",)
    # It is missing, too, where the view goes on behind it.
    made.runtime["data_until"] = "2024-01-04T12:00:00"
    made.data["sales"].append((10, moment("05 12:00"), moment("06 00:00")))
    assert plans(made)[-1].reasons == ("sales has no partition for 2024-01-04",)


@pytest.mark.parametrize(
    ("label", "until", "sentence"),
    [
        ({}, "0001-01-01", "label sold: not mature on any day (sales is complete before 0001-01-01)"),
        ({"gap": "999999999w"}, None, "label sold: not mature on any day (sales reaches 2024-01-05)"),
        ({"matures_after": "9999999999d"}, None, "label sold: not mature on any day (sales reaches 2024-01-05)"),
        ({"window": "99999999999d"}, None, "label sold: not mature on any day (sales reaches 2024-01-05)"),
        ({}, "9999-12-31", "label sold: mature up to 9999-12-29 (sales is complete before 9999-12-31)"),
    ],
)
def test_a_plan_goes_on_where_the_calendar_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], label: dict[str, Any], until: str | None, sentence: str
) -> None:
    made = project(tmp_path, label)
    if until is not None:
        made.runtime["data_until"] = until
    if until == "9999-12-31":
        made.views["sales"]["source"]["missing_partitions"] = "empty"
    made.write().write_data()
    assert main(["pipeline", "plan", "ranking", "--runtime-config-path", str(made.runtime_path)]) == 0
    assert sentence in capsys.readouterr().out
    beyond = ["waiting: sold matures after the year 9999 (needs sales beyond the year 9999)"] * 3
    assert list(waiting(made).values()) == (beyond if label else [] if until == "9999-12-31" else [
        "waiting: sold matures 2024-01-03 (needs data_until of sales from 2024-01-03 on)",
        "waiting: sold matures 2024-01-04 (needs data_until of sales from 2024-01-04 on)",
        "waiting: sold matures 2024-01-05 (needs data_until of sales from 2024-01-05 on)",
    ])  # fmt: skip


def test_a_view_may_reach_beyond_the_calendar(tmp_path: Path) -> None:
    for number, when in enumerate((10**12, -(10**11))):
        made = project(tmp_path / str(number))
        made.views["sales"]["source"]["timestamp_unit"] = "s"
        made.views["sales"]["fields"] = fields(item_id="int64", sold_at="int64", known="timestamp[us]")
        made.data["sales"] = [(10, when, moment("03 12:00"))]
        assert told(made, flat=True) == (
            (
                "label sold: mature up to 9999-12-31 (sales reaches after the year 9999)",
                "label sold: not mature on any day (sales reaches before the year 1)",
            )[number],
        )


def told(made: TinyProject, flat: bool = False) -> tuple[str, ...]:
    loaded = made.write().write_data(flat=flat).load()
    dag = compile_runnable(loaded)
    return Maturity(dag, find_sources(loaded, dag.skeleton()).files, loaded.runtime.data_until).told()


def test_a_plan_tells_up_to_which_day_labels_are_mature(tmp_path: Path) -> None:
    made = project(tmp_path / "a", {"windows": ["1d", "2d"], "window": None})
    made.column("sold")["name"] = made.runtime["output_columns"][-1] = "sold_1d"
    made.service["columns"].append({"name": "sold_2d", "kind": "label", "dtype": "int64"})
    made.runtime["output_columns"].append("sold_2d")
    assert told(made) == (
        "label sold_1d: mature up to 2024-01-03 (sales reaches 2024-01-05)",
        "label sold_2d: mature up to 2024-01-02 (sales reaches 2024-01-05)",
    )
    made.runtime["data_until"] = "2024-01-04T23:59:00"
    assert told(made)[0] == "label sold_1d: mature up to 2024-01-02 (sales is complete before 2024-01-04 23:59:00)"
    assert told(project(tmp_path / "b"), flat=True) == (
        "label sold: mature up to 2024-01-02 (sales reaches 2024-01-04 12:00:00)",
    )
    made = project(tmp_path / "c")
    made.data["sales"] = [(10, None, None)]
    made.views["sales"]["source"]["null_timestamps"] = "drop"
    assert told(made, flat=True) == ("label sold: not mature on any day (sales has no row)",)


def test_what_waits_is_told_and_refused_where_nothing_else_is_left(tmp_path: Path) -> None:
    planned = plans(project(tmp_path, {"matures_after": "2d"}))
    assert told_waiting(planned) == (f"2 days left out, waiting for labels (2024-01-02 to 2024-01-03): {SOLD[6]}")
    refuse_waiting(planned, None)
    assert told_waiting(planned[:1]) is None
    with pytest.raises(InputError) as refused:
        refuse_waiting(planned[1:], None)
    assert str(refused.value) == (
        f"2 days cannot be built yet, the first to mature is 2024-01-02: {SOLD[6]}: "
        "choose earlier days, add later data, or say data_until in runtime.yaml where a view is quiet"
    )
    loaded = TinyProject(tmp_path).load()
    enriched = plan_enriched(loaded, compile_runnable(loaded), planned, "rebuild", dict)
    assert [plan.action for plan in enriched] == [Action.BUILD, Action.WAIT, Action.WAIT]


def test_a_published_day_that_waits_alone_is_left_out_unless_it_is_the_target(tmp_path: Path) -> None:
    alone = plans(project(tmp_path, {"matures_after": "1d"}))[-1]
    assert alone.action is Action.WAIT
    published = replace(alone, parts=())
    refuse_waiting([published], None)
    told = "1 day cannot be built yet, the first to mature is 2024-01-03: sold matures 2024-01-06"
    for plan, target in ((alone, None), (alone, "2024-01-03"), (published, "2024-01-03")):
        with pytest.raises(InputError, match=told):
            refuse_waiting([plan], target)


def test_a_published_day_that_waits_and_is_of_another_configuration_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(tmp_path).write().write_data()
    words = ["--runtime-config-path", str(made.runtime_path)]
    assert skeleton_command(words) == 0
    capsys.readouterr()
    made.runtime["data_until"] = "2024-01-03T12:00"
    made.write()
    assert skeleton_command(words) == 0
    assert "2 days left out, waiting for labels (2024-01-02 to 2024-01-03)" in (told := capsys.readouterr().err)
    assert "another configuration" not in told
    made.aggregations["label_specs"][0]["gap"] = "1h"
    made.write()
    assert skeleton_command([*words, "--on-stale", "fail"]) == 1
    assert "stale: 2024-01-01 (skeleton), 2024-01-02 (skeleton), 2024-01-03" in capsys.readouterr().err
    assert skeleton_command(words) == 0
    told = capsys.readouterr().err
    assert "; still there as another configuration made them: 2024-01-02, 2024-01-03\n" in told
    assert main(["pipeline", "plan", "ranking", *words]) == 0
    # For what a day waits comes before what would make it stale, which is counted.
    plan = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "waiting: sold matures 2024-01-05 (needs data_until of sales from 2024-01-04 01:00:00 on), operator" in plan


@pytest.mark.parametrize("command", [skeleton_command, train_command])
def test_a_target_that_waits_ends_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: Callable[[list[str]], int]
) -> None:
    made = project(tmp_path, {"matures_after": "1d"}).write().write_data()
    words = ["--runtime-config-path", str(made.runtime_path), "--target-date", "2024-01-03"]
    assert command(words) == 2
    assert f"the first to mature is 2024-01-03: {SOLD[6]}" in capsys.readouterr().err


def test_the_flag_takes_the_place_of_the_file_and_is_named_where_it_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project(tmp_path)
    made.runtime["data_until"] = "2030-01-01"
    words = ["pipeline", "plan", "ranking", "--runtime-config-path", str(made.write().write_data().runtime_path)]
    for said, until in (("2024-01-04", "2024-01-02"), ("sales=2024-01-03,events=2030-01-01", "2024-01-01")):
        assert main([*words, "--data-until", said]) == 0
        assert f"label sold: mature up to {until} (sales is complete before" in capsys.readouterr().out
    assert main([*words, "--data-until", "soon"]) == 2
    assert capsys.readouterr().err == (
        "error: --data-until: 'soon' is not an instant: write a day like 2025-03-01 or a time of UTC like "
        "2025-03-01T06:00:00\n"
    )
    assert main([*words, "--data-until", "sale=2024-01-04"]) == 2
    assert "no feature view 'sale': did you mean 'sales'" in capsys.readouterr().err


@pytest.mark.parametrize("command", [skeleton_command, train_command])
def test_each_command_hears_the_flag(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: Callable[[list[str]], int]
) -> None:
    made = project(tmp_path).write().write_data()
    words = ["--runtime-config-path", str(made.runtime_path), "--data-until", "2024-01-01"]
    assert command(words) == 2
    assert "3 days cannot be built yet" in capsys.readouterr().err


def test_an_instant_that_is_none_is_refused() -> None:
    for value in (
        "soon",
        True,
        "2024-13-01",
        20240110,
        20250301060000000000,
        "20240110",
        "2024-W02",
        {"sales": 20240110},
    ):
        with pytest.raises(ValueError, match="is not an instant: write a day like 2025-03-01"):
            parse_data_until(value)
    for value, told in (("a=2024-01-01,a=2023-01-01", "a has several instants"), ("=2024-01-01", "is not a name")):
        with pytest.raises(ValueError, match=told):
            parse_data_until(value)
    assert parse_data_until(dt.date(1970, 1, 2)) == {"": 86_400 * 10**9}
    assert parse_data_until("1970-01-02 01:00:00+01:00") == {"": 86_400 * 10**9}


def test_data_until_of_no_view_is_refused(tmp_path: Path) -> None:
    made = project(tmp_path)
    made.runtime["data_until"] = {"sale": "2024-01-05"}
    with pytest.raises(ConfigurationError, match="no feature view 'sale': did you mean 'sales'"):
        plans(made)

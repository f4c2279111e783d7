"""A last day that is not whole, outcomes that are NULL, decimal commas, and what newer rows call for."""

from __future__ import annotations

import datetime as dt
import json
import random
import re
from pathlib import Path

import duckdb
import pytest

from daeda.cli.main import main
from daeda.compiler.compile import compile_runnable
from tests.daeda.init_project import tables
from tests.daeda.init_project.test_projects import init, project_of

COLUMNS = "day,sched_dep_time,dep_delay,arr_delay,tailnum,origin,time_hour"


def _fly(path: Path, day: int, hours: range) -> None:
    """Append flights of a day of March 2024, two in an hour."""
    draw = random.Random(day)
    with path.open("a", newline="\r\n") as file:
        for number in range(2 * len(hours)):
            at = dt.datetime(2024, 3, day, hours[number // 2])
            file.write(f"{day},{at.hour}15,5,5,N{draw.randint(1, 25)},JFK,{at.isoformat()}Z\n")


def _waiting(capfd: pytest.CaptureFixture[str]) -> list[str]:
    capfd.readouterr()
    assert main(["plan", "--end", "2024-03-12", "--json"]) == 0
    days = json.loads(capfd.readouterr().out)["days"]
    return [day["day"] for day in days if day["datasets"]["skeleton"]["action"] == "wait"]


def test_labels_do_not_count_on_a_day_of_which_a_part_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    files = tables.flights(tmp_path / "files")
    assert init(tmp_path / "whole", files, "--no-build") == 0
    assert "data_until" not in (tmp_path / "whole/config/training/runtime.yaml").read_text()
    assert str(project_of(tmp_path / "whole").runtime.feed_end) == "2024-03-11"
    _fly(files[0], 13, range(5))
    made = tmp_path / "made"
    capfd.readouterr()
    assert init(made, files, "--no-build") == 0
    said = " ".join(capfd.readouterr().err.split())
    assert "last day flights: 2024-03-13 has rows up to 2024-03-13 04:00 only, and days end later: it is not a" in said
    runtime = made / "config/training/runtime.yaml"
    assert "\ndata_until: {flights: 2024-03-13T04:00:00}\n" in runtime.read_text()
    assert str(project_of(made).runtime.feed_end) == "2024-03-11"
    monkeypatch.chdir(made)
    # A flight of 12 March at 19:00 may have its next one at 18:00 of the day that is not whole.
    assert _waiting(capfd) == ["2024-03-12"]

    _fly(files[0], 13, range(5, 20))
    _fly(files[0], 14, range(5, 20))
    assert main(["import", str(files[0]), "--to", "data/flights", "--view", "flights"]) == 0
    told = capfd.readouterr().err
    lines = runtime.read_text().splitlines()
    line = 1 + lines.index("data_until: {flights: 2024-03-13T04:00:00}")
    end = 1 + lines.index("feed_end: 2024-03-11")
    assert "read as at the import before: --null NA\n" in told
    assert (
        f"config/training/runtime.yaml:{end}: feed_end is 2024-03-11, and flights has whole days up to 2024-03-14: "
        "`daeda train --end 2024-03-14` builds those behind it as far as their labels are known; or write a later "
        "feed_end\n"
    ) in told
    assert (
        f"config/training/runtime.yaml:{line}: data_until lets labels count on the rows of flights before 2024-03-13 "
        "04:00 alone, and there are later ones now: write data_until: {flights: 2024-03-15T00:00:00}, or remove it\n"
    ) in told
    runtime.write_text(runtime.read_text().replace("data_until:", "# data_until:"))
    assert _waiting(capfd) == []
    # The next file ends early again, and nothing in runtime.yaml says so.
    _fly(files[0], 15, range(3))
    assert main(["import", str(files[0]), "--to", "data/flights", "--view", "flights"]) == 0
    assert (
        "2024-03-15 has rows of flights up to 2024-03-15 02:00 only: while it is not whole, write data_until: "
        "{flights: 2024-03-15T02:00:00} in config/training/runtime.yaml, for labels count on all of a last partition\n"
    ) in capfd.readouterr().err
    # Behind the last day that has a name there is no other one.
    far = tmp_path / "far.csv"
    far.write_text(f"{files[0].read_text().splitlines()[0]}\n1,2315,5,5,N1,JFK,9999-12-31T23:15:00Z\n")
    words = ["--to", "data/flights", "--view", "flights", "--days", "2013-01-01..9999-12-31"]
    assert main(["import", str(far), *words]) == 0
    assert "far.csv: 1 row of 1 day (1 new)\n" in capfd.readouterr().err


def test_the_outcome_of_a_last_whole_day_and_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    files = tables.flights(tmp_path / "files")
    _fly(files[0], 13, range(5))
    made = tmp_path / "made"
    assert init(made, files, "--no-build", "--predict", "dep_delay") == 0
    said = " ".join(capfd.readouterr().err.split())
    assert (
        'dep_delay is NULL in 3.2 % of the rows; to train without those: .polars().drop_nulls("label_dep_delay")'
        in said
    )
    assert re.search("others: --predict again, (.*, )?arr_delay, (.*, )?nothing", said)
    assert 'daeda.dataset("output", "flights_training").polars().collect()' in said
    # Every day of the range is whole.
    assert str(project_of(made).runtime.feed_end) == "2024-03-12"
    monkeypatch.chdir(made)
    assert main(["check", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["warnings"] == []
    specs = made / "config/training/aggregations.yaml"
    specs.write_text(specs.read_text().replace("entity: tail,", "entity: day,"))
    capfd.readouterr()
    assert main(["check"]) == 2
    assert (
        "the entity key 'day_id' is not a field of the view 'flights': did you mean 'day'?" in
        (told := capfd.readouterr().err)
    )  # fmt: skip
    assert "; for the column 'day' write entity: {day: day}, where 'day' stands for day_id\n" in told
    assert init(tmp_path / "other", files, "--no-build", "--predict", "dep_dellay") == 2
    assert "error: --predict: 'dep_dellay' is none of the answers: did you mean 'dep_delay'?" in capfd.readouterr().err


def test_numbers_with_a_decimal_comma(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = [
        f"{number % 7};2024-03-{1 + number // 24:02} {number % 24:02}:00;{number},{number % 90 + 10};1,{number + 100}"
        for number in range(240)
    ]
    path = tmp_path / "sales.csv"
    path.write_text("\n".join(["customer_id;at;total;big", *rows]) + "\n")
    assert init(tmp_path / "made", [path], "--no-build") == 0
    said = " ".join(capfd.readouterr().err.split())
    assert "total has values like " in said
    assert "taken as numbers with a decimal comma" in said
    view = project_of(tmp_path / "made").views["sales"]
    # 1,100 may be a thousand and more.
    assert (view.dtype("total").name, view.dtype("big").name) == ("double", "string")
    read = duckdb.sql(f"SELECT sum(total) FROM read_parquet('{tmp_path}/made/data/sales/dt=*/*.parquet')").fetchall()
    assert read[0][0] == pytest.approx(sum(number + (number % 90 + 10) / 100 for number in range(240)))
    assert "--decimal-comma" in (tmp_path / "made/feature_views/sales.yaml").read_text()
    pointed = path.read_text().replace("at;total;big", "at;total;big;rate").replace("\n", ";0.5\n").replace(
        "big;rate;0.5", "big;rate"
    )  # fmt: skip
    path.write_text(pointed)
    assert init(tmp_path / "pointed", [path], "--no-build") == 0
    assert project_of(tmp_path / "pointed").views["sales"].dtype("total").name == "string"


def test_a_range_ends_with_a_day_that_has_rows(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Rows of two weeks, and then of single days that lie months apart."""
    days = [tables.START.date() + dt.timedelta(days=number) for number in (*range(14), 90, 180)]
    rows = [[f"u{hour % 3}", f"{day} {hour:02}:00:00", hour] for day in days for hour in range(24)]
    path = tables.write_csv(tmp_path / "ratings.csv", ["user_id", "at", "rating"], rows)
    assert init(tmp_path / "made", [path], "--no-build") == 0
    runtime = project_of(tmp_path / "made").runtime
    assert runtime.feed_end == days[14]
    assert main(["check", "--runtime-config-path", str(tmp_path / "made/config/training/runtime.yaml")]) == 0
    assert "the spine has no row" not in capfd.readouterr().err


def test_rows_of_nobody_are_told_with_the_filter_that_leaves_them_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert init(tmp_path / "made", tables.flights(tmp_path / "files"), "--no-build") == 0
    told = "tailnum is NULL in 3.3 % of the rows: nothing is found for them, so that their label is false"
    assert told in " ".join(capfd.readouterr().err.split())
    service = tmp_path / "made/feature_services/flights_training.yaml"
    text = service.read_text()
    proposed = "# spine: {view: flights, filters: [{where: tailnum IS NOT NULL}]}\n"
    assert proposed in text
    service.write_text(text.replace("\nspine: {view: flights}\n", "\n").replace(proposed, proposed[2:]))
    compile_runnable(project_of(tmp_path / "made"))

"""The main job on real data: equal to the oracle, and the same bytes however it is run."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.daeda.statistics.oracle import assert_day
from tests.daeda_preview.train import compare_with_train
from tests.daeda_python.here import compare_frames_with_train
from tests.journey.conftest import DAYS, RUNTIME, SERVICE, Journey, digests, published
from tests.oracle.household_ranking import expected_day

ALL_DAYS = [f"dt={day}" for day in DAYS]


def read_day(output: Path, dataset: str, day: str) -> pa.Table:
    directory = output / SERVICE / dataset / f"dt={day}"
    manifest = json.loads((directory / "_manifest.json").read_text())
    return pa.concat_tables(pq.read_table(directory / part["name"], partitioning=None) for part in manifest["parts"])


@pytest.mark.some(1, cases=2)
@pytest.mark.parametrize("day", DAYS[:2])
def test_a_day_equals_the_oracle_row_for_row_and_column_for_column(journey: Journey, whole_run: Path, day: str) -> None:
    names, expected = expected_day(journey.data, day)
    table = read_day(whole_run, "enriched", day)
    assert table.column_names == list(names)
    columns = [table.column(name).to_pylist() for name in names]
    rows = list(zip(*columns, strict=True))
    assert len(rows) == len(expected) > 3_000
    for index, (actual, wanted) in enumerate(zip(rows, expected, strict=True)):
        assert actual == tuple(wanted), f"row {index} of {day}"


@pytest.mark.cases
def test_the_statistics_of_a_day_are_those_of_the_oracle(whole_run: Path) -> None:
    for dataset in ("skeleton", "enriched"):
        assert_day(whole_run / SERVICE / dataset / f"dt={DAYS[0]}")


def test_a_preview_equals_a_day_and_rows_of_ones_own_do_cell_by_cell(journey: Journey, whole_run: Path) -> None:
    published_day = read_day(whole_run, "enriched", DAYS[0])
    cells, left_out = compare_with_train(RUNTIME, journey.data, DAYS[0], published_day)
    assert cells > 5_000
    assert left_out == {"bought_again_28d": "it is a label"}


@pytest.mark.cases
@pytest.mark.filterwarnings("ignore::daeda.DataWarning")
def test_features_of_a_frame_equal_published_rows_cell_by_cell_in_both_engines(
    journey: Journey, whole_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published_days = pa.concat_tables(read_day(whole_run, "enriched", day) for day in DAYS[:2])
    given = ["event_timestamp", "product_id", "household_id", "basket_id", "store_id"]
    assert compare_frames_with_train(monkeypatch, RUNTIME, journey.data, published_days, given) > 20_000


def test_a_second_run_skips_every_day_touches_nothing_and_prints_the_directory_of_the_final_data(
    journey: Journey, whole_run: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (whole_run / SERVICE).rglob("*.parquet")}
    done = journey.train(whole_run)
    assert done.stdout == f"{whole_run}/{SERVICE}/enriched\n"
    # One row for all of them.
    [row] = [line for line in done.stderr.splitlines() if "skipped" in line]
    assert row.count("skipped") == 2
    assert (DAYS[0] in row, f" {len(DAYS)} " in row) == (True, True)
    assert {path: path.stat().st_mtime_ns for path in (whole_run / SERVICE).rglob("*.parquet")} == before


@pytest.mark.cases
def test_two_halves_give_the_bytes_of_one_run(journey: Journey, whole_run: Path, tmp_path: Path) -> None:
    journey.train(tmp_path, "--skeleton-only")
    assert published(tmp_path, "skeleton") == ALL_DAYS
    assert published(tmp_path, "enriched") == []
    journey.train(tmp_path, "--enrich-only")
    assert digests(tmp_path, "skeleton") == digests(whole_run, "skeleton")
    assert digests(tmp_path, "enriched") == digests(whole_run, "enriched")


@pytest.mark.cases
@pytest.mark.parametrize(
    ("workers", "threads", "chunk"), [("1", "1", "700"), ("3", "2", "1000000"), ("1", "8", "5000")]
)
def test_workers_threads_and_chunks_do_not_change_the_bytes(
    journey: Journey, whole_run: Path, tmp_path: Path, workers: str, threads: str, chunk: str
) -> None:
    settings = {"COMPUTE__DUCKDB_CONFIG__THREADS": threads, "ROLLING_CHUNK_ROWS": chunk}
    journey.train(tmp_path, "--skeleton-only", "--day-workers", workers, **settings)
    assert digests(tmp_path, "skeleton") == digests(whole_run, "skeleton")


@pytest.mark.cases
def test_a_run_interrupted_in_each_half_and_started_again_gives_the_same_bytes(
    journey: Journey, whole_run: Path, tmp_path: Path
) -> None:
    code, errors = journey.interrupt(
        tmp_path, lambda: bool(published(tmp_path, "skeleton")), "--skeleton-only", "--day-workers", "1"
    )
    assert code == 130, errors
    assert "Traceback" not in errors
    check_only_whole_days(tmp_path, "skeleton")
    journey.train(tmp_path, "--skeleton-only")
    code, errors = journey.interrupt(tmp_path, lambda: bool(published(tmp_path, "enriched")), "--enrich-only")
    assert code == 130, errors
    assert "Traceback" not in errors
    check_only_whole_days(tmp_path, "enriched")
    journey.train(tmp_path)
    assert digests(tmp_path, "skeleton") == digests(whole_run, "skeleton")
    assert digests(tmp_path, "enriched") == digests(whole_run, "enriched")


def check_only_whole_days(output: Path, dataset: str) -> None:
    """Every day there has its manifest and parts, some are missing, and staging is empty."""
    days = published(output, dataset)
    assert 0 < len(days) < len(DAYS)
    assert sorted(path.name for path in (output / SERVICE / dataset).iterdir()) == days
    for day in days:
        manifest = json.loads((output / SERVICE / dataset / day / "_manifest.json").read_text())
        for part in manifest["parts"]:
            assert (output / SERVICE / dataset / day / part["name"]).stat().st_size == part["size"]
    assert list((output / SERVICE / "_staging").glob("run-*")) == []


def test_the_rows_of_the_first_page_are_published(whole_run: Path) -> None:
    lines = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("| household_id |"))
    names, _, *shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[begin : begin + 5]]
    table = read_day(whole_run, "enriched", "2017-01-30").select(names)
    rows = [[str(value).lower() if value is True or value is False else str(value) for value in row.values()]
            for row in table.to_pylist()]  # fmt: skip
    assert len(shown) == 3
    for row in shown:
        assert row in rows


def test_the_skeleton_has_the_full_schema_with_placeholders(whole_run: Path) -> None:
    table = read_day(whole_run, "skeleton", DAYS[0])
    assert table.schema.field("product_vector").type == pa.list_(pa.field("element", pa.float32()))
    assert table.column("product_vector").null_count == table.num_rows
    manifest = json.loads((whole_run / SERVICE / "skeleton" / ALL_DAYS[0] / "_manifest.json").read_text())
    marked = [column["name"] for column in manifest["columns"] if column["placeholder"]]
    assert marked == ["product_vector", "recent_products_vector"]

"""The root project: two days equal to the oracle in every row and column, and commands that need no flag."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from daeda.catalog.project import ProjectPaths, load_project
from daeda.compiler.compile import compile_project
from daeda.compiler.edited import PIPELINES
from daeda.compiler.pipeline_file import pipeline_text
from daeda.dtypes import DType
from daeda.planning.explain import explain_text
from daeda.sources.local import preparation_hint
from tests.art_feed.conftest import DAYS, ROOT, SERVICE, ArtFeed
from tests.daeda.statistics.oracle import assert_day
from tests.daeda_preview.train import compare_with_train
from tests.daeda_python.here import compare_frames_with_train
from tests.oracle.dssm_ranking import expected_day

Rows = list[tuple[Any, ...]]


def read_day(output: Path, dataset: str, day: str) -> pa.Table:
    directory = output / dataset / f"dt={day}"
    manifest = json.loads((directory / "_manifest.json").read_text())
    assert len(manifest["parts"]) > 1
    return pa.concat_tables(pq.read_table(directory / part["name"], partitioning=None) for part in manifest["parts"])


@cache
def expected(data: Path, day: str) -> tuple[list[str], Rows]:
    return expected_day(data, day)


def same(name: str, value: Any, wanted: Any) -> bool:
    """A mean of doubles within one unit in the last place, everything else exactly."""
    if name == "like_aes_score_mean_7d" and value is not None and wanted is not None:
        return abs(value - wanted) <= math.ulp(wanted)
    return bool(value == wanted)


@pytest.mark.cases
def test_a_preview_equals_a_day_and_rows_of_ones_own_do_cell_by_cell(trained: ArtFeed) -> None:
    runtime = trained.root / "config/training/runtime.yaml"
    published_day = read_day(trained.output, "enriched", DAYS[0])
    cells, left_out = compare_with_train(runtime, trained.data, DAYS[0], published_day)
    assert cells > 5_000
    assert left_out == {"came_back_to_author_1d": "it is a label"}


@pytest.mark.cases
@pytest.mark.filterwarnings("ignore::daeda.DataWarning")
def test_features_of_a_frame_equal_published_rows_cell_by_cell_in_both_engines(
    trained: ArtFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = trained.root / "config/training/runtime.yaml"
    published_days = pa.concat_tables(read_day(trained.output, "enriched", day) for day in DAYS[:2])
    given = ["user_id", "artwork_id", "event_timestamp", "feed_session", "event", "aes_score", "tack_ids"]
    rounded = ["like_aes_score_mean_7d"]
    assert compare_frames_with_train(monkeypatch, runtime, trained.data, published_days, given, rounded) > 20_000


@pytest.mark.cases
@pytest.mark.parametrize("day", DAYS)
def test_a_day_equals_the_oracle_row_for_row_and_column_for_column(trained: ArtFeed, day: str) -> None:
    names, rows = expected(trained.data, day)
    table = read_day(trained.output, "enriched", day)
    assert table.column_names == names
    assert table.num_rows == len(rows) > 500
    for name in names:
        place = names.index(name)
        for index, value in enumerate(table.column(name).to_pylist()):
            wanted = rows[index][place]
            assert same(name, value, wanted), f"{name} of row {index} of {day}: {value!r} is not {wanted!r}"


@pytest.mark.cases
def test_the_statistics_of_a_day_are_those_of_the_oracle(trained: ArtFeed) -> None:
    assert_day(trained.output / "enriched" / f"dt={DAYS[0]}")


@pytest.mark.cases
def test_the_types_are_those_of_the_contract(trained: ArtFeed) -> None:
    contract = yaml.safe_load((ROOT / "feature_services" / f"{SERVICE}.yaml").read_text())
    types = {column["name"]: DType.parse(column["dtype"]).arrow() for column in contract["columns"]}
    schema = read_day(trained.output, "enriched", DAYS[0]).schema
    for field in schema:
        kind = pa.list_(field.type.value_type) if pa.types.is_list(field.type) else field.type
        assert kind == types[field.name], field.name
    assert set(schema.names) == set(types)


def column(data: Path, name: str) -> list[Any]:
    """The expected values of a column, of both days."""
    names, _ = expected(data, DAYS[0])
    return [row[names.index(name)] for day in DAYS for row in expected(data, day)[1]]


@pytest.mark.cases
def test_what_the_oracle_compares_is_worth_comparing(art_feed: ArtFeed) -> None:
    """Each column has many values, empty ones and full ones; a column of one value would prove nothing."""
    for name in ("like_artwork_ids_7d", "like_author_ids_7d", "like_artwork_tack_ids_7d", "dislike_artwork_ids",
                 "author_artwork_ids_30d", "history_7d_event", "history_7d_age"):  # fmt: skip
        lengths = {len(value) for value in column(art_feed.data, name)}
        assert 0 in lengths, name
        assert len(lengths) > 8, name
    assert max(len(value) for value in column(art_feed.data, "like_artwork_ids_7d")) == 32
    for name in ("account_age_days", "hours_since_last_like", "like_aes_score_mean_7d", "like_rate_7d", "author_id",
                 "artwork_age_hours", "artwork_like_rate_7d", "aes_score", "like_artwork_avg_embeds"):  # fmt: skip
        values = column(art_feed.data, name)
        assert 0 < values.count(None) < len(values) / 2, name
    assert None not in column(art_feed.data, "image_embedding")
    assert set(column(art_feed.data, "event")) == {"like", "dislike", "open", "skip"}
    # A visit of the evening before: its name begins with the number of the day on which it began.
    assert any(name.startswith("00006-") for name in column(art_feed.data, "feed_session"))
    assert {"unknown", "general", "mature"} == set(column(art_feed.data, "content_rating"))


@pytest.mark.cases
def test_the_commands_need_no_flag_and_find_the_days_that_the_driver_made(trained: ArtFeed) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.output.rglob("*.parquet")}
    sizes = {"ROWS_PER_PART": "300"}
    done = trained.run("beam_pipeline", "--runner", "DirectRunner", **sizes)
    assert done.stdout == f"{trained.output}/skeleton\n"
    done = trained.run("enrich", **sizes)
    assert done.stdout == f"{trained.output}/enriched\n"
    assert {path: path.stat().st_mtime_ns for path in trained.output.rglob("*.parquet")} == before


@pytest.mark.cases
def test_the_skeleton_alone_gives_the_same_bytes_with_no_flag_but_the_runner(trained: ArtFeed) -> None:
    settings = {"ROWS_PER_PART": "300", "OUTPUT_ROOT": "again", "DAY_WORKERS": "1", "ROLLING_CHUNK_ROWS": "200"}
    trained.run("beam_pipeline", "--runner", "DirectRunner", **settings)
    again = trained.root / "again" / SERVICE
    parts = sorted(path.relative_to(again) for path in again.glob("skeleton/dt=*/*.parquet"))
    assert len(parts) > 2
    for part in parts:
        assert (again / part).read_bytes() == (trained.output / part).read_bytes(), part


def test_only_the_session_filter_sees_what_comes_later(art_feed: ArtFeed) -> None:
    dag = compile_project(load_project(ProjectPaths(art_feed.root / "config/training/runtime.yaml")))
    marked = [line.strip() for line in explain_text(dag).splitlines() if "(sees the" in line]
    assert len(marked) == 1
    assert marked[0].startswith("keeps rows of sessions (user_id, feed_session) where count(*) >= 10 AND ")
    assert marked[0].endswith("(sees the rest of the day)")


def test_the_committed_pipeline_is_the_compiled_one(art_feed: ArtFeed) -> None:
    """Written anew with `daeda pipeline compile dssm_ranking`."""
    dag = compile_project(load_project(ProjectPaths(art_feed.root / "config/training/runtime.yaml")))
    committed = ROOT / PIPELINES / f"{SERVICE}.generated.yaml"
    assert committed.read_text(encoding="utf-8") == pipeline_text(dag.to_model())


def test_a_project_without_its_data_says_how_to_make_it() -> None:
    assert preparation_hint(str(ROOT / "data" / "feed_events")) == "make the data with `make sample`"


def test_every_name_of_base_yaml_is_used(art_feed: ArtFeed) -> None:
    assert load_project(ProjectPaths(art_feed.root / "config/training/runtime.yaml")).warnings == ()

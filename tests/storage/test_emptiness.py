"""A range without a row of the spine, and filters that leave nothing, where the spine is an object or a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from beam_pipeline import command
from daeda.storage.client import S3Client
from tests.projects import TinyProject
from tests.storage.conftest import BUCKET, put_tree
from tests.storage.postgres import Postgres

WHERE = "(feed_start and feed_end of config/training/runtime.yaml)"
ADVICE = "choose days that have rows, or correct source.path of the view\n"


def project_of(root: Path, *, flat: bool = False) -> TinyProject:
    made = TinyProject(root).without("item_vector")
    made.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    made.base = {"history_len": 3, "features": "s3://lake/features"}
    return made.write().write_data(flat=flat)


def run(made: TinyProject, capsys: pytest.CaptureFixture[str], **runtime: str) -> tuple[int, str]:
    made.runtime |= runtime
    made.write()
    code = command.main(["--runtime-config-path", str(made.runtime_path), "--runner", "DirectRunner"])
    return code, capsys.readouterr().err


@pytest.mark.parametrize("flat", [True, False])
def test_a_range_without_an_object_that_has_a_row_of_it(
    flat: bool, tmp_path: Path, client: S3Client, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project_of(tmp_path / "project", flat=flat)
    put_tree(client, made.root / "data", BUCKET / "features")
    code, told = run(
        made, capsys, data_root="features", output_root="s3://lake/out", feed_start="2025-01-01", feed_end="2025-01-02"
    )
    rows = "it has rows from 2024-01-01 12:00:00 to 2024-01-03 08:00:00 UTC"
    there = rows if flat else "its partitions have rows from 2024-01-01 to 2024-01-03"
    assert code == 2
    assert told == (
        f"error: view 'events', the spine, has no row from 2025-01-01 to 2025-01-02 {WHERE}: {there}: {ADVICE}"
    )
    assert not list(client.listing(BUCKET / "out"))


def test_filters_that_leave_nothing_of_objects(
    tmp_path: Path, client: S3Client, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project_of(tmp_path / "project")
    made.service["spine"]["filters"] = [{"where": "amount > 100"}]
    put_tree(client, made.root / "data", BUCKET / "features")
    code, told = run(made, capsys, data_root="features", output_root="s3://lake/out")
    assert code == 0
    assert (
        "warning: 2 of 2 days are without a row: of 4 rows of the view 'events', where amount > 100 "
        "(feature_services/ranking.yaml:9) left 0: 2024-01-02, 2024-01-03\n"
    ) in told


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_range_without_a_row_of_a_table(
    tmp_path: Path, database: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    made = project_of(tmp_path / "project")
    database.run(
        "CREATE TABLE shop.events (user_id bigint, item_id bigint, event_timestamp timestamp, amount double precision);"
        "INSERT INTO shop.events VALUES (1, 10, '2023-05-01 10:00', 1.0)"
    )
    made.views["events"]["source"] = {
        "postgres": "environment", "table": "shop.events", "timestamp_field": "event_timestamp"
    }  # fmt: skip
    code, told = run(made, capsys)
    assert code == 2
    assert told == (
        f"error: view 'events', the spine, has no row from 2024-01-02 to 2024-01-03 {WHERE}: it has rows from "
        f"2023-05-01 10:00:00 to 2023-05-01 10:00:00 UTC: {ADVICE}"
    )

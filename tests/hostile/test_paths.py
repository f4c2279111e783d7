"""Names of directories and files are paths and never patterns: each project reads its own data, to the audit too."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beam_pipeline.command import main
from beam_pipeline.history import partition_cache, projected_partitions
from daeda_audit.command import main as audit
from tests.projects import TinyProject

BESIDE = ("proj1", "pa", "p1x", "its {a,b}")


def project_at(root: Path, amount: float) -> TinyProject:
    """A project whose amounts tell which one it is, with a file in brackets beside one that its name matches."""
    made = TinyProject(root).without("item_vector")
    made.aggregations |= {"enrichment_specs": [], "embedding_stores": []}
    made.aggregations["aggregation_specs"][0] |= {"kind": "sum", "column": "amount"}
    made.column("events_1d").update(dtype="double", nullable=True)
    made.runtime |= {"feed_end": "2024-01-05", "compute": {"duckdb_config": {"temp_directory": "te[m]p*"}}}
    made.views["events"]["source"]["missing_partitions"] = made.views["prices"]["source"]["missing_partitions"] = (
        "empty"
    )
    made.data["events"] = [(user, item, at, amount) for user, item, at, _ in made.data["events"]]
    made.write().write_data()
    for path in sorted((root / "data/events").rglob("*.parquet")):
        table = pq.read_table(path, partitioning=None)
        path.unlink()
        pq.write_table(table.slice(0, 1), path.parent / "a[1].parquet")
        pq.write_table(table.slice(1), path.parent / "a1.parquet")
    return made


@pytest.mark.some(2, cases=10)
@pytest.mark.parametrize("name", ["proj[1]", "p*", "p?x", "it's {a,b}", "a%20 b#c"])
@pytest.mark.parametrize("narrow", [False, True])
def test_a_project_reads_its_own_data(
    name: str, narrow: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, other in enumerate(BESIDE):
        project_at(tmp_path / other, 100.0 + number)
    made = project_at(tmp_path / name, 1.0)
    monkeypatch.chdir(made.root)
    if narrow:
        monkeypatch.setattr(projected_partitions, "_LEAST_BYTES", 0)
        monkeypatch.setattr(partition_cache, "_LEAST_READERS", 1)
    assert main([]) == 0
    parts = sorted((made.root / "output/ranking/skeleton").glob("dt=*/*.parquet"))
    rows = pa.concat_tables(pq.ParquetFile(part).read() for part in parts)
    assert rows.select(["user_id", "item_id", "amount", "events_1d"]).to_pylist() == [
        {"user_id": 1, "item_id": 11, "amount": 1.0, "events_1d": 1.0},
        {"user_id": 2, "item_id": 99, "amount": 1.0, "events_1d": 1.0},
        {"user_id": 1, "item_id": 10, "amount": 1.0, "events_1d": 1.0},
        {"user_id": 1, "item_id": 10, "amount": 1.0, "events_1d": 1.0},
    ]
    assert not (made.root / "te[m]p*").exists() or not list((made.root / "te[m]p*").iterdir())
    if not narrow:
        assert audit(["ranking", "--probe", "recompute"]) == 0
        assert " 0 mismatches" in capsys.readouterr().out

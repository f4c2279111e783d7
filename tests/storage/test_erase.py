"""`daeda erase` where views and days lie on object storage."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from daeda.storage.client import S3Client
from tests.erase.scene import build, erase, forget_user, scene
from tests.storage.conftest import BUCKET, put_tree

PART = BUCKET / "out/ranking/v2/skeleton/dt=2024-01-03/part-0-0.parquet"


def users(client: S3Client) -> list[int]:
    held = client.read(PART)
    assert held is not None
    return pq.read_table(io.BytesIO(held[0])).column("user_id").to_pylist()  # type: ignore[no-any-return]


@pytest.mark.cases
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_person_is_erased_from_a_bucket(tmp_path: Path, client: S3Client, capfd: pytest.CaptureFixture[str]) -> None:
    made = scene(tmp_path / "project")
    made.base["features"] = "s3://lake/features"
    made.runtime |= {"data_root": "features", "output_root": "s3://lake/out", "staging_root": "staging"}
    made.service["version"] = 2
    made.write()
    put_tree(client, made.root / "data", BUCKET / "features")
    build(made)
    assert users(client) == [42, 1]
    assert erase(made) == 2
    out, said = capfd.readouterr()
    assert out == (
        "s3://lake/out/ranking/v2/skeleton/dt=2024-01-02: 1 list of visitors\n"
        "s3://lake/out/ranking/v2/skeleton/dt=2024-01-03: 1 row, 1 list of visitors\n"
    )
    assert "view 'events': s3://lake/features/events/dt=2024-01-03/part-0.parquet has 1 row with user_id=42" in said
    assert users(client) == [42, 1]
    forget_user(made)
    put_tree(client, made.root / "data", BUCKET / "features")
    assert erase(made) == 0
    assert users(client) == [1]
    capfd.readouterr()
    assert erase(made, "--dry-run") == 0
    assert capfd.readouterr() == ("", "no day of ranking holds user_id=42\n")

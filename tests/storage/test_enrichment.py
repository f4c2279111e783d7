"""The enrichment's sides that touch object storage, without Ray: the store, and a skeleton day that is brought here."""

from __future__ import annotations

import pickle
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

from daeda.dataset.manifest import Fingerprint, Manifest, Part
from daeda.dataset.published import fetch_day
from daeda.errors import DayError, InputError
from daeda.settings.aggregations import EmbeddingStore as Declared
from daeda.storage.client import S3Client
from daeda.storage.regular import file_digest
from daeda_audit.published.stores import content_of, open_version
from enrich.store.store import open_store
from enrich.store.versions import storage_options
from tests.storage.conftest import BUCKET, SECRET, put_tree
from tests.storage.server import Proxy

STORE = "s3://lake/stores/v.lance"


@pytest.fixture
def local_store(tmp_path: Path) -> Path:
    rows = 5_000
    values = pa.array(np.arange(rows * 4, dtype=np.float32) / 1000)
    vectors = pa.FixedSizeListArray.from_arrays(values, 4)
    table = pa.table({"id": pa.array(range(rows), pa.int64()), "v": vectors})
    lance.write_dataset(table, str(tmp_path / "v.lance"))
    return tmp_path / "v.lance"


def test_a_store_on_object_storage_gives_the_same_vectors(client: S3Client, proxy: Proxy, local_store: Path) -> None:
    lance.write_dataset(lance.dataset(str(local_store)).to_table(), STORE, storage_options=storage_options(STORE))
    proxy.fail("503", 1, lambda method, path: method == "GET" and "/data/" in path)
    proxy.fail("hang up", 1, lambda method, path: method == "GET" and "/data/" in path)
    far = open_store("v", STORE, "id", "v", 4, 1)
    near = open_store("v", str(local_store), "id", "v", 4, 1)
    rows = np.array([0, 7, 4_999])
    assert (far.take_vectors(rows).matrix == near.take_vectors(rows).matrix).all()
    assert len(far.row_map()) == len(near.row_map()) == 5_000
    packed = pickle.dumps(far)
    assert SECRET.encode() not in packed
    assert (pickle.loads(packed).take_vectors(rows).matrix == near.take_vectors(rows).matrix).all()
    assert SECRET not in repr(far)


@pytest.mark.parametrize(
    ("path", "version", "sentence"),
    [
        ("s3://lake/none.lance", 1, "embedding store 'v': s3://lake/none.lance does not exist; correct its path, or "
         "write the store first"),
        ("s3://pond/v.lance", 1, "s3://pond/v.lance/_versions: the server answered 404 NoSuchBucket: correct the "
         "address, or create the bucket"),
        (STORE, 9, f"embedding store 'v': {STORE} has no version 9; newest first it has 1"),
    ],
)  # fmt: skip
def test_a_store_that_cannot_be_opened(
    client: S3Client, local_store: Path, path: str, version: int, sentence: str
) -> None:
    put_tree(client, local_store, BUCKET / "stores/v.lance")
    with pytest.raises(InputError) as raised:
        open_store("v", path, "id", "v", 4, version)
    assert str(raised.value) == sentence


def test_a_store_in_a_bucket_is_told_by_its_files(client: S3Client, local_store: Path) -> None:
    """A copy is the same store on either side; one that has lost a file, or a part of one, is told before a day."""
    lance.dataset(str(local_store)).delete("id = 3")
    put_tree(client, local_store, BUCKET / "stores/v.lance")
    far, near = (open_store("v", path, "id", "v", 4, 2) for path in (STORE, str(local_store)))
    assert far.identity == near.identity
    declared = Declared(name="v", path=STORE, id_column="id", vector_column="v", dimension=4, version=2)
    assert content_of(open_version(declared, STORE, 2), declared) == far.content
    far.check()
    data = next((local_store / "data").iterdir())
    size = data.stat().st_size
    short = local_store.parent / "short"
    short.write_bytes(data.read_bytes()[:-1])
    client.put(BUCKET / f"stores/v.lance/data/{data.name}", short)
    where, advice = f"embedding store 'v': version 2 of {STORE}", "bring the file back, or pin a version that is whole"
    with pytest.raises(InputError) as raised:
        far.check()
    assert (
        str(raised.value) == f"{where} has {size - 1:,} bytes of data/{data.name}, and {size:,} were written: {advice}"
    )
    client.delete(BUCKET / f"stores/v.lance/data/{data.name}")
    with pytest.raises(InputError) as raised:
        far.check()
    assert str(raised.value) == f"{where} has lost data/{data.name}: {advice}"
    packed = pickle.dumps(far)
    for path in [stored.path for stored in client.listing(BUCKET / "stores/v.lance")]:
        client.delete(path)
    for _version in range(2):
        lance.write_dataset(
            lance.dataset(str(local_store), version=1).to_table().slice(0, 9), STORE, mode="overwrite",
            storage_options=storage_options(STORE),
        )  # fmt: skip
    with pytest.raises(DayError) as again:
        pickle.loads(packed)
    assert str(again.value) == (
        f"{where} is another one than when this run began: run again when nobody writes it anew"
    )


def test_a_skeleton_day_is_brought_here_and_verified(client: S3Client, proxy: Proxy, tmp_path: Path) -> None:
    (tmp_path / "part-0-0.parquet").write_bytes(b"content" * 1000)
    part = Part("part-0-0.parquet", 1, 7000, file_digest(tmp_path / "part-0-0.parquet"))
    manifest = Manifest("s", "skeleton", "2024-01-01", 1, (part,), (), Fingerprint({}, {}, {}))
    client.put(BUCKET / "day/part-0-0.parquet", tmp_path / "part-0-0.parquet")
    proxy.fail("truncate", 2, lambda method, path: "part-0-0" in path)
    fetch_day(BUCKET / "day", manifest, tmp_path / "here")
    assert (tmp_path / "here/part-0-0.parquet").read_bytes() == b"content" * 1000
    client.put(BUCKET / "day/part-0-0.parquet", b"contenT" * 1000)
    with pytest.raises(DayError) as raised:
        fetch_day(BUCKET / "day", manifest, tmp_path / "here")
    assert str(raised.value) == (
        "s3://lake/day/part-0-0.parquet: the bytes are not those that were published: build the day again"
    )

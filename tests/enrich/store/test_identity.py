"""What a store is: the same wherever it lies, and another one wherever an id or a vector may be another."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest

from daeda.dataset.stores import StoreIdentity, stores_from_text, stores_to_text
from daeda.errors import DayError, InputError, UsageError
from daeda.settings.aggregations import EmbeddingStore as Declared
from daeda_audit.published.stores import content_of
from enrich.store.store import EmbeddingStore, open_store

Change = Callable[[str], Any]


def table(*ids: int, factor: float = 1) -> pa.Table:
    vectors = pa.array([[one * factor, -one] for one in ids], pa.list_(pa.float32(), 2))
    return pa.table({"id": pa.array(ids, pa.int64()), "vec": vectors})


def opened(path: str, version: int | str | None = None) -> EmbeddingStore:
    return open_store("art", path, "id", "vec", 2, version or lance.dataset(path).version)


def content(path: str, version: int | str | None = None) -> str:
    """The digest by the enrichment and by the audit, which must agree."""
    store = opened(path, version)
    declared = Declared(name="art", path=path, id_column="id", vector_column="vec", dimension=2, version=store.version)
    assert content_of(store.dataset, declared) == store.content
    return store.content


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Two fragments, of which the first has lost a row."""
    path = str(tmp_path / "art.lance")
    lance.write_dataset(table(1, 2, 3), path)
    lance.write_dataset(table(4, 5), path, mode="append")
    lance.dataset(path).delete("id = 2")
    return path


SAME: dict[str, Change] = {
    "a tag": lambda path: lance.dataset(path).tags.create("live", 3),
    "an index": lambda path: lance.dataset(path).create_scalar_index("id", "BTREE"),
    "settings": lambda path: lance.dataset(path).update_config({"a": "b"}),
    "a column that nobody asks for": lambda path: lance.dataset(path).add_columns({"twice": "id * 2"}),
    "a later version behind the pinned one": lambda path: lance.dataset(path).checkout_version(3),
}
OTHER: dict[str, Change] = {
    "rows that were appended": lambda path: lance.write_dataset(table(6), path, mode="append"),
    "a row that was deleted": lambda path: lance.dataset(path).delete("id = 5"),
    "values that were updated": lambda path: lance.dataset(path).update({"id": "id + 10"}, where="id = 5"),
    "the same rows, written anew": lambda path: lance.write_dataset(table(1, 3, 4, 5), path, mode="overwrite"),
    "files that were compacted": lambda path: lance.dataset(path).optimize.compact_files(),
    "a merge": lambda path: (
        lance.dataset(path).merge_insert("id").when_matched_update_all().execute(table(4, factor=9))
    ),
}


@pytest.mark.parametrize("change", SAME)
def test_what_changes_no_vector_changes_no_content(path: str, change: str) -> None:
    before = content(path)
    SAME[change](path)
    assert content(path) == before


@pytest.mark.parametrize("change", OTHER)
def test_what_may_change_a_vector_changes_the_content(path: str, change: str) -> None:
    before = content(path)
    OTHER[change](path)
    assert content(path) != before
    assert content(path, 3) == before


def test_a_store_that_was_moved_or_copied_is_the_same(path: str, tmp_path: Path) -> None:
    before = opened(path).identity
    shutil.copytree(path, tmp_path / "copy [1] #2.lance")
    os.utime(next(Path(path, "data").iterdir()), (1, 1))
    Path(path).rename(tmp_path / "moved.lance")
    assert opened(str(tmp_path / "moved.lance")).identity == opened(str(tmp_path / "copy [1] #2.lance")).identity
    assert opened(str(tmp_path / "moved.lance")).identity == before


def test_the_same_rows_written_twice_are_two_stores(tmp_path: Path) -> None:
    """Both are version 1: nothing but the names of their files tells them apart without reading them."""
    first, second = (str(tmp_path / name) for name in ("a.lance", "b.lance"))
    for path in (first, second):
        lance.write_dataset(table(1, 2), path)
    assert (opened(first).version, opened(second).version) == (1, 1)
    assert content(first) != content(second)
    before = content(first)
    shutil.rmtree(first)
    lance.write_dataset(table(1, 2), first)
    assert content(first) != before


def test_a_clone_reads_the_same_files(path: str, tmp_path: Path) -> None:
    clone = str(tmp_path / "clone.lance")
    lance.dataset(path).shallow_clone(clone, 3)
    assert content(clone) == content(path)
    opened(clone).check()


def test_each_column_of_vectors_has_a_content_of_its_own(tmp_path: Path) -> None:
    path = str(tmp_path / "two.lance")
    lance.write_dataset(table(1, 2).append_column("more", table(1, 2, factor=2).column("vec")), path)
    contents = {open_store("art", path, "id", column, 2, 1).content for column in ("vec", "more")}
    assert len(contents) == 2


def test_the_rule_of_the_digest_is_the_one_that_is_written_down(path: str) -> None:
    """Days that are published hold digests: another rule makes all of them stale, and is a decision."""
    first, second = (fragment.metadata for fragment in lance.dataset(path).get_fragments())
    deleted = next(Path(path, "_deletions").iterdir())
    described = {
        "fragments": [
            {"deletions": f"_deletions/{deleted.name}", "files": [first.files[0].path], "overlays": [], "rows": 3},
            {"deletions": None, "files": [second.files[0].path], "overlays": [], "rows": 2},
        ],
        "id": [0, "int64"],
        "vector": [1, "fixed_size_list<item: float>[2]"],
    }
    assert content(path) == hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


# What travels, and what is held against it.


def test_a_store_is_opened_again_only_if_it_is_still_the_same(path: str) -> None:
    packed = pickle.dumps(opened(path))
    assert pickle.loads(packed).identity == opened(path).identity
    shutil.rmtree(path)
    with pytest.raises(DayError) as caught:
        pickle.loads(packed)
    assert str(caught.value) == (
        f"embedding store 'art': {path} does not exist; correct its path, or write the store first (it was there when "
        "this run began)"
    )
    for ids in ((1, 2, 3), (4, 5)):
        lance.write_dataset(table(*ids), path, mode="overwrite")
    lance.dataset(path).delete("id = 4")
    with pytest.raises(DayError) as caught:
        pickle.loads(packed)
    assert str(caught.value) == (
        f"embedding store 'art': version 3 of {path} is another one than when this run began: run again when nobody "
        "writes it anew"
    )


def test_a_version_that_was_removed_meanwhile(path: str) -> None:
    packed = pickle.dumps(opened(path, 1))
    manifest_of(path, 1).unlink()
    with pytest.raises(DayError) as caught:
        pickle.loads(packed)
    assert str(caught.value) == (
        f"embedding store 'art': {path} has no version 1; newest first it has 3, 2 (it was there when this run began)"
    )


def manifest_of(path: str, version: int) -> Path:
    """Lance counts down in the names of manifests, so that a listing shows the newest first."""
    return Path(path, "_versions", f"{2**64 - 1 - version}.manifest")


@pytest.mark.parametrize(
    "text", ["", "[]", "3", '{"items": 1}', '{"items": {"version": "1", "content": "x"}}', '{"items": {"version": 1}}']
)
def test_pins_that_are_none(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        stores_from_text(text)
    assert str(caught.value) == (
        "--pinned-stores takes what `python -m enrich --stores` prints: one line of JSON with version and content of "
        "each store"
    )
    assert stores_from_text(stores_to_text({"a": StoreIdentity(1, "x")})) == {"a": StoreIdentity(1, "x")}


# What is known before the first day.


def check(path: str, version: int | str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        opened(path, version).check()
    return str(caught.value)


def test_a_store_that_is_whole_passes_and_no_id_is_read(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(path).check()
    monkeypatch.setattr(EmbeddingStore, "row_map", lambda store: pytest.fail("the ids were read"))
    opened(path, 2).check()


def test_a_repeated_id_beside_deletions(path: str) -> None:
    lance.write_dataset(table(1), path, mode="append")
    assert check(path) == (
        f"embedding store 'art': version 4 of {path} has more than one row for id 1, and which was written last is "
        "unknown because rows were deleted; write one row per id, or pin a version that was only appended to"
    )


def test_a_store_without_rows(path: str) -> None:
    sentence = "has no rows, and every vector would be NULL: write its rows, or pin another"
    lance.dataset(path).delete("true")
    assert check(path) == f"embedding store 'art': version 4 of {path} {sentence}"
    lance.write_dataset(table(), path, mode="overwrite")
    assert check(path) == f"embedding store 'art': version 5 of {path} {sentence}"


def test_files_of_the_version_that_are_gone_or_cut(path: str) -> None:
    deletions = next(Path(path, "_deletions").iterdir())
    kept = deletions.read_bytes()
    deletions.unlink()
    where = f"embedding store 'art': version 3 of {path}"
    advice = "bring the file back, or pin a version that is whole"
    assert check(path, 3) == f"{where} has lost _deletions/{deletions.name}: {advice}"
    deletions.write_bytes(kept)
    data = Path(path, "data", lance.dataset(path).get_fragments()[1].data_files()[0].path)
    size = data.stat().st_size
    os.truncate(data, size - 1)
    assert check(path) == f"{where} has {size - 1} bytes of data/{data.name}, and {size} were written: {advice}"
    data.unlink()
    assert check(path) == f"{where} has lost data/{data.name}: {advice}"


def refused(path: str, version: int | str = 1) -> str:
    with pytest.raises(InputError) as caught:
        open_store("art", path, "id", "vec", 2, version)
    return str(caught.value)


def test_what_is_no_store(path: str, tmp_path: Path) -> None:
    file, fifo, empty = (tmp_path / name for name in ("file.lance", "fifo.lance", "empty.lance"))
    file.write_bytes(b"PAR1")
    os.mkfifo(fifo)
    for one in (file, fifo):
        assert refused(str(one)) == (f"embedding store 'art': {one} is no directory; its path is the directory *.lance")
    empty.mkdir()
    sentence = f"embedding store 'art': {empty} is not a Lance dataset; its path is the directory *.lance"
    assert refused(str(empty)) == sentence
    (empty / "_versions").mkdir()
    assert refused(str(empty)) == sentence
    (empty / "_versions" / "1.manifest").write_bytes(b"no manifest")
    told = refused(str(empty))
    assert told.startswith(f"embedding store 'art': {empty} cannot be opened (")
    assert told.endswith("); bring its files back")
    assert "rust" not in told
    link = tmp_path / "link.lance"
    link.symlink_to(tmp_path / "nowhere")
    assert refused(str(link)).startswith(f"embedding store 'art': {link} does not exist; ")
    link.unlink()
    link.symlink_to(path)
    assert open_store("art", str(link), "id", "vec", 2, 3).content == content(path)


def test_a_version_whose_manifest_is_broken(path: str) -> None:
    manifest_of(path, 2).write_bytes(b"no manifest")
    assert opened(path, 3).content == content(path, 3)
    told = refused(path, 2)
    assert told.startswith(f"embedding store 'art': version 2 of {path} cannot be opened (")
    assert "rust" not in told


def test_columns_are_told_apart_by_case(tmp_path: Path) -> None:
    path = str(tmp_path / "case.lance")
    both = table(1, 2).rename_columns(["ID", "VEC"])
    for name, column in zip(("id", "vec"), table(7, 8).columns, strict=True):
        both = both.append_column(name, column)
    lance.write_dataset(both, path)
    found = {
        names: opened_columns(path, *names).row_map().lookup_rows(pa.array([1, 7])).tolist()
        for names in (("id", "vec"), ("ID", "VEC"))
    }
    assert found == {("id", "vec"): [-1, 0], ("ID", "VEC"): [0, -1]}
    vectors = {column: opened_columns(path, "id", column).take_vectors(np.array([0])).matrix.tolist() for column in
               ("vec", "VEC")}  # fmt: skip
    assert vectors == {"vec": [[7, -7]], "VEC": [[1, -1]]}
    with pytest.raises(InputError, match=r"id_column 'Id' is not in .*; did you mean 'ID'\? Known: ID, VEC, id, vec"):
        opened_columns(path, "Id", "vec")


def opened_columns(path: str, id_column: str, vector_column: str) -> EmbeddingStore:
    return open_store("art", path, id_column, vector_column, 2, 1)

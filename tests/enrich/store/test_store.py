from __future__ import annotations

import datetime
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest

from daeda.errors import DayError, InputError
from enrich.store import store as store_module
from enrich.store.store import EmbeddingStore, open_store
from enrich.store.vectors import BatchedVectors, DayVectors

Vector = Sequence[float | None] | None


def rows(ids: Sequence[object], vectors: Sequence[Vector], id_type: Any = None, element: Any = None) -> pa.Table:
    vector_type = pa.list_(element or pa.float32(), 2)
    return pa.table({"id": pa.array(ids, id_type or pa.int64()), "vec": pa.array(vectors, vector_type)})


def numbered(*ids: int) -> pa.Table:
    """Rows whose vector is [id, -id]."""
    return rows(ids, [[found, -found] for found in ids])


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "art.lance")


def opened(path: str, version: int | str | None = None, **declared: Any) -> EmbeddingStore:
    wanted: dict[str, Any] = {"id_column": "id", "vector_column": "vec", "dimension": 2} | declared
    return open_store("art", path, version=version or lance.dataset(path).version, **wanted)


def vectors_of(store: EmbeddingStore, ids: pa.Array) -> list[Any]:
    """The vectors found, both ways, which must agree."""
    row_map = store.row_map()
    day = DayVectors.load(store, row_map, ids)
    found: list[list[Any]] = []
    for source in (day, BatchedVectors(store, row_map), BatchedVectors(store, row_map.restrict(ids))):
        positions, matrix = source.fetch(ids)
        assert matrix.dtype == np.float16
        assert matrix.flags.c_contiguous
        found.append([None if position < 0 else matrix[position].tobytes() for position in positions])
    assert found[0] == found[1] == found[2]
    assert day.rows_of(ids).tolist() == day.fetch(ids)[0].tolist()
    return [None if vector is None else np.frombuffer(vector, np.float16).tolist() for vector in found[0]]


# What is found.


@pytest.mark.parametrize("element", [pa.float16(), pa.float32(), pa.float64()])
@pytest.mark.parametrize("id_type", [pa.int8(), pa.uint16(), pa.int32(), pa.int64(), pa.uint64()])
def test_integer_ids(path: str, id_type: Any, element: Any) -> None:
    lance.write_dataset(rows([7, None, 3, 5], [[7, 0.1], [9, 9], [3, 0], [5, 0]], id_type, element), path)
    asked = pa.array([5, 4, None, 7, 5, -1], pa.int64())
    assert vectors_of(opened(path), asked) == [[5, 0], None, None, [7, float(np.float16(0.1))], [5, 0], None]


@pytest.mark.parametrize("asked_type", [pa.string(), pa.large_string(), pa.string_view()])
@pytest.mark.parametrize(
    "id_type", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_text_ids(path: str, id_type: Any, asked_type: Any) -> None:
    lance.write_dataset(rows(["b", None, "", "a\0"], [[1, 0], [9, 9], [2, 0], [3, 0]], id_type), path)
    asked = pa.array(["", "a", None, "b", "a\0", "b"], asked_type)
    assert vectors_of(opened(path), asked) == [[2, 0], None, None, [1, 0], [3, 0], [1, 0]]


def test_ids_above_int64(path: str) -> None:
    big = 2**64 - 1
    lance.write_dataset(rows([big, 1], [[1, 0], [2, 0]], pa.uint64()), path)
    assert vectors_of(opened(path), pa.array([big, 1, 2], pa.uint64())) == [[1, 0], [2, 0], None]
    assert vectors_of(opened(path), pa.array([-1, 1], pa.int64())) == [None, [2, 0]]
    lance.write_dataset(numbered(-1, 1), path, mode="overwrite")
    assert vectors_of(opened(path), pa.array([big, 1], pa.uint64())) == [None, [1, -1]]


def test_null_vectors_are_absent(path: str) -> None:
    lance.write_dataset(rows([1, 2, 3], [None, [5, 5], [3, 3]]), path)
    assert vectors_of(opened(path), pa.array([1, 2, 3])) == [None, [5, 5], [3, 3]]
    taken = opened(path).take_vectors(np.arange(3))
    assert taken.present.tolist() == [False, True, True]
    assert taken.matrix.tolist() == [[0, 0], [5, 5], [3, 3]]


@pytest.mark.parametrize("element", [pa.float16(), pa.float32(), pa.float64()])
@pytest.mark.parametrize("vector", [[1.0, None], [None, 1.0], [None, None]])
def test_a_vector_with_null_elements_is_told_with_its_id(path: str, vector: Vector, element: Any) -> None:
    lance.write_dataset(rows([4, 5, 6, 7], [None, [1, 1], vector, vector], element=element), path)
    store = opened(path)
    row_map = store.row_map()
    sentence = (
        "embedding store 'art': the vector of id 6 has elements that are NULL; write a number for each, or NULL for "
        "the whole vector"
    )
    for asked in (pa.array([4, 5, 6, 7]), pa.array([6])):
        for read in (
            lambda ids: DayVectors.load(store, row_map, ids),
            lambda ids: BatchedVectors(store, row_map).fetch(ids),
        ):
            with pytest.raises(DayError) as caught:
                read(asked)
            assert str(caught.value) == sentence
    assert vectors_of(store, pa.array([5, 4])) == [[1, 1], None]


def test_last_row_wins_even_when_it_is_null(path: str) -> None:
    lance.write_dataset(rows([1, 2, 1], [[1, 1], [2, 2], [3, 3]]), path)
    lance.write_dataset(rows([2, 4], [None, [4, 4]]), path, mode="append")
    assert vectors_of(opened(path), pa.array([1, 2, 4])) == [[3, 3], None, [4, 4]]


@pytest.mark.parametrize("id_type", [pa.int64(), pa.string()])
def test_last_of_many_rows_wins(path: str, id_type: Any) -> None:
    ids = pa.array([number % 3 for number in range(1000)]).cast(id_type)
    lance.write_dataset(rows(ids.to_pylist(), [[number, 0] for number in range(1000)], id_type), path)
    assert vectors_of(opened(path), ids[:3]) == [[999, 0], [997, 0], [998, 0]]


def test_last_text_row_wins(path: str) -> None:
    lance.write_dataset(rows(["a", "b"], [[1, 1], [2, 2]], pa.string()), path)
    lance.write_dataset(rows(["a"], [[3, 3]], pa.string()), path, mode="append")
    assert vectors_of(opened(path), pa.array(["b", "a"])) == [[2, 2], [3, 3]]


@pytest.mark.parametrize("id_type", [pa.int64(), pa.string()])
def test_empty_store_and_nothing_asked(path: str, id_type: Any) -> None:
    lance.write_dataset(rows([], [], id_type), path)
    assert vectors_of(opened(path), pa.array([None, None], id_type)) == [None, None]
    assert vectors_of(opened(path), pa.array([], id_type)) == []
    assert vectors_of(opened(path), pa.array([None], pa.null())) == [None]


def test_special_values_stay(path: str) -> None:
    lance.write_dataset(rows([1, 2], [[float("inf"), 65504], [float("nan"), -float("inf")]]), path)
    first, second = vectors_of(opened(path), pa.array([1, 2]))[0], opened(path).take_vectors(np.array([1])).matrix
    assert first == [float("inf"), 65504]
    assert np.isnan(second[0, 0])
    assert second[0, 1] == -np.inf


def test_takes_in_many_blocks(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lance.write_dataset(numbered(*range(100)), path, max_rows_per_file=30)
    monkeypatch.setattr(store_module, "TAKE_BYTES", 7 * 8)
    asked = pa.array([99, 0, 50, 51, 52, 100])
    assert vectors_of(opened(path), asked) == [[99, -99], [0, 0], [50, -50], [51, -51], [52, -52], None]
    assert opened(path).take_vectors(np.arange(100)).matrix[:, 0].tolist() == list(range(100))


def test_closing_gives_up_what_is_being_read(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lance.write_dataset(numbered(*range(100)), path)
    store = opened(path)
    monkeypatch.setattr(store_module, "_cast_block", lambda *given: store.close())
    monkeypatch.setattr(store_module, "TAKE_BYTES", 8)
    calls: list[object] = []
    monkeypatch.setattr(lance.LanceDataset, "take", _counted(lance.LanceDataset.take, calls))
    store.take_vectors(np.arange(100))
    assert len(calls) <= store_module.TAKE_THREADS
    assert pickle.loads(pickle.dumps(store)).closed.is_set() is False


def _counted(function: Any, calls: list[object]) -> Any:
    def counted(*given: Any, **named: Any) -> Any:
        calls.append(given)
        return function(*given, **named)

    return counted


def test_positions_skip_deleted_rows(path: str) -> None:
    lance.write_dataset(numbered(*range(10)), path, max_rows_per_file=4)
    lance.dataset(path).delete("id in (1, 5)")
    asked = pa.array(range(10))
    assert vectors_of(opened(path), asked) == [None if i in (1, 5) else [i, -i] for i in range(10)]


# What travels.


def test_vectors_pickle_without_copies(path: str) -> None:
    lance.write_dataset(numbered(*range(1000)), path)
    store = opened(path)
    day = DayVectors.load(store, store.row_map(), pa.array(range(1000)))
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(day, protocol=5, buffer_callback=buffers.append)
    assert len(head) < 1000
    again = pickle.loads(head, buffers=buffers)
    assert np.shares_memory(again.matrix, day.matrix)
    assert day.nbytes == 1000 * 2 * 2
    assert again.rows_of(pa.array([7, 1000])).tolist() == day.rows_of(pa.array([7, 1000])).tolist()


def test_a_store_travels_with_the_number_of_its_version(path: str) -> None:
    lance.write_dataset(numbered(1), path)
    lance.dataset(path).tags.create("good", 1)
    store = opened(path, "good")
    lance.write_dataset(numbered(2), path, mode="append")
    lance.dataset(path).tags.update("good", 2)
    assert pickle.loads(pickle.dumps(store)).version == store.version == 1
    assert opened(path, "good").version == 2
    assert vectors_of(store, pa.array([1, 2])) == [[1, -1], None]


# Histories of a store with duplicate ids: version 1 is a write, version 2 an append of the same id.


def grown(path: str) -> Any:
    lance.write_dataset(numbered(1, 2), path)
    return lance.write_dataset(rows([1, 3], [[10, 10], [3, 3]]), path, mode="append")


def test_index_compaction_columns_and_restore_are_harmless(path: str) -> None:
    grown(path).create_scalar_index("id", "BTREE")
    lance.dataset(path).optimize.compact_files()
    lance.dataset(path).add_columns({"twice": "id * 2"})
    lance.dataset(path).update_config({"a": "b"})
    good = lance.dataset(path).version
    lance.dataset(path).delete("id = 3")
    lance.dataset(path, version=good).restore()
    assert vectors_of(opened(path), pa.array([1, 3])) == [[10, 10], [3, 3]]


def test_what_came_before_an_overwrite_does_not_matter(path: str) -> None:
    grown(path).delete("id = 2")
    lance.write_dataset(rows([1, 1], [[1, 1], [2, 2]]), path, mode="overwrite")
    assert vectors_of(opened(path), pa.array([1])) == [[2, 2]]


def duplicates_error(path: str, examples: str, version: int, reason: str) -> str:
    return (
        f"embedding store 'art': version {version} of {path} has more than one row for id {examples}, "
        f"and which was written last is unknown because {reason}; "
        "write one row per id, or pin a version that was only appended to"
    )


def test_duplicates_beside_deletions(path: str) -> None:
    grown(path).delete("id = 3")
    with pytest.raises(InputError) as caught:
        opened(path).row_map()
    assert str(caught.value) == duplicates_error(path, "1", 3, "rows were deleted")
    assert vectors_of(opened(path, 2), pa.array([1, 3])) == [[10, 10], [3, 3]]


def test_duplicates_after_deletions_were_compacted(path: str) -> None:
    grown(path).delete("id = 3")
    lance.dataset(path).optimize.compact_files()
    with pytest.raises(InputError) as caught:
        opened(path).row_map()
    assert str(caught.value) == duplicates_error(path, "1", 5, "version 3 is the result of Delete")


def test_duplicates_after_a_merge(path: str) -> None:
    lance.write_dataset(rows(["a", "b", "c", "d"] * 2, [[1, 1]] * 8, pa.string()), path)
    new = rows(["x"], [[1, 1]], pa.string())
    lance.dataset(path).merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(new)
    with pytest.raises(InputError) as caught:
        opened(path).row_map()
    reason = "version 2 is the result of Update"
    assert str(caught.value) == duplicates_error(path, "'a', 'b', 'c' and 1 more", 2, reason)


def test_duplicates_with_a_history_that_was_removed(path: str) -> None:
    grown(path).create_scalar_index("id", "BTREE")
    lance.dataset(path).cleanup_old_versions(older_than=datetime.timedelta(0))
    with pytest.raises(InputError) as caught:
        opened(path).row_map()
    assert str(caught.value) == duplicates_error(path, "1", 3, "its history before version 3 was removed")


# What does not fit the declaration.


def test_path_does_not_exist(path: str) -> None:
    with pytest.raises(InputError) as caught:
        opened(path, 1)
    expected = f"embedding store 'art': {path} does not exist; correct its path, or write the store first"
    assert str(caught.value) == expected


def test_not_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        opened(str(tmp_path), 1)
    expected = f"embedding store 'art': {tmp_path} is not a Lance dataset; its path is the directory *.lance"
    assert str(caught.value) == expected


@pytest.mark.parametrize("version", [9, -1])
def test_version_does_not_exist(path: str, version: int) -> None:
    grown(path)
    with pytest.raises(InputError) as caught:
        opened(path, version)
    assert str(caught.value) == f"embedding store 'art': {path} has no version {version}; newest first it has 2, 1"


def test_tag_does_not_exist(path: str) -> None:
    grown(path).tags.create("good", 1)
    with pytest.raises(InputError) as caught:
        opened(path, "goood")
    assert str(caught.value) == f"embedding store 'art': {path} has no tag 'goood'; did you mean 'good'? Known: good"


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"id_column": "idd"}, "id_column 'idd' is not in {path}; did you mean 'id'? Known: f, id, lists, vec"),
        ({"vector_column": "emb"}, "vector_column 'emb' is not in {path}; Known: f, id, lists, vec"),
        ({"id_column": "f"}, "id_column 'f' is double; ids are integers or strings"),
        (
            {"vector_column": "lists"},
            "vector_column 'lists' is list<item: float>; vectors are a fixed-size list of float16, float32 or float64",
        ),
        (
            {"dimension": 3},
            "the vectors in 'vec' have 2 elements and the declared dimension is 3; "
            "correct the dimension, or pin a version that has it",
        ),
    ],
)
def test_columns_do_not_fit(path: str, declared: dict[str, Any], sentence: str) -> None:
    table = numbered(1).append_column("f", pa.array([1.0]))
    lance.write_dataset(table.append_column("lists", pa.array([[1.0]], pa.list_(pa.float32()))), path)
    with pytest.raises(InputError) as caught:
        opened(path, **declared)
    assert str(caught.value) == "embedding store 'art': " + sentence.format(path=path)


def test_overflow_names_the_id(path: str) -> None:
    lance.write_dataset(rows(["a", "b", "c"], [[1, 1], None, [2, -70000]], pa.string()), path)
    with pytest.raises(DayError) as caught:
        opened(path).take_vectors(np.arange(3))
    assert str(caught.value) == (
        "embedding store 'art': the vector of id 'c' holds -70000, and float16, in which vectors are loaded, "
        "ends at 65504; scale the vectors of the store"
    )


def test_ids_of_another_kind(path: str) -> None:
    lance.write_dataset(numbered(1), path)
    with pytest.raises(DayError) as caught:
        opened(path).row_map().lookup_rows(pa.array(["1"]))
    expected = "the ids to look up are string, and those of the store are integers; cast the column"
    assert str(caught.value) == expected
    lance.write_dataset(rows(["1"], [[1, 1]], pa.string()), path, mode="overwrite")
    with pytest.raises(DayError) as caught:
        opened(path).row_map().lookup_rows(pa.array([1]))
    assert str(caught.value) == "the ids to look up are int64, and those of the store are text; cast the column"


@pytest.mark.parametrize("how", ["gone", "cut"])
def test_a_store_that_became_unreadable_is_told(path: str, how: str) -> None:
    lance.write_dataset(numbered(*range(50)), path)
    store, again = opened(path), opened(path)
    row_map = again.row_map()
    for file in Path(path, "data").iterdir():
        content = file.read_bytes()
        file.unlink()
        if how == "cut":
            file.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError) as caught:
        store.row_map()
    sentence = str(caught.value)
    assert sentence.startswith(f"embedding store 'art': {path} cannot be read (")
    assert sentence.endswith("): bring its files back, or write the store again")
    assert "rust" not in sentence
    assert len(sentence.splitlines()) == 1
    with pytest.raises(DayError, match=r"^embedding store 'art': .* cannot be read \("):
        DayVectors.load(opened(path), row_map, pa.array([1, 2], pa.int64()))

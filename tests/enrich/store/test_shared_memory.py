"""Vectors in memory that other processes of this host map: the same as in one's own, given back, and never others'."""

from __future__ import annotations

import errno
import gc
import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

from daeda.errors import DayError
from enrich.store.shared_memory import SharedMemory
from enrich.store.store import EmbeddingStore, open_store
from enrich.store.vectors import DayVectors, SharedVectors

# Reads what the vectors of these ids are in a process that is no child of a fork, and prints their digest.
_THERE = """
import hashlib, pickle, sys
import pyarrow as pa
from pathlib import Path
vectors, ids = pickle.loads(Path(sys.argv[1]).read_bytes())
positions, matrix = vectors.fetch(ids)
assert not matrix.flags.writeable
print(hashlib.sha256(positions.tobytes() + matrix.tobytes()).hexdigest())
"""


def memory() -> SharedMemory:
    made = SharedMemory.make()
    assert made is not None
    return made


def store_of(root: Path, ids: pa.Array) -> EmbeddingStore:
    """A store of three elements, every seventh of whose vectors is NULL."""
    vectors = [None if number % 7 == 3 else [number, -number / 2, 0.5] for number in range(len(ids))]
    lance.write_dataset(
        pa.table({"id": ids, "vec": pa.array(vectors, pa.list_(pa.float32(), 3))}), root / "items.lance"
    )
    return open_store("items", str(root / "items.lance"), "id", "vec", 3, 1)


KINDS = {
    "numbers": pa.array(np.random.default_rng(5).permutation(400) * 7 - 900),
    "texts": pa.array([f"i{number}" for number in range(400)]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_another_process_has_the_same_vectors(kind: str, tmp_path: Path) -> None:
    ids = KINDS[kind]
    store = store_of(tmp_path, ids)
    row_map = store.row_map()
    asked = pa.concat_arrays([ids.slice(13, 200), pa.nulls(1, ids.type), ids.slice(0, 3)])
    plain = DayVectors.load(store, row_map, asked)
    shared = DayVectors.load(store, row_map, asked, memory())
    packed = pickle.dumps(shared)
    # What travels does not grow with the vectors.
    assert len(packed) < 1_000 < len(pickle.dumps(plain))
    assert isinstance(pickle.loads(packed), SharedVectors)
    (tmp_path / "packed").write_bytes(pickle.dumps((shared, asked)))
    words = [sys.executable, "-c", _THERE, str(tmp_path / "packed")]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "packed").write_bytes(pickle.dumps((plain, asked)))
    positions, matrix = plain.fetch(asked)
    assert told == hashlib.sha256(positions.tobytes() + matrix.tobytes()).hexdigest()
    assert (shared.fetch(asked)[0] == positions).all()


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_of_the_day_before_are_those_of_the_store(kind: str, tmp_path: Path) -> None:
    ids = KINDS[kind]
    store = store_of(tmp_path, ids)
    row_map = store.row_map()
    generator = np.random.default_rng(11)
    before = None
    for share in (0.5, 0.5, 0.9, 0.0, 0.3, 1.0):
        asked = ids.filter(pa.array(generator.random(len(ids)) < share))
        fresh = DayVectors.load(store, row_map, asked)
        before = DayVectors.load(store, row_map, asked, memory(), before)
        assert (before.matrix == fresh.matrix).all()
        assert (before.positions == fresh.positions).all()
        assert before.ids.keys.tolist() == fresh.ids.keys.tolist()


def test_memory_is_given_back_with_the_vectors(tmp_path: Path) -> None:
    store = store_of(tmp_path, KINDS["numbers"])
    shared = DayVectors.load(store, store.row_map(), KINDS["numbers"], memory())
    mapped = pickle.loads(pickle.dumps(shared))
    mapped.fetch(KINDS["numbers"])
    location = mapped.location
    assert location.name in Path("/proc/self/maps").read_text()
    del shared, mapped
    gc.collect()
    assert location.name not in Path("/proc/self/maps").read_text()
    names = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    assert not [name for name in names if location.name in name]


def test_memory_that_the_system_refuses_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    made = memory()

    def refuse(*_words: object) -> None:
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(os, "ftruncate", refuse)
    with pytest.raises(DayError) as caught:
        made.array((5 << 19, 2), np.float16)
    assert str(caught.value) == (
        "the vectors of the day need 10 MiB of memory that processes share, and the system refuses (File too large): "
        "run with --no-preload-day-embeddings"
    )


def test_memory_of_somebody_else_is_refused() -> None:
    """The descriptor has been given to another file meanwhile, or the process that had it is gone."""
    first, second = memory(), memory()
    location, number = first.location, int(first.location.path.rsplit("/", 1)[1])
    first.close()
    with pytest.raises(DayError) as caught:
        location.map()
    assert "cannot be mapped (No such file or directory): run with --no-preload-day-embeddings" in str(caught.value)
    os.dup2(int(second.location.path.rsplit("/", 1)[1]), number)
    with pytest.raises(DayError) as caught:
        location.map()
    os.close(number)
    assert str(caught.value) == (
        f"the vectors of the day are not at {location.path}, where /memfd:{second.location.name} (deleted) is: "
        "run again"
    )

"""Memory that is used again: never while anybody has an array in it, and no more of it than is said."""

from __future__ import annotations

import errno
import mmap
import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daeda_data.loader import memory
from daeda_data.loader.memory import Memory, memory_of_epoch
from tests.budget import examples
from tests.daeda_data.loader.made import publish

KINDS = ["bool", "u2", "i8", "f2", "M8[us]"]


def address(array: np.ndarray[Any, Any]) -> int:
    return int(array.__array_interface__["data"][0])


def test_no_two_arrays_share_memory() -> None:
    choice, own = random.Random(1), Memory(3)
    # Views keep their memory, whoever has them: each is full of a number of its own.
    had: list[tuple[np.ndarray[Any, Any], int]] = []
    for number in range(examples(400)):
        kind = np.dtype(choice.choice(KINDS))
        shape = choice.choice([(choice.randint(0, 300_000),), (choice.randint(1, 3_000), 32)])
        array = own.array(shape, kind)
        assert (array.shape, array.dtype) == (shape, kind)
        assert array.flags.writeable
        assert array.flags.c_contiguous
        assert array.flags.aligned
        whole = array.view(np.uint8)
        whole.fill(number % 251)
        had.append((whole[len(whole) // 3 :], number % 251))
        if len(had) > 6:
            view, of_its_own = had.pop(choice.randrange(len(had)))
            assert (view == of_its_own).all()


def test_memory_that_nobody_has_is_used_again() -> None:
    own = Memory(2)
    first = own.array((100_000,), np.int64)
    where, view = address(first), first[10:20]
    del first
    others = [own.array((100_000,), np.int64) for _ in range(20)]
    assert where not in map(address, others)
    del view
    # As large but for rounding, and of another type.
    assert address(own.array((900_000,), np.uint8)) == where


def test_no_more_is_kept_than_is_said() -> None:
    own = Memory(2)
    arrays = [own.array((20 << 20,), np.uint8) for _ in range(5)]
    assert own.kept == {}
    arrays.clear()
    assert own.kept == {32 << 20: 2}


def test_the_next_epoch_has_the_memory_of_the_last_one() -> None:
    with memory_of_epoch("a use", 2) as own:
        kept = own.array((300_000,), np.int64)
        kept[:] = 7
        where = address(given_back := own.array((300_000,), np.int64))
        del given_back
    with memory_of_epoch("a use", 2) as again:
        assert again is own
        assert where in {address(again.array((300_000,), np.int64)) for _ in range(8)}
        # Beside it there is another one.
        with memory_of_epoch("a use", 2) as other:
            assert other is not own
    with memory_of_epoch("another use", 2) as other:
        assert other is not own
    # Who has an array has it, whatever becomes of the memory.
    assert (kept == 7).all()


def test_what_is_offered_to_the_system_is_never_what_somebody_has() -> None:
    own, over, wrong = Memory(4), threading.Event(), []

    def work(number: int) -> None:
        while not over.is_set():
            arrays = [own.array((100_000,), np.uint8) for _ in range(3)]
            for array in arrays:
                array.fill(number)
            wrong.extend(number for array in arrays if not (array == number).all())

    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for _ in range(examples(300)):
        own.offer()
    over.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    # Each piece is there once.
    pieces = [own.array((100_000,), np.uint8) for _ in range(200)]
    assert len(set(map(address, pieces))) == len(pieces)


@pytest.mark.parametrize("count", [0, 1, 5, 40_000])
def test_arrays_behind_each_other_and_in_an_order(count: int) -> None:
    own, chance = Memory(2), np.random.default_rng(count)
    parts = [chance.integers(0, 1 << 60, count), chance.integers(0, 1 << 60, 3)]
    joined = own.joined(parts)
    assert joined.tolist() == [*parts[0].tolist(), *parts[1].tolist()]
    order = chance.permutation(len(joined))
    items = joined.tolist()
    assert own.taken(joined, order).tolist() == [items[place] for place in order.tolist()]


def test_batches_that_are_kept_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_SMALLEST", 2)
    monkeypatch.setattr(memory, "_TOGETHER", 64)
    data = publish(tmp_path, [[30, 5], [20, 0, 40]])
    settings: dict[str, Any] = {"columns": ["row", "seen", "vector"], "window_rows": 16}

    def copies(batch: Any) -> dict[str, bytes]:
        return {name: array.tobytes() for name, array in {**batch.arrays, **batch.lengths, **batch.masks}.items()}

    for seed in (None, 1):
        for pad in ({}, {"seen": 8}):
            kept = list(data.batches(9, seed, pad=pad, **settings))
            alone = [copies(batch) for batch in data.batches(9, seed, pad=pad, **settings)]
            assert [copies(batch) for batch in kept] == alone


def lazily_freed() -> int | None:
    """Bytes of this process that the system may take; None where it does not say so."""
    maps = Path("/proc/self/smaps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    counts = [int(line.split()[1]) << 10 for line in lines if line.startswith("LazyFree:")]
    return sum(counts) if counts else None


def test_what_comes_back_behind_the_epoch_is_offered_too() -> None:
    if lazily_freed() is None:
        pytest.skip("the system does not say what it may take")
    with memory_of_epoch("what comes back", 2) as own:
        array = own.array((1 << 22,), np.uint8)
        array.fill(1)
    before = lazily_freed()
    del array
    assert (lazily_freed() or 0) - (before or 0) > 1 << 20
    with memory_of_epoch("what comes back", 2) as again:
        assert again is own
        array = again.array((1 << 22,), np.uint8)
        array.fill(2)
        del array
        kept = lazily_freed()
    # The system takes of it whenever it needs some, and none comes to it.
    assert (kept or 0) - (before or 0) < 1 << 20


@pytest.mark.parametrize("refused", ["large pages", "memory"])
def test_what_the_system_refuses(refused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Advice is no more than that; and memory that it does not give is no fault of a file."""

    class Refusing(mmap.mmap):
        def __new__(cls, *given: Any, **more: Any) -> Any:
            if refused == "memory":
                raise OSError(errno.ENOMEM, "Cannot allocate memory")
            return super().__new__(cls, *given, **more)

        def madvise(self, *_: Any) -> None:
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(memory, "_SMALLEST", 2)
    monkeypatch.setattr(mmap, "mmap", Refusing)
    data = publish(tmp_path, [[30, 5]])
    if refused == "memory":
        with pytest.raises(MemoryError, match=r"the system gives no .* bytes more: Cannot allocate memory"):
            list(data.batches(9, 1, columns=["row", "vector"], window_rows=17))
    else:
        assert sum(batch.rows for batch in data.batches(9, 1, columns=["row", "vector"], window_rows=17)) == 35

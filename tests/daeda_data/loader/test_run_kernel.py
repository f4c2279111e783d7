"""Runs of Parquet by machine code: what was written is read, and what is damaged is refused."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from daeda.dataset.thrift import varint
from daeda_data.loader import row_kernel, run_kernel
from daeda_data.loader.run_kernel import EMPTY, NULL, NULL_ITEM, SLACK, VALUE, Bytes, Kernel, Rows, kernel
from tests.budget import examples


@pytest.fixture
def machine() -> Kernel:
    found = kernel()
    assert found is not None, "llvmlite is part of [dev]"
    return found


def runs_of(numbers: Sequence[int], bits: int, choice: random.Random, padding: int = 0) -> bytes:
    """Numbers in runs of both kinds, as long as chance says; so many groups of padding behind the last ones."""
    out, at = bytearray(), 0
    while at < len(numbers):
        same = next((n for n in range(at, len(numbers)) if numbers[n] != numbers[at]), len(numbers)) - at
        if choice.random() < 0.5:
            same = choice.randint(1, same)
            out += varint(same << 1) + numbers[at].to_bytes((bits + 7) // 8, "little")
            at += same
            continue
        groups = choice.randint(1, 4)
        taken = list(numbers[at : at + groups * 8])
        if len(taken) < groups * 8:
            groups += padding
        packed = sum(number << (bits * place) for place, number in enumerate(taken))
        out += varint(groups << 1 | 1) + packed.to_bytes(groups * bits, "little")
        at += len(taken)
    return bytes(out)


def room(runs: bytes) -> Bytes:
    """With as much behind it as the kernel reads, which is nothing that it may use."""
    return np.frombuffer(runs + b"\xff" * SLACK, np.uint8)


def read_rows(machine: Kernel, pages: Sequence[tuple[bytes, bytes, int]], most: int) -> Rows | None:
    """What the levels of pages tell of rows, for so many of which there is room."""
    starts, firsts = np.full(most + 1, 77, np.int32), np.full(most + 1, 77, np.uint8)
    rows = Rows(starts[:most], firsts[:most])
    right = all(machine.levels(room(reps), room(defs), count, rows) for reps, defs, count in pages)
    assert starts[most] == firsts[most] == 77
    return rows if right else None


def levels_by_chance(choice: random.Random) -> tuple[list[int], list[int]]:
    """Levels of both kinds, long runs of one among them, no item NULL."""
    repetitions, definitions = [], []
    for _ in range(choice.randint(1, 8)):
        length = choice.choice([1, 3, 40, 130])
        again, level = choice.randrange(2), choice.choice([NULL, EMPTY, VALUE])
        mixed = choice.random() < 0.5
        repetitions += [choice.randrange(2) if mixed else again for _ in range(length)]
        definitions += [choice.choice([NULL, EMPTY, VALUE]) if mixed else level for _ in range(length)]
    return repetitions, definitions


def read_values(
    machine: Kernel, runs: bytes, bits: int, count: int, dictionary: np.ndarray[Any, Any]
) -> list[Any] | None:
    out = np.zeros(count + 1, dictionary.dtype)
    right = machine.values(room(runs), len(runs), bits, dictionary, out[:count])
    assert out[count] == 0
    return out[:count].tolist() if right else None


def test_levels_tell_where_rows_begin_and_with_what(machine: Kernel) -> None:
    choice = random.Random(1)
    for _ in range(examples(600)):
        repetitions, definitions = levels_by_chance(choice)
        count, pages, first = len(repetitions), [], 0
        while first < count:
            # A page may begin in the middle of a row.
            last = min(count, first + choice.choice([count, 1, 9, 64, 200]))
            pages.append((
                runs_of(repetitions[first:last], 1, choice, choice.randint(0, 3)),
                runs_of(definitions[first:last], 2, choice, choice.randint(0, 3)), last - first,
            ))  # fmt: skip
            first = last
        starts = [place for place, level in enumerate(repetitions) if level == 0]
        rows = read_rows(machine, pages, len(starts) + choice.choice([0, 5]))
        assert rows is not None
        assert rows.starts[: rows.count].tolist() == starts
        assert rows.firsts[: rows.count].tolist() == [definitions[start] for start in starts]
        assert (rows.count, rows.levels, rows.values) == (len(starts), count, definitions.count(VALUE))
        if starts:
            assert read_rows(machine, pages, len(starts) - 1) is None


def test_levels_that_end_too_late_or_too_early_are_refused(machine: Kernel) -> None:
    choice = random.Random(2)
    for _ in range(examples(100)):
        repetitions, definitions = levels_by_chance(choice)
        count = len(repetitions)
        both = runs_of(repetitions, 1, choice), runs_of(definitions, 2, choice)
        for kind, runs in enumerate(both):
            for wrong in (runs + b"\x02", *(runs[:end] for end in range(len(runs)))):
                reps, defs = (wrong, both[1]) if kind == 0 else (both[0], wrong)
                assert read_rows(machine, [(reps, defs, count)], count) is None


def test_an_item_that_is_null_is_refused(machine: Kernel) -> None:
    choice = random.Random(3)
    for _ in range(examples(200)):
        repetitions, definitions = levels_by_chance(choice)
        definitions[choice.randrange(len(definitions))] = NULL_ITEM
        page = runs_of(repetitions, 1, choice), runs_of(definitions, 2, choice), len(repetitions)
        assert read_rows(machine, [page], len(repetitions)) is None


@pytest.mark.parametrize("size", [2, 4, 8])
def test_values_are_those_of_the_dictionary(size: int, machine: Kernel) -> None:
    choice = random.Random(size)
    for bits in range(33):
        most = min(1 << bits, 1000)
        dictionary = np.array([choice.randrange(1 << (8 * size)) for _ in range(most)], f"u{size}")
        for _ in range(examples(40)):
            numbers = [choice.randrange(most)] * choice.randint(0, 9)
            numbers += [choice.randrange(most) for _ in range(choice.randint(1, 60))]
            runs = runs_of(numbers, bits, choice, choice.randint(0, 3))
            values = dictionary[numbers].tolist()
            assert read_values(machine, runs, bits, len(numbers), dictionary) == values
            # A place that the dictionary does not have.
            known = dictionary[: max(numbers)]
            assert read_values(machine, runs, bits, len(numbers), known) is None
            if bits:
                assert read_values(machine, runs[:-1], bits, len(numbers), dictionary) is None


@pytest.mark.parametrize(
    "runs",
    [
        b"",
        b"\x00\x01",  # a run of none
        b"\x01",  # no groups
        b"\x14\x01",  # ten levels where eight are asked for
        b"\x10\x02",  # a level of two bits where there is one
        b"\xff\xff\xff\xff\xff\xff\x01\x01",  # a header longer than any
        b"\xfe\xff\xff\xff\xff\x01",  # a run of billions
        b"\xff\xff\xff\xff\xff\x01",  # billions of groups
    ],
)
def test_what_is_no_run_is_refused(runs: bytes, machine: Kernel) -> None:
    of_ones = b"\x10\x01"
    assert read_rows(machine, [(runs, of_ones, 8)], 20) is None
    assert read_rows(machine, [(of_ones, runs, 8)], 20) is None or runs == b"\x10\x02"


def test_the_size_of_a_block_of_lz4(machine: Kernel) -> None:
    codec, choice = pa.Codec("lz4_raw"), random.Random(1)
    for _ in range(examples(400)):
        words = [choice.randbytes(choice.choice([1, 3, 40, 600])) for _ in range(4)]
        plain = b"".join(choice.choice(words) for _ in range(choice.randint(0, 60)))
        block = bytes(codec.compress(plain))
        assert machine.lz4_size(np.frombuffer(block, np.uint8)) == len(plain)
        for end in range(len(block)):
            # A block that is cut behind literals is a shorter one.
            found = machine.lz4_size(np.frombuffer(block[:end], np.uint8))
            assert found == expected_lz4_size(block[:end])
        noise = choice.randbytes(30)
        assert machine.lz4_size(np.frombuffer(noise, np.uint8)) == expected_lz4_size(noise)


def expected_lz4_size(block: bytes) -> int:
    at = made = 0

    def length(first: int) -> int:
        nonlocal at
        total = first
        while first == 15:
            total += block[at]
            at += 1
            if block[at - 1] < 255:
                break
        return total

    try:
        while True:
            token = block[at]
            at += 1
            literals = length(token >> 4)
            at += literals
            made += literals
            if at == len(block):
                return made
            at += 2
            # Something is behind a match.
            assert at < len(block)
            made += length(token & 15) + 4
    except (IndexError, AssertionError):
        return -1


def test_without_llvmlite_there_is_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    assert run_kernel.kernel.__wrapped__() is None
    assert row_kernel.kernel.__wrapped__() is None

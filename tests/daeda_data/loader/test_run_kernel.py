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
from daeda_data.loader.run_kernel import SLACK, Bytes, Kernel, kernel
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


def read_levels(machine: Kernel, runs: bytes, bits: int, count: int) -> list[int] | None:
    out = np.full(count + SLACK + 8, 77, np.uint8)
    right = machine.levels(room(runs), len(runs), bits, count, out[: count + SLACK])
    assert (out[count + SLACK :] == 77).all()
    return out[:count].tolist() if right else None


def read_values(
    machine: Kernel, runs: bytes, bits: int, count: int, dictionary: np.ndarray[Any, Any]
) -> list[Any] | None:
    out = np.zeros(count + 1, dictionary.dtype)
    right = machine.values(room(runs), len(runs), bits, dictionary, out[:count])
    assert out[count] == 0
    return out[:count].tolist() if right else None


@pytest.mark.parametrize("bits", [1, 2])
def test_levels_are_those_that_were_written(bits: int, machine: Kernel) -> None:
    choice = random.Random(bits)
    for _ in range(examples(600)):
        # Long runs of one level, as lists have them.
        numbers = [choice.randrange(1 << bits)] * choice.randint(0, 40)
        numbers += [choice.randrange(1 << bits) for _ in range(choice.randint(0, 40))]
        runs = runs_of(numbers, bits, choice, choice.randint(0, 3))
        assert read_levels(machine, runs, bits, len(numbers)) == numbers
        assert read_levels(machine, runs + b"\x02", bits, len(numbers)) is None
        for end in range(len(runs)):
            assert read_levels(machine, runs[:end], bits, len(numbers)) is None


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
    assert read_levels(machine, runs, 1, 8) is None


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

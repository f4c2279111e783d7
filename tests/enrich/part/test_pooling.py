from __future__ import annotations

import math
import platform
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.arrays import Halves
from enrich.part import pooling
from enrich.part.llvm_kernel import kernel
from enrich.part.pooling import DTYPES, Element, Normalize, average, lookup
from enrich.part.vector_parquet import VECTORS
from tests.budget import examples

HALF_LISTS = pa.list_(pa.float16())

needs_kernel = pytest.mark.skipif(kernel() is None, reason="this processor does not convert float16 itself")


@pytest.fixture(params=[pytest.param(True, marks=needs_kernel, id="compiled"), pytest.param(False, id="numpy")])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled kernel, and then the one that takes its place."""
    if not request.param:
        monkeypatch.setattr(pooling, "kernel", lambda: None)


def matrix_of(*vectors: list[float]) -> Halves:
    return np.array(vectors, np.float16)


def averaged(
    lists: list[list[int]], matrix: Halves, normalize: Normalize = "none", element: Element = "halffloat"
) -> pa.ListArray:
    offsets = np.cumsum([0, *(len(entry) for entry in lists)], dtype=np.int64)
    return average(offsets, np.array([p for entry in lists for p in entry], np.int64), matrix, normalize, element)


def bits(array: pa.ListArray) -> list[list[int] | None]:
    """The values by their bits, so that NaN and -0.0 compare too. All NaNs count as one."""
    float_type = array.type.value_type.to_pandas_dtype()
    rows = []
    for row in array:
        values = row.values
        numbers = None if values is None else values.to_numpy(zero_copy_only=False).astype(float_type)
        rows.append(None if numbers is None else np.where(np.isnan(numbers), float_type("nan"), numbers))
    return [None if row is None else row.view(f"u{row.itemsize}").tolist() for row in rows]


def test_lookup() -> None:
    found = lookup(np.array([1, -1, 0, 1]), matrix_of([1, 2], [3, 6]), "none")
    assert found.type == HALF_LISTS
    assert found.to_pylist() == [[3, 6], None, [1, 2], [3, 6]]


def test_lookup_normalized() -> None:
    found = lookup(np.array([0, 1, -1]), matrix_of([3, 4], [0, 0]), "l2")
    assert found.to_pylist() == [[float(np.float16(0.6)), float(np.float16(0.8))], [0, 0], None]


def test_average_counts_what_the_store_has_with_multiplicity(either: None) -> None:
    found = averaged([[0, 1], [], [-1], [0, -1, 0, 1], [1]], matrix_of([1, 2], [4, 8]))
    assert found.type == HALF_LISTS
    assert found.to_pylist() == [[2.5, 5], None, None, [2, 4], [4, 8]]


def test_average_sums_in_list_order(either: None) -> None:
    # 2**-14 is lost beside 2**11 in float32 (24 bits) when it comes second, and kept when the big values cancel first.
    matrix = matrix_of([2**11], [-(2**11)], [2**-14])
    assert averaged([[0, 2, 1], [0, 1, 2]], matrix).to_pylist() == [[0.0], [float(np.float16(2**-14 / 3))]]


def test_special_values_stay_in_their_rows(either: None) -> None:
    matrix = matrix_of([math.inf, 1], [-math.inf, 1], [math.nan, 1], [2, 1])
    found = averaged([[0, 1], [2, 3], [0, 3], [3]], matrix).to_pylist()
    assert [math.isnan(row[0]) for row in found] == [True, True, False, False]
    assert found[2:] == [[math.inf, 1], [2, 1]]
    unit = averaged([[0], [3]], matrix, "l2").to_pylist()
    assert math.isnan(unit[0][0])
    assert unit[0][1] == 0


def test_largest_and_smallest_values(either: None) -> None:
    matrix = matrix_of([65504, 2**-24], [65504, 0])
    assert averaged([[0, 1] * 50, [0]], matrix).to_pylist() == [[65504, 0], [65504, 2**-24]]


@pytest.mark.parametrize("normalize", ["none", "l2"])
def test_nothing_at_all(either: None, normalize: Normalize) -> None:
    nothing = np.empty((0, 3), np.float16)
    assert lookup(np.empty(0, np.int64), nothing, normalize).to_pylist() == []
    assert lookup(np.array([-1]), nothing, normalize).to_pylist() == [None]
    assert averaged([], nothing, normalize).to_pylist() == []
    assert averaged([[-1], []], nothing, normalize).to_pylist() == [None, None]


def test_too_many_elements_for_list_offsets() -> None:
    with pytest.raises(
        ValueError, match=r"^3 rows of 1000000000 elements exceed int32 list offsets; cut the batch sma"
    ):
        lookup(
            np.array([0, 0, 0]), np.lib.stride_tricks.as_strided(np.zeros(1, np.float16), (1, 10**9), (0, 0)), "none"
        )


def oracle_unit(vector: list[Any]) -> list[np.float64]:
    wide = [np.float64(value) for value in vector]
    norm = np.sqrt(np.square(np.array(wide)).sum())
    return wide if norm == 0 else [value / norm for value in wide]


def oracle(lists: list[list[int]], matrix: Halves, normalize: Normalize, float_type: Any) -> list[list[Any] | None]:
    rows: list[list[Any] | None] = []
    for entry in lists:
        total, count = [np.float32(0)] * matrix.shape[1], 0
        for position in entry:
            if position >= 0:
                total = [a + np.float32(b) for a, b in zip(total, matrix[position], strict=True)]
                count += 1
        mean: list[Any] = [value / np.float32(count) for value in total] if count else []
        rows.append([float_type(v) for v in (oracle_unit(mean) if normalize == "l2" else mean)] if count else None)
    return rows


def test_norm_is_taken_in_float64() -> None:
    matrix = np.random.default_rng(1).standard_normal((800, 64)).astype(np.float16)
    expected = pa.array([np.array(oracle_unit(list(vector))).astype(np.float16) for vector in matrix], HALF_LISTS)
    assert lookup(np.arange(800), matrix, "l2").equals(expected)


elements = st.sampled_from(["halffloat", "float"])
halves = st.floats(width=16, allow_nan=True, allow_infinity=True)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[list[int]], Halves]:
    dimension, vectors = draw(st.integers(1, 9)), draw(st.integers(0, 5))
    rows = draw(st.lists(st.lists(halves, min_size=dimension, max_size=dimension), min_size=vectors, max_size=vectors))
    lists = draw(st.lists(st.lists(st.integers(-1, vectors - 1), max_size=7), max_size=8))
    return lists, np.array(rows, np.float16).reshape(vectors, dimension)


@settings(max_examples=examples(150))
@given(cases(), st.sampled_from(["none", "l2"]), st.sampled_from([1, 40, pooling.BLOCK_BYTES]), st.booleans(), elements)
def test_average_is_the_plain_loop(
    case: tuple[list[list[int]], Any], normalize: Normalize, block_bytes: int, compiled: bool, element: Element
) -> None:
    lists, matrix = case
    float_type = DTYPES[element].type
    with np.errstate(all="ignore"):
        rows = oracle(lists, matrix, normalize, float_type)
        expected = [None if row is None else np.array(row, float_type).tolist() for row in rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pooling, "BLOCK_BYTES", block_bytes)
        if not compiled:
            patch.setattr(pooling, "kernel", lambda: None)
        assert bits(averaged(lists, matrix, normalize, element)) == bits(pa.array(expected, VECTORS[element]))


@settings(max_examples=examples(60))
@given(cases(), st.sampled_from(["none", "l2"]), elements)
def test_lookup_is_the_plain_loop(case: tuple[list[list[int]], Any], normalize: Normalize, element: Element) -> None:
    lists, matrix = case
    positions = [position for entry in lists for position in entry]
    with np.errstate(all="ignore"):
        rows = [None if p < 0 else oracle_unit(matrix[p]) if normalize == "l2" else matrix[p] for p in positions]
        expected = [None if row is None else np.array(row).astype(DTYPES[element]).tolist() for row in rows]
    found = lookup(np.array(positions, np.int64), matrix, normalize, element)
    assert bits(found) == bits(pa.array(expected, VECTORS[element]))


# Two kernels, one answer.


def any_bits(generator: np.random.Generator, shape: tuple[int, int]) -> Halves:
    """Float16 of any bits, half of them infinities and NaNs of every kind."""
    found = generator.integers(0, 2**16, shape, np.uint16)
    special = generator.integers(0, 2**10, shape, np.uint16) | np.uint16(0x7C00)
    special |= generator.integers(0, 2, shape, np.uint16) << np.uint16(15)
    return np.where(generator.random(shape) < 0.1, special, found).astype(np.uint16).view(np.float16)


@needs_kernel
@pytest.mark.parametrize("normalize", ["none", "l2"])
@pytest.mark.parametrize("dimension", [1, 31, 32, 33, 100])
def test_both_kernels_give_the_same_bytes(
    dimension: int, normalize: Normalize, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(dimension)
    matrix = any_bits(generator, (40, dimension))
    offsets = np.cumsum([0, *generator.integers(0, 12, 300)])
    positions = generator.integers(-1, len(matrix), offsets[-1] + 5)
    compiled = average(offsets[3:], positions, matrix, normalize)
    monkeypatch.setattr(pooling, "kernel", lambda: None)
    plain = average(offsets[3:], positions, matrix, normalize)
    assert compiled.is_valid().equals(plain.is_valid())
    ours, theirs = (found.values.to_numpy(zero_copy_only=False).view(np.uint16) for found in (compiled, plain))
    assert np.array_equal(ours, theirs)
    assert np.isnan(ours.view(np.float16)).any()


@pytest.fixture
def forgotten() -> Iterator[None]:
    """The kernel is made anew, here and after."""
    kernel.cache_clear()
    yield
    kernel.cache_clear()


def test_without_llvm_there_is_no_kernel(forgotten: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    assert kernel() is None
    assert averaged([[0, 1]], matrix_of([1, 2], [4, 8])).to_pylist() == [[2.5, 5]]


@pytest.mark.parametrize(
    ("machine", "features"), [("x86_64", {"avx2": True}), ("x86_64", {"f16c": True}), ("riscv64", {})]
)
def test_a_processor_without_float16_has_no_kernel(
    machine: str, features: dict[str, bool], forgotten: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import llvmlite.binding as llvm

    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: features)
    assert kernel() is None

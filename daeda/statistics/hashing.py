"""Hashes of values, 64 bits each and the same on every machine; those of whole numbers and doubles never collide."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from daeda.statistics.values import as_numbers

Hashes = npt.NDArray[np.uint64]
_WORD = 8
_SEED = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def mixed(words: Hashes) -> Hashes:
    """The finaliser of SplitMix64, which gives each word another one."""
    words = words + _SEED
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))


def hashes_of(values: pa.Array) -> Hashes:
    """The hashes of values without NULLs."""
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _of_texts(values.cast(pa.large_string()))
    if pa.types.is_decimal(kind):
        words = np.frombuffer(values.cast(pa.decimal128(38, kind.scale)).buffers()[1], np.uint64).reshape(-1, 2)
        words = words[values.offset : values.offset + len(values)]
        return mixed(mixed(words[:, 0]) ^ words[:, 1])
    if pa.types.is_boolean(kind):
        return mixed(as_numbers(values.cast(pa.uint8())).astype(np.uint64))
    if pa.types.is_floating(kind):
        return mixed(as_numbers(values).astype(np.float64).view(np.uint64))
    return mixed(as_numbers(values).astype(np.uint64 if kind == pa.uint64() else np.int64).view(np.uint64))


def _of_texts(values: pa.LargeStringArray) -> Hashes:
    """Word by word: all texts that have an n-th word at once, the longest first."""
    count = len(values)
    _, offsets_buffer, data = values.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64)[values.offset : values.offset + count + 1]
    lengths = np.diff(offsets)
    order = np.argsort(-lengths, kind="stable")
    starts, left = offsets[:-1][order], lengths[order]
    used = np.frombuffer(data, np.uint8)[: offsets[-1]] if data is not None else np.empty(0, np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(np.concatenate((used, np.zeros(_WORD, np.uint8))), _WORD)
    state = mixed(left.astype(np.uint64))
    while len(left) and left[0] > 0:
        there = int(np.searchsorted(-left, 0, side="left"))
        starts, left = starts[:there], left[:there]
        words = np.ascontiguousarray(windows[starts]).view("<u8").ravel().astype(np.uint64)
        beyond = (8 * np.clip(_WORD - left, 0, _WORD - 1)).astype(np.uint64)
        words = (words << beyond) >> beyond
        state[:there] = mixed(state[:there] ^ mixed(words))
        starts, left = starts + _WORD, left - _WORD
    hashes = np.empty(count, np.uint64)
    hashes[order] = state
    return hashes

"""Trees over the rows: the nearest row whose key is large enough, and the row of the greatest key in a range.

Both answer all windows at once in steps that grow with the logarithm of a window's length, and take about twice the
memory of the keys.
"""

from __future__ import annotations

import numpy as np

from beam_pipeline.windows.numpy_engine.bounds import Bounds, Int64s

_LEAST = -(2**63)


def maxima(keys: Int64s) -> list[Int64s]:
    """A tree over the rows: level k holds the greatest key of each 2^k rows; each level is padded to pairs.

    The last level has one node for all rows: a search that begins behind the last row needs it.
    """
    levels = [keys]
    while True:
        size = len(levels[-1])
        if size % 2:
            levels[-1] = np.append(levels[-1], _LEAST)
        if size <= 1:
            return levels
        levels.append(levels[-1].reshape(-1, 2).max(axis=1))


def previous(tree: list[Int64s], cursor: Int64s, lo: Int64s, least: Int64s) -> Int64s:
    """Per probe the greatest row `j < cursor` with `key[j] >= least`; below `lo` (or -1) if `[lo, cursor)` has none.

    Climb: at each level `node` ends what is still to search; an odd end has one last node that its parent does not
    cover alone, so it is tested there. Descend: from the node that has such a row to its right child if that has one.
    """
    node = cursor.copy()
    level_found = np.full(len(cursor), -1, dtype=np.int64)
    open_ = np.arange(len(cursor), dtype=np.int64)
    for level, keys in enumerate(tree):
        odd = open_[node[open_] & 1 == 1]
        hit = odd[keys[node[odd] - 1] >= least[odd]]
        level_found[hit] = level
        node[hit] -= 1
        open_ = open_[level_found[open_] < 0]
        node[open_] >>= 1
        open_ = open_[node[open_] << (level + 1) > lo[open_]]
    row = np.where(level_found >= 0, node, -1)
    for level in range(len(tree) - 1, 0, -1):
        inner = np.flatnonzero(level_found >= level)
        right = 2 * row[inner] + 1
        row[inner] = right - (tree[level - 1][right] < least[inner])
    return row


def greatest_rows(keys: Int64s, window: Bounds) -> Int64s:
    """The row of the greatest key of each window, -1 for an empty one; of equal keys any row.

    A window is a union of nodes, at most two of each level: those that stick out of their parents on its left and on
    its right. Level k holds the row of the greatest key of each 2^k rows.
    """
    lo, hi = window.lo.copy(), window.hi.copy()
    best = np.full(len(window), -1, dtype=np.int64)
    open_ = np.flatnonzero(lo < hi)
    rows = np.arange(len(keys), dtype=np.int64)
    while True:
        left = open_[lo[open_] & 1 == 1]
        _offer(keys, best, left, rows[lo[left]])
        lo[left] += 1
        right = open_[hi[open_] & 1 == 1]
        hi[right] -= 1
        _offer(keys, best, right, rows[hi[right]])
        lo[open_] >>= 1
        hi[open_] >>= 1
        open_ = open_[lo[open_] < hi[open_]]
        if not len(open_):
            return best
        # An odd last node has no brother, and no window reaches into their parent.
        pairs = rows[: len(rows) // 2 * 2].reshape(-1, 2)
        rows = np.where(keys[pairs[:, 1]] > keys[pairs[:, 0]], pairs[:, 1], pairs[:, 0])


def _offer(keys: Int64s, best: Int64s, probes: Int64s, rows: Int64s) -> None:
    """Take the rows where their keys are greater than those of the rows taken so far."""
    current = best[probes]
    better = (current < 0) | (keys[rows] > keys[current])
    best[probes[better]] = rows[better]
